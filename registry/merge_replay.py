"""Merges that happened before the database was lost, done again from what was written down of them.

Nothing is told to the feed or the log: it is no news. What was done already is left alone, so that a rebuild may run
twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from access.rows import add
from registry.epochs import raise_patient_epoch
from registry.identity import PatientNumber
from registry.merge_moves import LINK, MERGE, MOVE, move_all, move_back, move_one, subsume_numbers
from registry.models import Patient, PatientIdentifier, PatientMerge


@dataclass(frozen=True, slots=True)
class MergeName:
    """What tells a merge from all others, in any database."""

    made_at: datetime
    source: str
    message_id: str


@dataclass(frozen=True, slots=True)
class ToldMerge:
    """A merge as it was written down; `numbers` are those of a patient of whom only some were moved."""

    name: MergeName
    kind: str
    reason: str
    numbers: tuple[PatientNumber, ...]


@dataclass(frozen=True, slots=True)
class ToldUndo:
    """An undo as it was written down."""

    undone_at: datetime
    undone_by: str
    reason: str


def find_merge(name: MergeName) -> PatientMerge | None:
    """Return the merge of this name, undone or not."""
    rows = PatientMerge.objects.filter(made_at=name.made_at, source=name.source, message_id=name.message_id)
    return rows.order_by("pk").first()


def replay_merge(told: ToldMerge, survivor: Patient, subsumed: Patient) -> bool:
    """Merge, link or move once more; False if it is there already. In a transaction."""
    if find_merge(told.name) is not None:
        return False
    row = PatientMerge.objects.create(
        kind=told.kind,
        survivor=survivor,
        subsumed=subsumed,
        source=told.name.source,
        message_id=told.name.message_id,
        reason=told.reason,
        made_at=told.name.made_at,
    )
    if told.kind == MOVE:
        for number in told.numbers:
            move_one(row, number)
    else:
        move_all(row)
    _raise_epochs(row)
    return True


def replay_subsumption(row: PatientMerge) -> bool:
    """Let a link be the merge that it became; False if it is one."""
    if row.kind != LINK:
        return False
    row.kind = MERGE
    row.save(update_fields=["kind"])
    subsume_numbers(row)
    _raise_epochs(row)
    return True


def replay_undo(row: PatientMerge, told: ToldUndo) -> bool:
    """Part what was parted; False if it is."""
    if row.undone_at is not None:
        return False
    move_back(row)
    row.undone_at, row.undone_by, row.undo_reason = told.undone_at, told.undone_by, told.reason
    row.save(update_fields=["undone_at", "undone_by", "undo_reason"])
    _raise_epochs(row)
    return True


def add_numbers(patient: Patient, numbers: Iterable[PatientNumber]) -> None:
    """Give a patient the numbers that nobody has; in a transaction."""
    for number in numbers:
        add(
            PatientIdentifier,
            unless_known=True,
            patient_id=patient.pk,
            value=number.value,
            issuer=number.issuer,
            is_national=number.is_national,
        )


def _raise_epochs(row: PatientMerge) -> None:
    for patient_id in sorted((row.survivor_id, row.subsumed_id)):
        raise_patient_epoch(patient_id)
