"""Rows of documents as the shapes they were submitted in, the patient named as now.

Several rows cost as many queries as one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.document_patients import write_patients
from registry.models import Association, DocumentCode, DocumentEntry, Folder, ReferenceId, SubmissionSet
from registry.submission import (
    AssociationDraft,
    Author,
    Code,
    EntryDraft,
    FolderDraft,
    SubmissionSetDraft,
)

_ENTRY_FIELDS = (
    "entry_uuid",
    "unique_id",
    "mime_type",
    "source_patient_id",
    "language_code",
    "title",
    "comments",
    "creation_time",
    "service_start_time",
    "service_stop_time",
    "legal_authenticator",
    "hash",
    "size",
    "uri",
    "repository_unique_id",
    "home_community_id",
    "logical_uuid",
    "object_type",
)
_ENTRY_CODES = (
    "class_code",
    "type_code",
    "format_code",
    "practice_setting_code",
    "healthcare_facility_type_code",
)


def draft_entries(entries: Sequence[DocumentEntry]) -> list[EntryDraft]:
    """Return the entries as drafts, in their order."""
    keys = [entry.pk for entry in entries]
    patients = write_patients(entry.patient_id for entry in entries)
    codes: dict[tuple[int, str], list[Code]] = defaultdict(list)
    kinds = ("event", "confidentiality")
    for row in DocumentCode.objects.filter(entry__in=keys, kind__in=kinds).order_by("entry", "position"):
        codes[row.entry_id, row.kind].append(Code(row.code, row.scheme, row.display))
    references: dict[int, list[str]] = defaultdict(list)
    for reference in ReferenceId.objects.filter(entry__in=keys).order_by("entry", "position"):
        references[reference.entry_id].append(reference.text)
    return [
        EntryDraft(
            patient_id=patients.get(entry.patient_id, entry.patient_id_as_sent),
            source_patient_info=tuple(entry.source_patient_info),
            event_codes=tuple(codes[entry.pk, "event"]),
            confidentiality_codes=tuple(codes[entry.pk, "confidentiality"]),
            references=tuple(references[entry.pk]),
            authors=_authors(entry.authors),
            extra=_slots(entry.extra),
            **_columns(entry),
        )
        for entry in entries
    ]


def _columns(entry: DocumentEntry) -> dict[str, Any]:
    codes = {field: code_of(getattr(entry, field)) for field in _ENTRY_CODES}
    return codes | {field: getattr(entry, field) for field in _ENTRY_FIELDS}


def draft_sets(rows: Sequence[SubmissionSet]) -> list[SubmissionSetDraft]:
    """Return the submission sets as drafts, in their order."""
    patients = write_patients(row.patient_id for row in rows)
    return [
        SubmissionSetDraft(
            entry_uuid=row.entry_uuid,
            unique_id=row.unique_id,
            source_id=row.source_id,
            patient_id=patients.get(row.patient_id, row.patient_id_as_sent),
            submission_time=row.submission_time,
            content_type_code=code_of(row.content_type_code),
            title=row.title,
            comments=row.comments,
            authors=_authors(row.authors),
            intended_recipients=tuple(row.intended_recipients),
            home_community_id=row.home_community_id,
            extra=_slots(row.extra),
        )
        for row in rows
    ]


def draft_folders(rows: Sequence[Folder]) -> list[FolderDraft]:
    """Return the folders as drafts, in their order."""
    patients = write_patients(row.patient_id for row in rows)
    return [
        FolderDraft(
            entry_uuid=row.entry_uuid,
            unique_id=row.unique_id,
            patient_id=patients.get(row.patient_id, row.patient_id_as_sent),
            codes=tuple(Code(**code) for code in row.codes),
            title=row.title,
            comments=row.comments,
            home_community_id=row.home_community_id,
            logical_uuid=row.logical_uuid,
            extra=_slots(row.extra),
        )
        for row in rows
    ]


def draft_association(row: Association) -> AssociationDraft:
    """Return an association as a draft."""
    return AssociationDraft(
        row.entry_uuid,
        row.kind,
        row.source_uuid,
        row.target_uuid,
        row.submission_set_status,
        code_of(row.documentation),
        _slots(row.extra),
    )


def code_of(value: Mapping[str, str]) -> Code | None:
    """Return the code that a column keeps."""
    return Code(**value) if value else None


def _authors(rows: Iterable[Mapping[str, Any]]) -> tuple[Author, ...]:
    lists = ("institutions", "roles", "specialties", "telecommunications")
    return tuple(Author(row.get("person", ""), *(tuple(row.get(name, ())) for name in lists)) for row in rows)


def _slots(extra: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in extra.items()}
