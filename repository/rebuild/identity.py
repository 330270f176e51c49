"""Who is one person, out of the journal: numbers that were fed, merges, links and moves, and what was parted again."""

from collections.abc import Callable
from datetime import datetime

from registry.identity import PatientNumber
from registry.merge_replay import (
    MergeName,
    ToldMerge,
    ToldUndo,
    add_numbers,
    find_merge,
    replay_merge,
    replay_subsumption,
    replay_undo,
)
from registry.models import Patient, PatientMerge
from repository.journal.files import Entry
from repository.rebuild.rows import UnknownName, resolve_patient


def restore_identity(entry: Entry) -> bool:
    """Do once more what a line says; False if it is done already.

    Raises
    ------
    UnknownName
    """
    return _RESTORERS[entry["kind"]](entry)


def _restore_merge(entry: Entry) -> bool:
    told = ToldMerge(
        _name(entry), entry["merge"], entry["reason"], tuple(_numbers(entry["subsumed"]["numbers"]))
    )
    if find_merge(told.name) is not None:
        return False
    survivor, subsumed = _person(entry["survivor"]), _person(entry["subsumed"])
    if survivor.pk == subsumed.pk:
        raise UnknownName("the two that were merged are one patient already, and no merge made them so")
    return replay_merge(told, survivor, subsumed)


def _restore_subsumption(entry: Entry) -> bool:
    return replay_subsumption(_merge_of(entry))


def _restore_undo(entry: Entry) -> bool:
    undone_at = datetime.fromisoformat(entry["undone_at"])
    return replay_undo(_merge_of(entry), ToldUndo(undone_at, entry["undone_by"], entry["reason"]))


def _restore_numbers(entry: Entry) -> bool:
    _person(entry["patient"])
    return True


def _person(told: Entry) -> Patient:
    """Return the patient of a line, with all of the numbers that it names."""
    patient = resolve_patient(told)
    add_numbers(patient, _numbers(told["numbers"]))
    return patient


def _numbers(told: list[tuple[str, str, bool]]) -> list[PatientNumber]:
    return [PatientNumber(value, issuer, is_national) for value, issuer, is_national in told]


def _name(entry: Entry) -> MergeName:
    made_at, source, message_id = entry["key"]
    return MergeName(datetime.fromisoformat(made_at), source, message_id)


def _merge_of(entry: Entry) -> PatientMerge:
    row = find_merge(_name(entry))
    if row is None:
        raise UnknownName("the merge that it is about is not there")
    return row


_RESTORERS: dict[str, Callable[[Entry], bool]] = {
    "merge_made": _restore_merge,
    "link_merged": _restore_subsumption,
    "merge_undone": _restore_undo,
    "patient_numbers": _restore_numbers,
}
