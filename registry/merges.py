"""Patients that are one person: merged, linked, or parted again, with a journal of every row that was moved.

All rows that point to the subsumed patient move to the survivor, whichever table they are in; what a source sent
(`Study.patient_id`, `source_patient_id`, `patient_id_as_sent`) never changes, so what came since can be told apart.
All of it happens in one transaction, in which the access epochs of both are raised.

Standard: IHE ITI TF-2 3.8 (ITI-8), 3.18.4.1.2.3.9.1
"""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from access import audit
from access.actor import Actor, Scope
from access.database import write_transaction
from registry import changes
from registry.epochs import raise_patient_epoch
from registry.identity import Demographics, PatientNumber, find_or_create_patient
from registry.merge_moves import LINK, MERGE, MOVE, move_all, move_back, move_one, subsume_numbers
from registry.models import MovedRow, Patient, PatientIdentifier, PatientMerge, Study

_AT_ONCE = 500


class ImpossibleMerge(ValueError):
    """Two numbers cannot become one person as asked."""


class UnknownMerge(LookupError):
    """There is no such merge."""


class MergeStands(ValueError):
    """A merge cannot be undone as things are: it was undone already, or a later one rests on it."""


def merge(
    survivor: PatientNumber,
    subsumed: PatientNumber,
    *,
    source: str,
    message_id: str = "",
    kind: str = MERGE,
    reason: str = "",
) -> PatientMerge:
    """Make two numbers those of one person; repeated, it changes nothing.

    Numbers that nobody had before become known, so that what is stored under the subsumed one later finds the survivor.

    Raises
    ------
    ImpossibleMerge
        Both are the same number, one is empty, or both are numbers of one patient whom no merge made.
    """
    if not survivor.value or not subsumed.value or survivor == subsumed:
        raise ImpossibleMerge("a merge needs two different numbers")
    with write_transaction():
        winner = find_or_create_patient(survivor, Demographics())
        loser = find_or_create_patient(subsumed, Demographics())
        list(Patient.objects.select_for_update().filter(pk__in=(winner.pk, loser.pk)).order_by("pk"))
        if winner.pk == loser.pk:
            return _merge_again(winner, survivor, subsumed, kind)
        row = PatientMerge.objects.create(
            kind=kind,
            survivor=winner,
            subsumed=loser,
            source=source[:200],
            message_id=message_id[:200],
            reason=reason[:400],
            made_at=timezone.now(),
        )
        numbers = {"survivor": _numbers_of(winner), "subsumed": _numbers_of(loser)}
        studies = move_all(row)
        _tell(row, _machine(source), studies, f"patient_{kind}", numbers)
    return row


def link(survivor: PatientNumber, other: PatientNumber, *, source: str, reason: str = "") -> PatientMerge:
    """Let two numbers be those of one person, both good to register and to ask under."""
    return merge(survivor, other, source=source, kind=LINK, reason=reason)


def unlink(merge_id: int, *, by: Actor, reason: str = "") -> PatientMerge:
    """Part what was linked."""
    return undo(merge_id, by=by, reason=reason)


def move_number(
    number: PatientNumber, target: PatientNumber, *, source: str, message_id: str = ""
) -> PatientMerge:
    """Move one number and the studies that came under it to another patient, the rest stays (A43, A45).

    Raises
    ------
    ImpossibleMerge
        Nobody has the number, or the target has it already.
    """
    with write_transaction():
        known = PatientIdentifier.objects.filter(value=number.value, issuer=number.issuer).first()
        winner = find_or_create_patient(target, Demographics())
        if known is None or known.patient_id == winner.pk:
            raise ImpossibleMerge("the number to move is nobody's, or the target's already")
        row = PatientMerge.objects.create(
            kind=MOVE,
            survivor=winner,
            subsumed_id=known.patient_id,
            source=source[:200],
            message_id=message_id[:200],
            made_at=timezone.now(),
        )
        numbers = {"survivor": _numbers_of(winner), "subsumed": [[number.value, number.issuer, False]]}
        studies = move_one(row, number)
        _tell(row, _machine(source), studies, "patient_moved", numbers)
    return row


def undo(merge_id: int, *, by: Actor, reason: str) -> PatientMerge:
    """Give the subsumed patient back what was moved, and what came since under a number that was moved.

    Blocks, opt-outs and protections that were registered since stand with both: none is lost.

    Raises
    ------
    UnknownMerge, MergeStands
    """
    with write_transaction():
        row = PatientMerge.objects.select_for_update().filter(pk=merge_id).first()
        if row is None:
            raise UnknownMerge(f"there is no merge {merge_id}")
        _refuse_out_of_order(row)
        list(
            Patient.objects.select_for_update()
            .filter(pk__in=(row.survivor_id, row.subsumed_id))
            .order_by("pk")
        )
        numbers = {"survivor": [], "subsumed": _moved_numbers(row)}
        studies = move_back(row)
        row.undone_at, row.undone_by, row.undo_reason = timezone.now(), by.subject[:200], reason[:400]
        row.save(update_fields=["undone_at", "undone_by", "undo_reason"])
        _tell(row, by, studies, "patient_merge_undone", numbers)
    return row


def current_patient_id(patient_id: int) -> int:
    """Return whose rows a patient's are now: the survivor at the end of the chain, or the patient."""
    seen = set()
    while patient_id not in seen:
        seen.add(patient_id)
        target = Patient.objects.filter(pk=patient_id).values_list("merged_into", flat=True).first()
        if target is None:
            return patient_id
        patient_id = target
    return patient_id


def _merge_again(
    patient: Patient, survivor: PatientNumber, subsumed: PatientNumber, kind: str
) -> PatientMerge:
    """Answer a merge of numbers that are one person's: told twice, or linked before and merged now."""
    moved = PatientIdentifier.objects.get(value=subsumed.value, issuer=subsumed.issuer)
    row = (
        PatientMerge.objects.filter(
            undone_at=None, moved__table=PatientIdentifier._meta.label, moved__row=moved.pk
        )
        .order_by("-pk")
        .first()
    )
    if row is None:
        raise ImpossibleMerge(f"both are numbers of patient {patient.pk} already, and no merge made them so")
    if kind == MERGE and row.kind == LINK:
        row.kind = MERGE
        row.save(update_fields=["kind"])
        subsume_numbers(row)
        raise_patient_epoch(patient.pk)
        changes.append("link_merged", detail={"merge": row.pk})
    return row


def _refuse_out_of_order(row: PatientMerge) -> None:
    if row.undone_at is not None:
        raise MergeStands(f"merge {row.pk} was undone already")
    resting = find_resting(row)
    if resting:
        names = ", ".join(str(key) for key in resting)
        raise MergeStands(f"merge {row.pk} cannot be undone before the later {names}: undo the newest first")


def find_resting(row: PatientMerge) -> list[int]:
    """Return the later merges that rest on one, the newest first: they are undone before it is."""
    later = PatientMerge.objects.filter(undone_at=None, pk__gt=row.pk)
    mine = MovedRow.objects.filter(merge=row)
    again = MovedRow.objects.filter(table=OuterRef("table"), row=OuterRef("row"), merge__in=later)
    resting = set(later.filter(subsumed=row.survivor_id).values_list("pk", flat=True))
    for table, key in mine.filter(Exists(again)).values_list("table", "row")[:_AT_ONCE]:
        found = MovedRow.objects.filter(table=table, row=key, merge__in=later)
        resting |= set(found.values_list("merge", flat=True))
    return sorted(resting, reverse=True)


def _tell(
    row: PatientMerge, actor: Actor, studies: list[int], action: str, numbers: dict[str, list[list[object]]]
) -> None:
    """Raise both epochs, tell the feed of the merge and of each study, and the log of both patients."""
    for patient_id in sorted((row.survivor_id, row.subsumed_id)):
        raise_patient_epoch(patient_id)
    is_undone = row.undone_at is not None
    at: datetime = row.undone_at or row.made_at
    changes.append(
        "merge_undone" if is_undone else "merge_made",
        detail={"merge": row.pk, "kind": row.kind, "at": at.isoformat(), **numbers},
    )
    uids = Study.objects.filter(pk__in=studies).order_by("pk").values_list("study_instance_uid", flat=True)
    for uid in list(uids):
        changes.append("patient_merged", uid, {"merge": row.pk, "undone": is_undone})
    for patient_id in (row.survivor_id, row.subsumed_id):
        audit.record(
            actor,
            action,
            door="registry",
            patient_id=patient_id,
            detail={
                "merge": row.pk,
                "survivor": row.survivor_id,
                "subsumed": row.subsumed_id,
                "studies": len(studies),
            },
        )


def _numbers_of(patient: Patient) -> list[list[object]]:
    rows = patient.identifiers.order_by("pk").values_list("value", "issuer", "is_national")
    return [list(number) for number in rows]


def _moved_numbers(row: PatientMerge) -> list[list[object]]:
    keys = MovedRow.objects.filter(merge=row, table=PatientIdentifier._meta.label).values("row")
    rows = PatientIdentifier.objects.filter(pk__in=keys).order_by("pk")
    return [list(number) for number in rows.values_list("value", "issuer", "is_national")]


def _machine(source: str) -> Actor:
    return Actor(kind="system", subject=source[:200], scope=Scope(region_wide=True), permissions=frozenset())
