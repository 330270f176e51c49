"""From the change feed to deliveries: one per study, destination and generation."""

from datetime import timedelta
from functools import cache

from django.db.models import Exists, OuterRef
from django.utils import timezone

from access.database import database_now, run_write
from registry import changes
from registry.models import Change, ChangeCursor, Instance, Study, Subscription
from registry.wishes.index import SubscriptionIndex, read_index
from repository.delivery.allowed import OF_IMAGES
from repository.delivery.planning.messages import plan_messages
from repository.delivery.planning.planned import UNBEGUN
from repository.delivery.planning.priors import plan_priors_of_order
from repository.delivery.planning.relations import plan_relation
from repository.delivery.planning.sends import plan_sending, plan_what_follows
from repository.delivery.planning.study import CHANGED, QUIET, STORED, Trigger, plan_study
from repository.models import Delivery, DeliveryItem

READER = "delivery-plan"
CHUNK = 50
ITEMS_AT_ONCE = 500
TRIGGERS = {
    "study_quiet": QUIET,
    "store": STORED,
    "report_version": CHANGED,
    "order_changed": CHANGED,
    "harmonised": CHANGED,
    "patient_merged": CHANGED,
}
"""Kinds of changes after which a study may be wanted that was not before."""
OF_RECENT = frozenset({"order_changed", "harmonised", "patient_merged"})
RECENT = timedelta(days=7)
"""An older study is not sent because a word was mapped or persons were merged: the past goes when somebody asks."""


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
    read_once = cache(
        read_index
    )  # every study of a chunk is planned by the same version of the subscriptions
    stored: set[str] = set()
    priorities: set[str] = set()
    for change in read:
        trigger = _find_trigger(change)
        study = _find_study(change) if trigger is not None else None
        if study is not None and trigger is not None:
            priorities |= _plan(study, trigger, read_once(), stored)
        if change.kind == "send":
            priorities |= plan_sending(int(change.detail["request"]))
        elif change.kind == "order_changed":
            priorities |= plan_priors_of_order(int(change.detail["order"]))
        elif change.kind == "relation":
            priorities |= plan_relation(change, read_once)
        elif change.kind == "instances_removed":
            _forget_removed(change)
        priorities |= plan_messages(change, read_once)
    return priorities


def _plan(study: Study, trigger: Trigger, index: SubscriptionIndex, stored: set[str]) -> set[str]:
    if trigger is STORED:
        if not index.has_hasty or study.study_instance_uid in stored:
            return set()
        stored.add(study.study_instance_uid)  # what is there by now was planned with the first of its stores
    following = plan_what_follows(study) if trigger is QUIET else set()
    return following | plan_study(study, trigger, index)


def _find_trigger(change: Change) -> Trigger | None:
    """Return what a change means for the planning of its study; None where it means nothing."""
    if change.kind == "replay":
        wanted = Subscription.objects.filter(pk=change.detail["subscription"], active=True)
        rows = wanted.select_related("destination__department__unit", "department")
        return Trigger("replay", tuple(rows.filter(destination__active=True)))
    return TRIGGERS.get(change.kind)


def _find_study(change: Change) -> Study | None:
    """Return the study of a change; None if it was deleted since, or is long past and only its facts changed."""
    studies = Study.objects.filter(study_instance_uid=change.study_instance_uid)
    if change.kind in OF_RECENT:
        studies = studies.filter(last_instance_at__gte=timezone.now() - RECENT)
    return studies.select_related("custodian__unit__provider", "person").first()


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
            rows.update(state=Delivery.WITHDRAWN, reason_code="removed", reason="", ended_at=database_now())
