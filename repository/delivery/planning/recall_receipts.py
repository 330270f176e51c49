"""Recalls that are open, receiver by receiver, and how each is closed: by the receiver's system, or by a person."""

from collections.abc import Iterable

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import database_now, run_write
from registry.models import Study
from registry.noted import EndedEntry, UnknownEntry
from repository.delivery.planning.recall_planning import OPEN_STATES, forget_arrivals, note_change
from repository.models import Delivery, Recall, RecallReceipt

SYSTEM = "the receiver's system"
ENDED_BADLY = (Delivery.DEAD, Delivery.WITHDRAWN)


def open_recalls(departments: Iterable[int] | None = None) -> list[Recall]:
    """Return the recalls that a receiver has still to act on, the oldest first, with their receipts.

    Parameters
    ----------
    departments
        Keys of the departments to whose receivers it is narrowed; None for all. Receipts of others are not told.
    """
    receipts = RecallReceipt.objects.select_related("destination__department__unit", "delivery").order_by(
        "pk"
    )
    rows = Recall.objects.filter(closed_at=None)
    if departments is not None:
        keys = list(departments)
        receipts = receipts.filter(destination__department__in=keys)
        rows = rows.filter(pk__in=receipts.filter(state__in=OPEN_STATES).values("recall"))
    return _with_receipts(rows.order_by("made_at", "pk"), receipts)


def recalls_of(study: Study) -> list[Recall]:
    """Return all recalls of a study, the newest first, with their receipts."""
    receipts = RecallReceipt.objects.select_related("destination__department__unit", "delivery").order_by(
        "pk"
    )
    return _with_receipts(Recall.objects.filter(study=study).order_by("-made_at", "-pk"), receipts)


def acknowledge_recall(actor: Actor, receipt: RecallReceipt, *, door: str = "") -> RecallReceipt:
    """Say that a person has removed at a receiver what was recalled from it.

    Raises
    ------
    UnknownEntry
        The receiver is another department's.
    EndedEntry
        Nobody is asked for anything (any more).
    """
    if actor.scope.department_id != receipt.destination.department_id and not actor.scope.region_wide:
        raise UnknownEntry("no such recall")

    def work() -> RecallReceipt:
        now = timezone.now()
        rows = RecallReceipt.objects.filter(pk=receipt.pk, state="task")
        if not rows.update(state="done", changed_at=now, changed_by=actor.subject[:200]):
            raise EndedEntry("the recall was acknowledged or undone before, or is on its way")
        study = receipt.recall.study
        audit.record(
            actor,
            "recall_done",
            door=door,
            study_instance_uid=study.study_instance_uid,
            patient_id=study.person_id,
            detail={"recall": receipt.recall_id, "destination": receipt.destination_id},
        )
        _close_if_done(receipt.recall_id)
        note_change(receipt.recall)
        return RecallReceipt.objects.select_related("destination", "recall").get(pk=receipt.pk)

    return run_write(work)


def note_acknowledged(delivery: Delivery) -> None:
    """Note that a receiver's system has taken a recall; in the planner's transaction."""
    receipts = RecallReceipt.objects.select_related("recall__removal", "recall__study").filter(
        recall=int(delivery.subject), destination=delivery.destination_id
    )
    for receipt in receipts:
        if receipt.delivery_id != delivery.pk:  # a later note says more
            continue
        receipts.filter(pk=receipt.pk).update(
            state="acknowledged", changed_at=database_now(), changed_by=SYSTEM
        )
        removal = receipt.recall.removal
        if (
            removal is not None and removal.restored_at is not None
        ):  # it was on its way when all was brought back
            forget_arrivals(receipt)
            Study.objects.filter(pk=delivery.study_id).update(quiet_due_at=database_now())
        _close_if_done(receipt.recall_id)
        note_change(receipt.recall)


def note_corrected(delivery: Delivery) -> None:
    """Note that a receiver's system was told who the patient is; in the planner's transaction."""
    receipts = RecallReceipt.objects.filter(delivery=delivery, state="sending", recall__closed_at=None)
    for receipt in receipts.select_related("recall__study").order_by("pk"):
        RecallReceipt.objects.filter(pk=receipt.pk).update(
            state="acknowledged", changed_at=database_now(), changed_by=SYSTEM
        )
        _close_if_done(receipt.recall_id)
        note_change(receipt.recall)


def settle_recalls() -> int:
    """Ask a person where a receiver's system did not take a recall; a duty. Returns how many."""
    failed = RecallReceipt.objects.filter(
        Q(delivery=None) | Q(delivery__state__in=ENDED_BADLY), state="sending", recall__closed_at=None
    )
    keys = list(failed.values_list("pk", flat=True))
    if not keys:
        return 0

    def work() -> int:
        rows = RecallReceipt.objects.filter(pk__in=keys, state="sending")
        recalls = list(
            Recall.objects.filter(receipts__in=rows).select_related("study").distinct().order_by("pk")
        )
        settled = rows.update(state="task", changed_at=database_now())
        for recall in recalls:
            note_change(recall)
        return settled

    return run_write(work)


def _close_if_done(recall_id: int) -> None:
    if not RecallReceipt.objects.filter(recall=recall_id, state__in=OPEN_STATES).exists():
        Recall.objects.filter(pk=recall_id, closed_at=None).update(closed_at=database_now())


def _with_receipts(recalls: QuerySet[Recall], receipts: QuerySet[RecallReceipt]) -> list[Recall]:
    return list(recalls.select_related("study").prefetch_related(Prefetch("receipts", receipts)))
