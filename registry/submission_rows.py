"""The rows of a submission that was found good."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone

from access.rows import insert
from registry.dtm import first_second, write_dtm
from registry.metadata_types import is_uuid
from registry.models import (
    Association,
    DocumentCode,
    DocumentEntry,
    Folder,
    ReferenceId,
    Study,
    SubmissionSet,
)
from registry.submission import (
    Author,
    Code,
    EntryDraft,
    FolderDraft,
    Origin,
    RegistryError,
    Submission,
    SubmissionRefused,
    SubmissionSetDraft,
)
from registry.submission_checks import all_drafts, codes_of
from registry.submission_lookups import Known

STUDY_REFERENCE = "urn:ihe:iti:xds:2016:studyInstanceUID"
_CODE_KINDS = {
    "class": "class_code",
    "type": "type_code",
    "format": "format_code",
    "practice_setting": "practice_setting_code",
    "facility_type": "healthcare_facility_type_code",
    "event": "event_codes",
    "confidentiality": "confidentiality_codes",
}
_SINGLE_CODES = ("class", "type", "format", "practice_setting", "facility_type")
_COPIED = (
    "unique_id",
    "object_type",
    "mime_type",
    "source_patient_id",
    "language_code",
    "title",
    "comments",
    "creation_time",
    "service_start_time",
    "service_stop_time",
    "legal_authenticator",
    "size",
    "uri",
    "repository_unique_id",
    "home_community_id",
    "report_version_id",
    "order_id",
    "maker",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was inserted, and the UUID of each object by the id it was sent with."""

    submission_set: SubmissionSet
    entries: tuple[DocumentEntry, ...]
    uuids: Mapping[str, str]


def new_uuid() -> str:
    """Make the UUID of a new object."""
    return f"urn:uuid:{uuid.uuid4()}"


def resolve_ids(submission: Submission) -> dict[str, str]:
    """Give every symbolic id a UUID of its own, the same wherever it is used; UUIDs stay."""
    sent = [draft.entry_uuid for draft in all_drafts(submission)]
    return {text: text if is_uuid(text) else new_uuid() for text in sent}


def insert_rows(submission: Submission, origin: Origin, known: Known, uuids: Mapping[str, str]) -> Rows:
    """Insert all objects of a submission that has no errors.

    Raises
    ------
    SubmissionRefused
        Somebody else took the unique id or the UUID of a set or folder at the same moment.
    """
    [draft] = submission.submission_sets
    patient_id = known.patients[draft.patient_id]
    submission_set = _make_set(draft, origin, patient_id, uuids)
    _insert(submission_set)
    entries = tuple(
        _insert_entry(entry, submission_set, origin, patient_id, uuids) for entry in submission.entries
    )
    for folder in submission.folders:
        _insert(_make_folder(folder, origin, patient_id, uuids))
    for link in submission.associations:
        insert_association(
            submission_set,
            link.kind,
            uuids.get(link.source, link.source),
            uuids.get(link.target, link.target),
            entry_uuid=uuids[link.entry_uuid],
            submission_set_status=link.submission_set_status,
            documentation=code_value(link.documentation),
            extra=_slots(link.extra),
        )
    return Rows(submission_set, entries, uuids)


def insert_association(
    submission_set: SubmissionSet, kind: str, source: str, target: str, **values: Any
) -> Association:
    """Insert how two objects are related."""
    values.setdefault("entry_uuid", new_uuid())
    row = Association(
        submission_set=submission_set, kind=kind, source_uuid=source, target_uuid=target, **values
    )
    _insert(row)
    return row


def code_value(code: Code | None) -> dict[str, str]:
    """Return a code as its column keeps it."""
    return asdict(code) if code is not None else {}


def _insert(row: Any) -> None:
    if not insert(row, unless_known=True):
        name = getattr(row, "unique_id", "") or row.entry_uuid
        raise SubmissionRefused(
            (RegistryError("XDSDuplicateUniqueIdInRegistry", f"the uniqueId {name} is in use"),)
        )


def _make_set(
    draft: SubmissionSetDraft, origin: Origin, patient_id: int, uuids: Mapping[str, str]
) -> SubmissionSet:
    return SubmissionSet(
        entry_uuid=uuids[draft.entry_uuid],
        unique_id=draft.unique_id,
        source_id=draft.source_id,
        patient_id=patient_id,
        patient_id_as_sent=draft.patient_id,
        submission_time=draft.submission_time,
        submission_time_from=first_second(draft.submission_time),
        content_type_code=code_value(draft.content_type_code),
        title=draft.title,
        comments=draft.comments,
        authors=_authors(draft.authors),
        intended_recipients=list(draft.intended_recipients),
        home_community_id=draft.home_community_id,
        extra=_slots(draft.extra),
        department_id=origin.department_id,
        registered_at=timezone.now(),
    )


def _make_folder(draft: FolderDraft, origin: Origin, patient_id: int, uuids: Mapping[str, str]) -> Folder:
    return Folder(
        entry_uuid=uuids[draft.entry_uuid],
        logical_uuid=uuids[draft.entry_uuid],
        unique_id=draft.unique_id,
        patient_id=patient_id,
        patient_id_as_sent=draft.patient_id,
        title=draft.title,
        comments=draft.comments,
        codes=[code_value(code) for code in draft.codes],
        last_update_time=write_dtm(timezone.now()),
        home_community_id=draft.home_community_id,
        extra=_slots(draft.extra),
        department_id=origin.department_id,
        registered_at=timezone.now(),
    )


def _insert_entry(
    draft: EntryDraft,
    submission_set: SubmissionSet,
    origin: Origin,
    patient_id: int,
    uuids: Mapping[str, str],
) -> DocumentEntry:
    now = timezone.now()
    entry = DocumentEntry(
        entry_uuid=uuids[draft.entry_uuid],
        logical_uuid=uuids[draft.entry_uuid],
        patient_id=patient_id,
        patient_id_as_sent=draft.patient_id,
        source_patient_info=list(draft.source_patient_info),
        authors=_authors(draft.authors),
        hash=draft.hash.lower(),
        extra=_slots(draft.extra),
        creation_time_from=first_second(draft.creation_time),
        service_start_time_from=first_second(draft.service_start_time),
        service_stop_time_from=first_second(draft.service_stop_time),
        department_id=origin.department_id,
        study=_find_study(draft, patient_id),
        submission_set=submission_set,
        registered_at=now,
        updated_at=now,
        **{_CODE_KINDS[kind]: code_value(getattr(draft, _CODE_KINDS[kind])) for kind in _SINGLE_CODES},
        **{field: getattr(draft, field) for field in _COPIED},
    )
    _insert(entry)
    DocumentCode.objects.bulk_create(_make_codes(entry, draft))
    ReferenceId.objects.bulk_create(_make_references(entry, draft.references))
    return entry


def _make_codes(entry: DocumentEntry, draft: EntryDraft) -> list[DocumentCode]:
    return [
        DocumentCode(
            entry=entry,
            kind=kind,
            position=position,
            code=code.code,
            scheme=code.scheme,
            display=code.display[:400],
        )
        for kind, field in _CODE_KINDS.items()
        for position, code in enumerate(codes_of(draft, field))
    ]


def _make_references(entry: DocumentEntry, texts: Iterable[str]) -> list[ReferenceId]:
    return [
        ReferenceId(
            entry=entry,
            position=position,
            value=text.split("^")[0],
            type_code=_type_of(text)[:128],
            text=text,
        )
        for position, text in enumerate(texts)
    ]


def _type_of(reference: str) -> str:
    parts = reference.split("^")
    return parts[4] if len(parts) > 4 else ""


def _find_study(draft: EntryDraft, patient_id: int) -> Study | None:
    """Return the study that a document says it is about, if it is the same patient's."""
    uids = [text.split("^")[0] for text in draft.references if _type_of(text) == STUDY_REFERENCE]
    wanted = [draft.study_instance_uid] if draft.study_instance_uid else uids
    if len(wanted) != 1:
        return None
    return Study.objects.filter(study_instance_uid=wanted[0], person_id=patient_id).first()


def _authors(authors: tuple[Author, ...]) -> list[dict[str, Any]]:
    return [asdict(author) for author in authors]


def _slots(extra: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in extra.items()}
