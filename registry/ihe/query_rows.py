"""The rows that an actor may see of what a query finds: sets and folders by what they hold, links by their ends."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.actor import Actor
from registry.document_visibility import visible_documents, with_places
from registry.models import Association, DocumentCode, DocumentEntry, Folder, SubmissionSet
from registry.submission_checks import HAS_MEMBER

Holder = TypeVar("Holder", SubmissionSet, Folder)


def see_entries(actor: Actor, rows: QuerySet[DocumentEntry]) -> list[DocumentEntry]:
    """Return the entries that the actor may see, oldest first."""
    return visible_documents(actor, with_places(rows.order_by("pk")))


def see_holders(actor: Actor, rows: Sequence[Holder]) -> list[Holder]:
    """Return the sets and folders of which something may be seen; empty ones are their department's."""
    uuids = [row.entry_uuid for row in rows]
    links = list(
        Association.objects.filter(kind=HAS_MEMBER, source_uuid__in=uuids).values_list(
            "source_uuid", "target_uuid"
        )
    )
    targets = {target for _, target in links}
    entries = DocumentEntry.objects.filter(entry_uuid__in=targets)
    known = set(entries.values_list("entry_uuid", flat=True))
    seen = {entry.entry_uuid for entry in see_entries(actor, entries)}
    folders = list(Folder.objects.filter(entry_uuid__in=targets - known)) if targets - known else []
    known |= {folder.entry_uuid for folder in folders}
    seen |= {folder.entry_uuid for folder in see_holders(actor, folders)} if folders else set()
    held: dict[str, set[str]] = {uuid: set() for uuid in uuids}
    for source, target in links:
        held[source].add(target)
    return [
        row
        for row in rows
        if held[row.entry_uuid] & seen
        or (not held[row.entry_uuid] & known and _is_of_visible_department(actor, row))
    ]


def see_links(actor: Actor, rows: Iterable[Association]) -> list[Association]:
    """Return the associations both ends of which may be seen."""
    links = list(rows)
    ends = {uuid for link in links for uuid in (link.source_uuid, link.target_uuid)}
    seen = _see_ends(actor, ends)
    return [link for link in links if {link.source_uuid, link.target_uuid} <= seen]


def with_codes(
    rows: QuerySet[DocumentEntry], kind: str, codes: set[tuple[str, str]]
) -> QuerySet[DocumentEntry]:
    """Narrow entries to those with one of the codes."""
    wanted = Q(pk__in=[])
    for code, scheme in codes:
        wanted |= Q(code=code, scheme=scheme)
    return rows.filter(Exists(DocumentCode.objects.filter(wanted, entry=OuterRef("pk"), kind=kind)))


def _see_ends(actor: Actor, uuids: set[str]) -> set[str]:
    """Return which of the objects may be seen; an association is seen when its own ends are."""
    entries = DocumentEntry.objects.filter(entry_uuid__in=uuids)
    sets = list(SubmissionSet.objects.filter(entry_uuid__in=uuids))
    folders = list(Folder.objects.filter(entry_uuid__in=uuids))
    seen = {entry.entry_uuid for entry in see_entries(actor, entries)}
    seen |= {row.entry_uuid for row in see_holders(actor, sets)}
    seen |= {row.entry_uuid for row in see_holders(actor, folders)}
    links = list(Association.objects.filter(entry_uuid__in=uuids - seen))
    if links:
        ends = {uuid for link in links for uuid in (link.source_uuid, link.target_uuid)}
        inner = _see_ends(actor, ends - uuids) | (seen & ends)
        seen |= {link.entry_uuid for link in links if {link.source_uuid, link.target_uuid} <= inner}
    return seen


def _is_of_visible_department(actor: Actor, row: SubmissionSet | Folder) -> bool:
    place = DocumentEntry(patient_id=row.patient_id, department=row.department)
    return bool(visible_documents(actor, [place]))
