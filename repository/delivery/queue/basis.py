"""Which deliveries may go now that something about their patient was decided: a consent, a block, a share, a merge.

The change feed says whose deliveries to look at, so that what a patient decides counts within a second or two however
many others wait. What begins by the clock alone (a relation from tomorrow on), or by who works where, a slow sweep
finds.
"""

from collections.abc import Iterable
from functools import partial

from django.db.models import Max, Model, Q

from access.database import database_now, run_write
from registry import changes
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    CareRelation,
    Change,
    ChangeCursor,
    Consent,
    EmergencyOpening,
    PatientFlag,
    Relative,
)
from registry.shares import share_by_delivery
from repository.delivery.allowed import find_stop
from repository.models import Delivery

READER = "delivery-basis"
CHUNK = 500
UNSENT = (Delivery.READY, Delivery.WAITING_WINDOW)
OF_STUDY = frozenset({"share", "participation", "patient_merged"})
"""Kinds of changes that name the study."""
OF_PATIENT: dict[str, tuple[type[Model], str]] = {
    "consent": (Consent, "patient"),
    "block": (Block, "patient"),
    "lift": (BlockLift, "block__patient"),
    "flag": (PatientFlag, "patient"),
    "relative": (Relative, "patient"),
    "relation": (CareRelation, "patient"),
    "choice": (ActiveChoice, "patient"),
    "opening": (EmergencyOpening, "patient"),
}
"""Kinds of changes that name a row: its table, and where that says whom it is about."""


def follow_decisions() -> int:
    """Decide anew on what is unsent of the patients that the change feed names; returns how many changed state."""
    ChangeCursor.objects.get_or_create(reader=READER, defaults={"position": _last_position()})
    changed = 0
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHUNK)
        if not read:
            return changed
        changed += _decide_anew(_concerned(read))
        # After the work: who dies before this does it once more. Who finds it moved on was overtaken, and stops.
        moved = ChangeCursor.objects.filter(reader=READER, position=cursor)
        if not run_write(partial(moved.update, position=read[-1].position)):
            return changed


def release_awaiting() -> int:
    """Decide anew on everything that waits for a basis: the net below `follow_decisions`. Returns how many may go."""
    return _decide_anew(Q(state=Delivery.AWAITING_BASIS))


def _last_position() -> int:
    return Change.objects.aggregate(last=Max("position"))["last"] or 0


def _concerned(read: Iterable[Change]) -> Q:
    """Return the condition for the unsent deliveries that changes are about."""
    uids: set[str] = set()
    keys: dict[str, set[int]] = {}
    for change in read:
        if change.kind in OF_STUDY and change.study_instance_uid:
            uids.add(change.study_instance_uid)
        elif change.kind in OF_PATIENT:
            keys.setdefault(change.kind, set()).add(change.detail["row"])
    patients: set[int] = set()
    for kind, rows in keys.items():
        model, path = OF_PATIENT[kind]
        patients.update(model._default_manager.filter(pk__in=rows).values_list(path, flat=True))
    about = Q(pk__in=())
    if uids:
        about |= Q(study__study_instance_uid__in=uids)
    if patients:
        about |= Q(study__person__in=patients)
    return about & Q(state__in=(Delivery.AWAITING_BASIS, *UNSENT))


def _decide_anew(condition: Q) -> int:
    keys = list(
        Delivery.objects.filter(condition).order_by("priority_rank", "pk").values_list("pk", flat=True)
    )
    changed = 0
    for start in range(0, len(keys), CHUNK):
        rows = Delivery.objects.filter(condition, pk__in=keys[start : start + CHUNK])
        rows = rows.select_related("study", "destination__department__unit").defer("study__fragment")
        changed += sum(_settle(delivery) for delivery in rows.order_by("priority_rank", "pk"))
    return changed


def _settle(delivery: Delivery) -> int:
    stop = find_stop(delivery)
    if stop is not None and stop[0] != delivery.state:
        return run_write(partial(_hold_back, delivery, *stop))
    if stop is None and delivery.state == Delivery.AWAITING_BASIS:
        return run_write(partial(_release, delivery))
    return 0


def _release(delivery: Delivery) -> int:
    """Let a delivery go; outside the hours of its subscriptions the claim finds that."""
    released = Delivery.objects.filter(pk=delivery.pk, state=Delivery.AWAITING_BASIS).update(
        state=Delivery.READY, reason_code="queued", reason="", not_before=database_now()
    )
    if released:
        share_by_delivery(delivery.study, delivery.destination.department)
    return released


def _hold_back(delivery: Delivery, state: str, reason_code: str) -> int:
    ended_at = None if state == Delivery.AWAITING_BASIS else database_now()
    rows = Delivery.objects.filter(pk=delivery.pk, state=delivery.state)
    return rows.update(state=state, reason_code=reason_code, reason="", ended_at=ended_at)
