"""From the change feed to deliveries: one per study, destination and generation."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from access.database import database_now, run_write
from registry import changes
from registry.models import Change, ChangeCursor, Instance, Study
from registry.shares import share_by_delivery
from registry.subscriptions import Wish, find_wishes, rank_priority
from registry.visibility import instances_of
from repository.delivery import decide
from repository.models import Delivery, DeliveryItem

READER = "delivery-plan"
CHUNK = 50
ITEMS_AT_ONCE = 500
DEADLINES = {
    "urgent": timedelta(hours=1),
    "normal": timedelta(hours=24),
    "prior": timedelta(hours=24),
    "bulk": timedelta(days=7),
}
UNBEGUN = (Delivery.READY, Delivery.AWAITING_BASIS)
MOVING = (Delivery.LEASED, Delivery.SENDING, Delivery.VERIFYING)


class _OtherPlanner(Exception):
    """Another planner has moved the cursor: its work stands, ours is rolled back."""


def plan_deliveries() -> frozenset[str]:
    """Plan what the change feed brought since last time.

    Returns
    -------
    frozenset of str
        The priorities that have new work.
    """
    ChangeCursor.objects.get_or_create(reader=READER)
    priorities: set[str] = set()
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHUNK)
        if not read:
            return frozenset(priorities)
        try:
            priorities |= run_write(lambda: _plan_chunk(cursor, read))  # noqa: B023 (called at once)
        except _OtherPlanner:
            continue


def _plan_chunk(cursor: int, read: list[Change]) -> set[str]:
    # Moving the cursor first makes it the lock: of two planners the second finds it moved and writes nothing.
    moved = ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=read[-1].position)
    if not moved:
        raise _OtherPlanner
    priorities: set[str] = set()
    for change in read:
        if change.kind == "study_quiet":
            priorities |= _plan_study(change)
        elif change.kind == "instances_removed":
            _forget_removed(change)
    return priorities


def _plan_study(change: Change) -> set[str]:
    study = Study.objects.filter(study_instance_uid=change.study_instance_uid).first()
    if study is None:  # deleted since
        return set()
    now = database_now()
    generation = int(change.detail["generation"])
    wishes = find_wishes(study)
    return {wish.priority for wish in wishes if _plan_delivery(study, wish, generation, now)}


def _forget_removed(change: Change) -> None:
    """Take what was removed out of the deliveries that were not begun; one that has nothing left is withdrawn.

    A worker that is sending looks again before each request.
    """
    waiting = DeliveryItem.objects.filter(
        delivery__study__study_instance_uid=change.study_instance_uid,
        delivery__state__in=UNBEGUN,
        state__in=(DeliveryItem.WAITING, DeliveryItem.FAILED),
    )
    there = Instance.objects.filter(sop_instance_uid=OuterRef("sop_instance_uid"))
    gone = list(waiting.exclude(Exists(there)).values_list("pk", "delivery_id"))
    for start in range(0, len(gone), ITEMS_AT_ONCE):
        pks = [pk for pk, _ in gone[start : start + ITEMS_AT_ONCE]]
        DeliveryItem.objects.filter(pk__in=pks).update(state=DeliveryItem.GONE)
    for delivery_id in sorted({delivery_id for _, delivery_id in gone}):
        if not DeliveryItem.objects.filter(delivery=delivery_id).exclude(state=DeliveryItem.GONE).exists():
            rows = Delivery.objects.filter(pk=delivery_id, state__in=UNBEGUN)
            rows.update(state=Delivery.WITHDRAWN, reason_code="removed", reason="")


def _plan_delivery(study: Study, wish: Wish, generation: int, now: datetime) -> bool:
    _supersede(study, wish, generation)
    uids = _missing_instances(study, wish)
    if not uids:
        return False
    obstacle = decide.find_obstacle(study, wish.destination)
    delivery, created = Delivery.objects.get_or_create(
        study=study,
        destination=wish.destination,
        generation=generation,
        defaults={
            "priority": wish.priority,
            "priority_rank": rank_priority(wish.priority),
            "state": Delivery.AWAITING_BASIS if obstacle else Delivery.READY,
            "reason_code": obstacle or "queued",
            "subscription_ids": list(wish.subscription_ids),
            "planned_at": now,
            "not_before": now,
            "deadline_at": now + DEADLINES[wish.priority],
        },
    )
    if created:
        DeliveryItem.objects.bulk_create(
            [DeliveryItem(delivery=delivery, sop_instance_uid=uid) for uid in uids], batch_size=500
        )
        if not obstacle:
            share_by_delivery(study, wish.destination.department)
    return created and not obstacle


def _supersede(study: Study, wish: Wish, generation: int) -> None:
    """Let the new generation carry what an older one had not begun to send."""
    older = Delivery.objects.filter(
        study=study, destination=wish.destination, generation__lt=generation, state__in=UNBEGUN
    )
    older.update(state=Delivery.SUPERSEDED, reason_code="superseded", reason="")


def _missing_instances(study: Study, wish: Wish) -> list[str]:
    """Return the instances that neither arrived there nor are on their way."""
    items = DeliveryItem.objects.filter(delivery__study=study, delivery__destination=wish.destination)
    there = set(items.filter(state=DeliveryItem.DELIVERED).values_list("sop_instance_uid", flat=True))
    moving = items.filter(delivery__state__in=MOVING, state=DeliveryItem.WAITING)
    there.update(moving.values_list("sop_instance_uid", flat=True))
    uids = instances_of(study).order_by("series_id", "instance_number", "pk")
    return [uid for uid in uids.values_list("sop_instance_uid", flat=True) if uid not in there]
