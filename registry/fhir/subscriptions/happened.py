"""What a change of the registry means to those who want to be told of documents.

Standard: IHE ITI DSUBm 1:54.1 (events)
"""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.document_visibility import with_places
from registry.fhir.documents.identifiers import id_of_uuid
from registry.fhir.subscriptions.topics import About, Interaction
from registry.models import Association, Change, DocumentEntry, Folder
from registry.models.document import APPROVED

KINDS = frozenset(("document_registered", "document_deprecated", "documents_submitted"))
HAS_MEMBER = "HasMember"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, to be told by a reference (`focus`); `entry` is the document it happened with."""

    about: About
    interaction: Interaction
    focus: str
    patient_id: int
    status: str = "current"
    entry: DocumentEntry | None = None


def read_events(change: Change) -> Iterator[Event]:
    """Yield what happened with a change; nothing for what was removed since."""
    if change.kind == "documents_submitted":
        yield from _read_folders(change)
        return
    found = with_places(DocumentEntry.objects.filter(pk=change.detail.get("entry", 0)))
    entry = found.select_related("study__custodian__unit", "department__unit", "submission_set").first()
    if entry is None:
        return
    focus = f"DocumentReference/{id_of_uuid(entry.entry_uuid)}"
    if change.kind == "document_deprecated":
        yield Event("document", "update", focus, entry.patient_id, "superseded", entry)
        return
    yield Event("document", "create", focus, entry.patient_id, entry=entry)
    if entry.submission_set is not None:
        focus = f"List/{id_of_uuid(entry.submission_set.entry_uuid)}"
        yield Event("submissionset", "create", focus, entry.patient_id, entry=entry)


def entries_of(focus: str) -> list[DocumentEntry]:
    """Return the documents behind what a notification is about."""
    kind, _, key = focus.partition("/")
    uuid = f"urn:uuid:{key}"
    rows = with_places(DocumentEntry.objects.order_by("pk"))
    if kind != "List":
        return list(rows.filter(entry_uuid=uuid))
    members = Association.objects.filter(kind=HAS_MEMBER, source_uuid=uuid, status=APPROVED)
    if find_folder(focus) is not None:
        return list(rows.filter(entry_uuid__in=members.values("target_uuid")))
    return list(rows.filter(submission_set__entry_uuid=uuid))


def subject_of(focus: str) -> tuple[int, str] | None:
    """Return whose what is told of is, and the study where it is about one; None if it is gone."""
    entry = next(iter(entries_of(focus)), None)
    if entry is not None:
        return entry.patient_id, entry.study.study_instance_uid if entry.study else ""
    folder = find_folder(focus)
    return (folder.patient_id, "") if folder else None


def find_folder(focus: str) -> Folder | None:
    """Return the folder that a notification is about, if it is one."""
    kind, _, key = focus.partition("/")
    return Folder.objects.filter(entry_uuid=f"urn:uuid:{key}").first() if kind == "List" else None


def _read_folders(change: Change) -> Iterator[Event]:
    """Yield the folders that a submission made, and those that it put something into."""
    made = set(change.detail.get("folders", ()))
    links = Association.objects.filter(kind=HAS_MEMBER, submission_set=change.detail.get("set", 0))
    touched = Folder.objects.filter(entry_uuid__in=links.values("source_uuid"))
    for folder in (touched | Folder.objects.filter(entry_uuid__in=made)).order_by("pk"):
        interaction: Interaction = "create" if folder.entry_uuid in made else "update"
        yield Event("folder", interaction, f"List/{id_of_uuid(folder.entry_uuid)}", folder.patient_id)
