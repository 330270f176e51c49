"""One study to the destinations that are to have it now: who wants it, what of it, and what is planned already."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from django.db.models import QuerySet

from access.database import database_now
from registry.models import Study, Subscription
from registry.wishes.find import Wish, find_subscriptions, join_wishes
from registry.wishes.index import SubscriptionIndex
from registry.wishes.priorities import rank_priority
from registry.wishes.states import effective_state
from repository.delivery.hops import leave_out_passed
from repository.delivery.planning.content import contents_wanted, select_content
from repository.delivery.planning.planned import (
    DEADLINES,
    UNBEGUN,
    Planned,
    find_missing,
    next_generation,
    write_delivery,
)
from repository.delivery.planning.priors import plan_priors
from repository.models import Delivery, DeliveryItem

SUPERSEDABLE = tuple(state for state in UNBEGUN if state != Delivery.HELD)
"""What a newer generation takes over; what an operator holds stays held."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What made a study be planned: it was stored, fell quiet, something about it changed, or the past is sent.

    Parameters
    ----------
    subscriptions
        With `replay`, those that it is sent for.
    """

    kind: Literal["stored", "quiet", "changed", "replay"]
    subscriptions: tuple[Subscription, ...] = ()

    @property
    def retries(self) -> bool:
        """Tell whether what was given up goes along: a mere change of facts must not send refused images again."""
        return self.kind in ("quiet", "replay")


QUIET, STORED, CHANGED = Trigger("quiet"), Trigger("stored"), Trigger("changed")


def plan_study(study: Study, trigger: Trigger, index: SubscriptionIndex) -> set[str]:
    """Plan what is wanted of a study now and is neither there nor on its way; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    priorities: set[str] = set()
    for wish in leave_out_passed(study, _wishes(study, trigger, index)):
        is_new = _plan_wish(study, wish, trigger)
        if is_new:
            priorities.add(wish.priority)
        with_priors = [row for row in wish.subscriptions if "priors" in row.wants]
        if with_priors and trigger.kind != "replay" and (is_new or trigger.kind == "quiet"):
            priorities |= plan_priors(study, wish.destination, subscriptions=with_priors)
    return priorities


def is_due(subscription: Subscription, study: Study, trigger: Trigger) -> bool:
    """Tell whether a study has come as far as a subscription waits for."""
    state = effective_state(subscription)
    if state == "in_progress":
        return True
    is_settled = trigger.kind == "quiet" or study.quiet_due_at is None
    return is_settled and (state != "verified" or study.state == "verified")


def _wishes(study: Study, trigger: Trigger, index: SubscriptionIndex) -> Iterable[Wish]:
    if trigger.kind == "replay":
        return [replace(wish, priority="bulk") for wish in join_wishes(trigger.subscriptions)]
    return join_wishes(row for row in find_subscriptions(study, index) if is_due(row, study, trigger))


def _plan_wish(study: Study, wish: Wish, trigger: Trigger) -> bool:
    """Plan one wish; returns whether something may go now that could not before."""
    # Locked before anything is read of them: a worker that claims one now has to wait, and finds it superseded.
    unbegun = list(_deliveries_of(study, wish).filter(state__in=UNBEGUN).select_for_update(no_key=True))
    missing = find_missing(study, wish.destination)
    wanted = set(select_content(study, missing, contents_wanted(row.wants for row in wish.subscriptions)))
    coming = _items_of(unbegun)
    fresh = wanted - coming
    if not trigger.retries:
        fresh -= _given_up(study, wish)
    if not fresh:
        return _join(unbegun, wish) if wanted & coming else False
    older = [row for row in unbegun if not row.subject and row.state in SUPERSEDABLE]
    carried = fresh | _items_of(older)
    return _write(study, wish, older, [uid for uid in missing if uid in carried])


def _write(study: Study, wish: Wish, older: list[Delivery], uids: list[str]) -> bool:
    """Write the delivery that takes the place of older ones, for all who asked for one of them."""
    Delivery.objects.filter(pk__in=[row.pk for row in older]).update(
        state=Delivery.SUPERSEDED, reason_code="superseded", reason="", ended_at=database_now()
    )
    asking = {pk for row in older for pk in row.subscription_ids} | set(wish.subscription_ids)
    priority = min([wish.priority, *(row.priority for row in older)], key=rank_priority)
    planned = Planned(
        study,
        wish.destination,
        "study",
        next_generation(study, wish.destination, "study"),
        priority,
        subscription_ids=tuple(sorted(asking)),
        send_request=next((row.send_request for row in older if row.send_request_id), None),
    )
    return write_delivery(planned, uids)


def _join(unbegun: list[Delivery], wish: Wish) -> bool:
    """Let what waits already count for these subscriptions too, as urgently as the most urgent of them."""
    rank = rank_priority(wish.priority)
    is_hurried = False
    for row in unbegun:
        asking = sorted({*row.subscription_ids, *wish.subscription_ids})
        is_more_urgent = rank < row.priority_rank
        if not is_more_urgent and asking == sorted(row.subscription_ids):
            continue
        row.subscription_ids = asking
        if is_more_urgent:
            row.priority, row.priority_rank = wish.priority, rank
            row.deadline_at = min(row.deadline_at, database_now() + DEADLINES[wish.priority])
        row.save(update_fields=["subscription_ids", "priority", "priority_rank", "deadline_at"])
        is_hurried |= is_more_urgent and row.state == Delivery.READY
    return is_hurried


def _deliveries_of(study: Study, wish: Wish) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(study=study, destination=wish.destination, kind="study")
    return rows.order_by("pk")


def _items_of(deliveries: list[Delivery]) -> set[str]:
    items = DeliveryItem.objects.filter(delivery__in=deliveries, state=DeliveryItem.WAITING)
    return set(items.values_list("sop_instance_uid", flat=True)) if deliveries else set()


def _given_up(study: Study, wish: Wish) -> set[str]:
    """Return the instances that were given up for the destination."""
    dead = _deliveries_of(study, wish).filter(state=Delivery.DEAD)
    items = DeliveryItem.objects.filter(delivery__in=dead)
    return set(items.values_list("sop_instance_uid", flat=True))
