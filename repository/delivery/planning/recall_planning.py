"""What was delivered and then rejected or deleted is asked back from every receiver that has it.

A receiver that acts on rejection notes gets one, our own folders and lists are put right, and everywhere else a person
is asked. That the time to keep images is over here is nobody else's matter: nothing is recalled for that.
"""

from datetime import timedelta

from django.db.models import QuerySet

from access import audit
from access.actor import Actor, Scope
from access.database import database_now
from registry import changes
from registry.models import Change, Destination, Removal, RemovedInstance, Study
from registry.removed import RETENTION_EXPIRED
from repository.delivery.allowed import OF_IMAGES
from repository.delivery.contents.recalled import TAKEN_BACK
from repository.delivery.contents.report_uids import recall_uid
from repository.delivery.planning.planned import UNBEGUN, Planned, next_generation, write_delivery
from repository.delivery.receivers.kinds import kind_of
from repository.models import Delivery, DeliveryItem, Recall, RecallReceipt

KIND = "recall"
PRIORITY = "urgent"
WITHIN = timedelta(days=7)
"""After that a person is asked."""
NOTED = frozenset({"stow", "dimse"})
"""Kinds of destination that may act on rejection notes."""
PLANNER = Actor("duty", "delivery planner", Scope(), frozenset())
OPEN_STATES = ("sending", "task")


def plan_recall(change: Change) -> set[str]:
    """Plan, or undo, what follows from a change; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    removal = Removal.objects.select_related("study").filter(pk=change.detail["removal"]).first()
    if removal is None:
        return set()
    if change.kind == "instances_restored":
        undo_recall(removal)
        return set()
    return open_recall(removal)


def open_recall(removal: Removal) -> set[str]:
    """Recall what a removal hides from whoever has it; what a receiver was asked for before is not asked again."""
    if removal.restored_at is not None or removal.code_value == RETENTION_EXPIRED:
        return set()
    is_new = False
    for destination, uids in _find_delivered(removal).items():
        is_new |= _recall_from(destination, removal, uids)
    return {PRIORITY} if is_new else set()


def recall_late(delivery: Delivery) -> set[str]:
    """Recall what arrived after it had been removed."""
    items = delivery.items.filter(state=DeliveryItem.DELIVERED).values("sop_instance_uid")
    hidden = _hidden(RemovedInstance.objects.filter(sop_instance_uid__in=items))
    removals = Removal.objects.filter(pk__in=hidden.values("removal")).select_related("study")
    priorities: set[str] = set()
    for removal in removals.order_by("pk"):
        priorities |= open_recall(removal)
    return priorities


def undo_recall(removal: Removal) -> None:
    """Close the recall of what was brought back; what a receiver has done about it is made good by sending it again."""
    recall = Recall.objects.filter(removal=removal).first()
    if recall is None:
        return
    now = database_now()
    for receipt in recall.receipts.order_by("pk"):
        unsent = Delivery.objects.filter(pk=receipt.delivery_id or 0, state__in=UNBEGUN)
        was_unsent = unsent.update(
            state=Delivery.WITHDRAWN, reason_code="recall_undone", reason="", ended_at=now
        )
        if was_unsent or receipt.state == "task":
            RecallReceipt.objects.filter(pk=receipt.pk).update(state="undone", changed_at=now)
        else:
            forget_arrivals(receipt)
    Recall.objects.filter(pk=recall.pk, closed_at=None).update(closed_at=now)
    note_change(recall)


def note_change(recall: Recall) -> None:
    """Tell the journal that a recall or one of its receipts has changed; in the transaction of the change."""
    changes.append("recall", recall.study.study_instance_uid, {"recall": recall.pk})


def forget_arrivals(receipt: RecallReceipt) -> None:
    """Let what a receiver took out be planned for it again."""
    items = DeliveryItem.objects.filter(
        delivery__study=receipt.recall.study_id,
        delivery__destination=receipt.destination_id,
        delivery__kind__in=OF_IMAGES,
        state=DeliveryItem.DELIVERED,
    )
    hidden = RemovedInstance.objects.filter(removal=receipt.recall.removal_id)
    items.filter(sop_instance_uid__in=hidden.values("sop_instance_uid")).update(state=DeliveryItem.GONE)


def _find_delivered(removal: Removal) -> dict[Destination, list[str]]:
    """Return what of a removal is still hidden and has arrived, by destination."""
    hidden = _hidden(RemovedInstance.objects.filter(removal=removal))
    items = DeliveryItem.objects.filter(
        delivery__study=removal.study_id,
        delivery__kind__in=OF_IMAGES,
        state=DeliveryItem.DELIVERED,
        sop_instance_uid__in=hidden.values("sop_instance_uid"),
    )
    pairs = items.order_by("delivery__destination_id", "sop_instance_uid").values_list(
        "delivery__destination_id", "sop_instance_uid"
    )
    found: dict[int, dict[str, None]] = {}
    for key, uid in pairs:
        found.setdefault(key, {})[uid] = None
    rows = Destination.objects.select_related("department__unit").in_bulk(found)
    return {rows[key]: list(uids) for key, uids in found.items()}


def _hidden(rows: QuerySet[RemovedInstance]) -> QuerySet[RemovedInstance]:
    return rows.filter(state__in=(RemovedInstance.HIDDEN, RemovedInstance.ERASED))


def _recall_from(destination: Destination, removal: Removal, uids: list[str]) -> bool:
    """Ask one receiver for what it was not asked for yet; returns whether there is something to send."""
    recall = _find_or_open(removal)
    now = database_now()
    receipt, _ = RecallReceipt.objects.get_or_create(
        recall=recall, destination=destination, defaults={"changed_at": now}
    )
    asked = set(receipt.sop_instance_uids)
    if asked.issuperset(uids):
        return False
    receipt.sop_instance_uids = [*receipt.sop_instance_uids, *(uid for uid in uids if uid not in asked)]
    receipt.changed_at = now
    receipt.state = "sending" if _acts_on(destination) else "task"
    receipt.save()
    Recall.objects.filter(pk=recall.pk).update(closed_at=None)
    note_change(recall)
    return receipt.state == "sending" and _send(receipt, removal.study, destination)


def _acts_on(destination: Destination) -> bool:
    kind = kind_of(destination.url)
    return kind in TAKEN_BACK or (kind in NOTED and destination.processes_rejection)


def _send(receipt: RecallReceipt, study: Study, destination: Destination) -> bool:
    subject = str(receipt.recall_id)
    if Delivery.objects.filter(pk=receipt.delivery_id or 0, state__in=UNBEGUN).exists():
        return False  # it has not left: it will say all of it
    generation = next_generation(study, destination, KIND, subject)
    is_noted = kind_of(destination.url) in NOTED
    note = recall_uid(study.study_instance_uid, receipt.recall.made_at, destination.pk, generation)
    uids = [note] if is_noted else []
    planned = Planned(
        study,
        destination,
        KIND,
        generation,
        PRIORITY,
        subject=subject,
        because={"recall": receipt.recall_id},
        deadline_at=database_now() + WITHIN,
    )
    may_go = write_delivery(planned, uids)
    rows = Delivery.objects.filter(destination=destination, kind=KIND, subject=subject, generation=generation)
    receipt.delivery = rows.get()
    receipt.save(update_fields=["delivery"])
    return may_go


def _find_or_open(removal: Removal) -> Recall:
    recall, is_new = Recall.objects.get_or_create(
        removal=removal,
        defaults={
            "study": removal.study,
            "code_value": removal.code_value,
            "code_meaning": removal.code_meaning,
            "reason": removal.reason,
            "made_by": removal.removed_by,
            "made_at": database_now(),
        },
    )
    if is_new:
        audit.record(
            PLANNER,
            "recall",
            study_instance_uid=removal.study.study_instance_uid,
            patient_id=removal.person_id,
            detail={"recall": recall.pk, "removal": removal.pk, "code": removal.code_value},
        )
    return recall
