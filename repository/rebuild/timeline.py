"""What the journal says, done in the order in which it happened, between the packs as they arrived.

What came in a pack may depend on a merge before it: under another number of the same person a study goes on, under
that of somebody else it does not. A line that names what is not there yet waits, and is tried once more at the end.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from access.database import run_write
from registry.epochs import raise_patient_epoch
from repository.journal.documents import DOCUMENT_KINDS
from repository.journal.files import Entry
from repository.journal.identity import IDENTITY_KINDS
from repository.journal.recalls import RECALL_KINDS
from repository.journal.workflow import WORKFLOW_KINDS
from repository.rebuild.documents import restore_documents
from repository.rebuild.identity import restore_identity
from repository.rebuild.recalls import restore_recall
from repository.rebuild.rows import UnknownName, restore_row
from repository.rebuild.workflow import restore_workflow

AT_ONCE = 200


@dataclass(slots=True)
class Timeline:
    """Lines that wait for their time or for what they name; `restored` counts what was written, by sort."""

    waiting: deque[Entry]
    held: list[Entry] = field(default_factory=list)
    restored: Counter[str] = field(default_factory=Counter)


def make_timeline(entries: Iterable[Entry]) -> Timeline:
    """Begin before the first line."""
    return Timeline(deque(entries))


def restore_until(timeline: Timeline, moment: datetime) -> None:
    """Do what had happened at a moment."""
    due = []
    while timeline.waiting and datetime.fromisoformat(timeline.waiting[0]["first_at"]) <= moment:
        due.append(timeline.waiting.popleft())
    _restore(timeline, due)


def restore_rest(timeline: Timeline) -> list[str]:
    """Do the rest, and what waited; returns what could not be done, in words."""
    _restore(timeline, list(timeline.waiting))
    held, timeline.held = timeline.held, []
    timeline.waiting.clear()
    return _restore(timeline, held)


def _restore(timeline: Timeline, entries: list[Entry]) -> list[str]:
    faults: list[str] = []
    for start in range(0, len(entries), AT_ONCE):
        chunk = entries[start : start + AT_ONCE]
        restored, held = run_write(partial(_restore_chunk, chunk))
        timeline.restored += restored
        timeline.held += [entry for entry, _ in held]
        faults += [
            f"a row of the journal ({entry['kind']}, {entry['at']}) cannot come back: {error}"
            for entry, error in held
        ]
    return faults


def _restore_chunk(entries: list[Entry]) -> tuple[Counter[str], list[tuple[Entry, UnknownName]]]:
    restored: Counter[str] = Counter()
    held: list[tuple[Entry, UnknownName]] = []
    patients: set[int] = set()
    for entry in entries:
        try:
            restored[_sort_of(entry)] += _restore_one(entry, patients)
        except UnknownName as error:
            held.append((entry, error))
    for patient_id in sorted(patients):
        raise_patient_epoch(patient_id)
    return restored, held


def _restore_one(entry: Entry, patients: set[int]) -> bool:
    """Do what one line says; False if nothing was written. Notes whose access it decides about."""
    if entry["kind"] in IDENTITY_KINDS:
        return restore_identity(entry)
    if entry["kind"] in DOCUMENT_KINDS:
        return restore_documents(entry)
    if entry["kind"] in RECALL_KINDS:
        return restore_recall(entry)
    is_workflow = entry["kind"] in WORKFLOW_KINDS
    patient_id = restore_workflow(entry) if is_workflow else restore_row(entry)
    if patient_id is not None:
        patients.add(patient_id)
    return patient_id is not None


def _sort_of(entry: Entry) -> str:
    if entry["kind"] in IDENTITY_KINDS:
        return "identity"
    if entry["kind"] in RECALL_KINDS:
        return "recall"
    if entry["kind"] in WORKFLOW_KINDS:
        return "workflow"
    return "document" if entry["kind"] in DOCUMENT_KINDS else "access"
