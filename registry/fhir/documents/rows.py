"""Document entries as kept: read as metadata, selected by what the actor may see, made into resources by the page.

A document is the DocumentReference whose id is the UUID of its entry; its bytes are the Binary of the same id.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from access.actor import Actor
from access.policy import Decision
from registry.document_visibility import (
    PermittedDocument,
    UnknownDocument,
    decide_documents,
    permitted_document,
    record_document_reading,
    visible_documents,
    with_places,
)
from registry.fhir.documents.entry_form import Shown, write_document_reference
from registry.fhir.documents.identifiers import id_of_uuid, uuid_of_id
from registry.fhir.errors import UnknownResource
from registry.fhir.structure import Resource
from registry.fhir.subjects import refer_to_patients
from registry.models import Association, DocumentCode, DocumentEntry, ReferenceId
from registry.models.document import APPROVED
from registry.submission import Author, Code, EntryDraft

RELATIONS = {
    "RPLC": "replaces",
    "XFRM": "transforms",
    "APND": "appends",
    "XFRM_RPLC": "replaces",
    "signs": "signs",
    "IsSnapshotOf": "transforms",
}
"""How a document is related, by kind of association. Standard: IHE ITI MHD AssociationTypeVsRelatesTo"""


def select_documents(
    actor: Actor, entries: "QuerySet[DocumentEntry, Any]"
) -> list[tuple[DocumentEntry, Decision]]:
    """Return those of the entries that the actor may see, with the decision."""
    rows = list(with_places(entries))
    decisions = decide_documents(actor, rows) if rows else []
    return [(row, decision) for row, decision in zip(rows, decisions, strict=True) if decision.permits]


def find_document(actor: Actor, key: str, *, door: str = "fhir") -> DocumentEntry:
    """Return the entry behind an id and record the reading, or the refusal.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see: the same answer at the same cost.
    """
    entry = with_places(DocumentEntry.objects.filter(entry_uuid=uuid_of_id(key))).first()
    try:
        permitted = permitted_document(actor, entry.unique_id if entry else key, door=door)
    except UnknownDocument as error:
        raise UnknownResource("no such document") from error
    if entry is None:  # somebody's unique id is no id of a resource
        raise UnknownResource("no such document")
    if permitted.entry.pk != entry.pk:
        [decision] = decide_documents(actor, [entry])
        if not decision.permits:
            raise UnknownResource("no such document")
        record_document_reading(actor, PermittedDocument(entry, decision), door=door)
    return entry


def make_document_references(base: str, actor: Actor, entries: Sequence[DocumentEntry]) -> list[Resource]:
    """Make the resources of entries that were permitted, with the same number of queries however many they are."""
    keys = [entry.pk for entry in entries]
    codes: defaultdict[int, list[DocumentCode]] = defaultdict(list)
    for code in DocumentCode.objects.filter(entry__in=keys, kind__in=("event", "confidentiality")).order_by(
        "position"
    ):
        codes[code.entry_id].append(code)
    references: defaultdict[int, list[str]] = defaultdict(list)
    for row in ReferenceId.objects.filter(entry__in=keys).order_by("position"):
        references[row.entry_id].append(row.text)
    subjects = refer_to_patients(entry.patient_id for entry in entries)
    relations = _find_relations(actor, entries)
    return [
        write_document_reference(
            draft_of(entry, codes[entry.pk], references[entry.pk]),
            Shown(
                id=id_of_uuid(entry.entry_uuid),
                subject=subjects[entry.patient_id],
                url=f"{base}/Binary/{id_of_uuid(entry.entry_uuid)}",
                moment=entry.registered_at,
                updated_at=entry.updated_at,
                is_current=entry.status == APPROVED,
                relations=relations[entry.entry_uuid],
            ),
        )
        for entry in entries
    ]


def draft_of(entry: DocumentEntry, codes: Iterable[DocumentCode], references: Iterable[str]) -> EntryDraft:
    """Read an entry, its codes that come in numbers and its references as metadata."""
    rows = list(codes)
    return EntryDraft(
        entry_uuid=entry.entry_uuid,
        unique_id=entry.unique_id,
        patient_id=entry.patient_id_as_sent,
        mime_type=entry.mime_type,
        class_code=code_of_json(entry.class_code),
        type_code=code_of_json(entry.type_code),
        format_code=code_of_json(entry.format_code),
        practice_setting_code=code_of_json(entry.practice_setting_code),
        healthcare_facility_type_code=code_of_json(entry.healthcare_facility_type_code),
        event_codes=tuple(_code_of(row) for row in rows if row.kind == "event"),
        confidentiality_codes=tuple(_code_of(row) for row in rows if row.kind == "confidentiality"),
        source_patient_id=entry.source_patient_id,
        source_patient_info=tuple(entry.source_patient_info),
        language_code=entry.language_code,
        title=entry.title,
        comments=entry.comments,
        creation_time=entry.creation_time,
        service_start_time=entry.service_start_time,
        service_stop_time=entry.service_stop_time,
        authors=authors_of_json(entry.authors),
        legal_authenticator=entry.legal_authenticator,
        hash=entry.hash,
        size=entry.size,
        references=tuple(references),
        extra={name: tuple(values) for name, values in entry.extra.items()},
    )


def code_of_json(row: Mapping[str, str] | None) -> Code | None:
    """Read a code as a row keeps it; None for none."""
    if not row or not row.get("code"):
        return None
    return Code(row["code"], row.get("scheme", ""), row.get("display", ""))


def authors_of_json(rows: Iterable[Mapping[str, Any]]) -> tuple[Author, ...]:
    """Read authors as a row keeps them."""
    return tuple(
        Author(
            row.get("person", ""),
            *(
                tuple(row.get(name, ()))
                for name in ("institutions", "roles", "specialties", "telecommunications")
            ),
        )
        for row in rows
    )


def _code_of(row: DocumentCode) -> Code:
    return Code(row.code, row.scheme, row.display)


def _find_relations(
    actor: Actor, entries: Sequence[DocumentEntry]
) -> defaultdict[str, tuple[tuple[str, str], ...]]:
    """Return what the entries replace, transform and so on, as far as the actor may see the other."""
    sources = [entry.entry_uuid for entry in entries]
    rows = list(Association.objects.filter(source_uuid__in=sources, kind__in=RELATIONS).order_by("pk"))
    others = with_places(DocumentEntry.objects.filter(entry_uuid__in={row.target_uuid for row in rows}))
    seen = {other.entry_uuid for other in visible_documents(actor, others)} if rows else set()
    found: defaultdict[str, tuple[tuple[str, str], ...]] = defaultdict(tuple)
    for row in rows:
        if row.target_uuid in seen:
            found[row.source_uuid] += ((RELATIONS[row.kind], id_of_uuid(row.target_uuid)),)
    return found
