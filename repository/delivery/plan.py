"""From the change feed to deliveries: one per study, destination and generation."""

from django.db.models import Exists, OuterRef

from access.database import database_now, run_write
from registry import changes
from registry.models import Change, ChangeCursor, Instance, Study, Subscription
from registry.wishes.find import Wish, find_wishes
from repository.delivery.allowed import OF_IMAGES
from repository.delivery.plan_messages import plan_messages
from repository.delivery.plan_priors import plan_priors, plan_priors_of_order
from repository.delivery.plan_sends import plan_sending, plan_what_follows
from repository.delivery.planned import UNBEGUN, Planned, find_missing, write_delivery
from repository.models import Delivery, DeliveryItem

READER = "delivery-plan"
CHUNK = 50
ITEMS_AT_ONCE = 500


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
        elif change.kind == "send":
            priorities |= plan_sending(int(change.detail["request"]))
        elif change.kind == "order_changed":
            priorities |= plan_priors_of_order(int(change.detail["order"]))
        elif change.kind == "instances_removed":
            _forget_removed(change)
        priorities |= plan_messages(change)
    return priorities


def _plan_study(change: Change) -> set[str]:
    study = Study.objects.filter(study_instance_uid=change.study_instance_uid).first()
    if study is None:  # deleted since
        return set()
    generation = int(change.detail["generation"])
    priorities = plan_what_follows(study)
    for wish in find_wishes(study):
        if _plan_delivery(study, wish, generation):
            priorities.add(wish.priority)
        asking = list(Subscription.objects.filter(pk__in=wish.subscription_ids).order_by("pk"))
        with_priors = [subscription for subscription in asking if "priors" in subscription.wants]
        if with_priors:
            priorities |= plan_priors(study, wish.destination, subscriptions=with_priors)
    return priorities


def _forget_removed(change: Change) -> None:
    """Take what was removed out of the deliveries that were not begun; one that has nothing left is withdrawn.

    A worker that is sending looks again before each request.
    """
    waiting = DeliveryItem.objects.filter(
        delivery__study__study_instance_uid=change.study_instance_uid,
        delivery__state__in=UNBEGUN,
        delivery__kind__in=OF_IMAGES,
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


def _plan_delivery(study: Study, wish: Wish, generation: int) -> bool:
    _supersede(study, wish, generation)
    uids = find_missing(study, wish.destination)
    if not uids:
        return False
    planned = Planned(
        study, wish.destination, "study", generation, wish.priority, subscription_ids=wish.subscription_ids
    )
    return write_delivery(planned, uids)


def _supersede(study: Study, wish: Wish, generation: int) -> None:
    """Let the new generation carry what an older one had not begun to send."""
    older = Delivery.objects.filter(
        study=study,
        destination=wish.destination,
        kind="study",
        subject="",
        generation__lt=generation,
        state__in=UNBEGUN,
    )
    older.update(state=Delivery.SUPERSEDED, reason_code="superseded", reason="", ended_at=database_now())
