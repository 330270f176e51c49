"""What is wanted of a study: the subscriptions that match it, joined by destination."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from registry.models import Destination, Study, Subscription
from registry.wishes.facts import read_facts
from registry.wishes.index import SubscriptionIndex, read_index
from registry.wishes.priorities import rank_priority

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """That one destination is to receive a study: how urgently, and by which subscriptions."""

    destination: Destination
    priority: str
    subscriptions: tuple[Subscription, ...]

    @property
    def subscription_ids(self) -> tuple[int, ...]:
        """The keys of the subscriptions."""
        return tuple(row.pk for row in self.subscriptions)


def find_wishes(study: Study, index: SubscriptionIndex | None = None) -> tuple[Wish, ...]:
    """Return what is wanted of the study, one wish a destination, in order of destination.

    A department that stored the study does not get it back, unless a filter says `not_from_self: false`.

    Parameters
    ----------
    index
        All subscriptions where they are read for many studies; else they are read here.
    """
    return join_wishes(find_subscriptions(study, index))


def find_subscriptions(study: Study, index: SubscriptionIndex | None = None) -> list[Subscription]:
    """Return the subscriptions that match a study, in the order of their keys."""
    index = index or read_index()
    for pk, message in index.unreadable:
        log.error("subscription %s wants nothing, its filter cannot be read: %s", pk, message)
    return [rule.subscription for rule in index.find(read_facts(study, asked=index.asked))]


def join_wishes(subscriptions: Iterable[Subscription]) -> tuple[Wish, ...]:
    """Join subscriptions to one wish a destination, under the highest of their priorities."""
    wanted: dict[int, list[Subscription]] = {}
    for subscription in subscriptions:
        wanted.setdefault(subscription.destination_id, []).append(subscription)
    rows = Destination.objects.select_related("department__unit") if wanted else Destination.objects.none()
    destinations = rows.in_bulk(wanted)
    return tuple(_join(destinations[pk], wanted[pk]) for pk in sorted(wanted))


def _join(destination: Destination, subscriptions: list[Subscription]) -> Wish:
    return Wish(
        destination=destination,
        priority=min((row.priority for row in subscriptions), key=rank_priority),
        subscriptions=tuple(subscriptions),
    )
