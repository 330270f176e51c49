"""Submission sets and folders as kept: what they hold that the actor may see, made into Lists.

A list is there for whoever may see one of its documents; one that holds none, as a document of its department.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from access.actor import Actor
from registry.document_visibility import visible_documents, with_places
from registry.fhir.documents.identifiers import id_of_uuid
from registry.fhir.documents.list_form import ShownList, write_folder, write_submission_set
from registry.fhir.documents.rows import authors_of_json, code_of_json
from registry.fhir.structure import Resource
from registry.fhir.subjects import refer_to_patients
from registry.models import Association, DocumentEntry, Folder, SubmissionSet
from registry.models.document import APPROVED
from registry.submission import FolderDraft, SubmissionSetDraft

Row = SubmissionSet | Folder
HAS_MEMBER = "HasMember"


def select_lists(actor: Actor, rows: Sequence[Row]) -> list[tuple[Row, tuple[str, ...]]]:
    """Return the lists that the actor may see, each with the references of what it holds and the actor may see."""
    members = _find_members(rows)
    uuids = {uuid for held in members.values() for uuid in held}
    entries = visible_documents(actor, with_places(DocumentEntry.objects.filter(entry_uuid__in=uuids)))
    seen = {entry.entry_uuid for entry in entries}
    known = set(DocumentEntry.objects.filter(entry_uuid__in=uuids).values_list("entry_uuid", flat=True))
    folders = _visible_folders(actor, uuids - known)
    found: list[tuple[Row, tuple[str, ...]]] = []
    for row in rows:
        held = members[row.entry_uuid]
        documents = [uuid for uuid in held if uuid in known]
        items = [f"DocumentReference/{id_of_uuid(uuid)}" for uuid in held if uuid in seen]
        items += [f"List/{id_of_uuid(uuid)}" for uuid in held if uuid in folders]
        if items or (not documents and _is_of_visible_department(actor, row)):
            found.append((row, tuple(items)))
    return found


def make_lists(pairs: Sequence[tuple[Row, tuple[str, ...]]]) -> list[Resource]:
    """Make the Lists of submission sets and folders."""
    subjects = refer_to_patients(row.patient_id for row, _ in pairs)
    found = []
    for row, items in pairs:
        shown = ShownList(
            id_of_uuid(row.entry_uuid),
            subjects[row.patient_id],
            row.registered_at,
            items,
            row.status == APPROVED,
        )
        if isinstance(row, SubmissionSet):
            found.append(write_submission_set(_set_draft(row), shown))
        else:
            found.append(write_folder(_folder_draft(row), row.last_update_time, shown))
    return found


def find_list(key_uuid: str) -> Row | None:
    """Return the submission set or folder with a UUID."""
    if not key_uuid:
        return None
    return (
        SubmissionSet.objects.filter(entry_uuid=key_uuid).first()
        or Folder.objects.filter(entry_uuid=key_uuid).first()
    )


def _find_members(rows: Sequence[Row]) -> defaultdict[str, list[str]]:
    links: QuerySet[Association, Any] = Association.objects.filter(
        kind=HAS_MEMBER, source_uuid__in=[row.entry_uuid for row in rows]
    )
    members: defaultdict[str, list[str]] = defaultdict(list)
    for link in links.order_by("pk"):
        members[link.source_uuid].append(link.target_uuid)
    return members


def _visible_folders(actor: Actor, uuids: set[str]) -> set[str]:
    """Return which of the UUIDs are folders that the actor may see; the others are associations."""
    folders = list(Folder.objects.filter(entry_uuid__in=uuids)) if uuids else []
    return {row.entry_uuid for row, _ in select_lists(actor, folders)} if folders else set()


def _is_of_visible_department(actor: Actor, row: Row) -> bool:
    place = DocumentEntry(patient_id=row.patient_id, department=row.department)
    return bool(visible_documents(actor, [place]))


def _set_draft(row: SubmissionSet) -> SubmissionSetDraft:
    return SubmissionSetDraft(
        entry_uuid=row.entry_uuid,
        unique_id=row.unique_id,
        source_id=row.source_id,
        patient_id=row.patient_id_as_sent,
        submission_time=row.submission_time,
        content_type_code=code_of_json(row.content_type_code),
        title=row.title,
        comments=row.comments,
        authors=authors_of_json(row.authors),
        intended_recipients=tuple(row.intended_recipients),
    )


def _folder_draft(row: Folder) -> FolderDraft:
    return FolderDraft(
        entry_uuid=row.entry_uuid,
        unique_id=row.unique_id,
        patient_id=row.patient_id_as_sent,
        codes=tuple(code for each in row.codes if (code := code_of_json(each))),
        title=row.title,
        comments=row.comments,
    )
