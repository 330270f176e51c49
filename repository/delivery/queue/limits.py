"""What the hours of the week allow just now: slots and rate of a destination, and what its subscriptions want."""

from collections.abc import Iterable
from datetime import datetime

from django.utils.timezone import get_default_timezone

from registry.models import Destination, Subscription
from repository.delivery.queue.breaker import OPEN_AFTER
from repository.delivery.queue.windows import Window, find_window, next_opening, read_windows
from repository.models import Delivery

BYTES_OF_MBIT = 125_000


def slots_at(destination: Destination, now: datetime) -> int:
    """Return how many requests may be under way; one while a destination that had failed is on trial."""
    window = _window_of(destination, now)
    slots = destination.max_parallel
    if window is not None and window.max_parallel is not None:
        slots = window.max_parallel
    return min(slots, 1) if destination.consecutive_failures >= OPEN_AFTER - 1 else slots


def rate_at(destination: Destination, now: datetime) -> float | None:
    """Return how many bytes a second may leave for a destination; None for no limit."""
    window = _window_of(destination, now)
    mbit = window.max_mbit if window is not None and window.max_mbit is not None else destination.max_mbit
    return None if mbit is None else mbit * BYTES_OF_MBIT


def opening_of(delivery: Delivery, now: datetime) -> datetime:
    """Return from when on somebody wants a delivery: the first hours that open of all that asked for it.

    What a person sent, and what no subscription with hours asked for, is wanted at once.
    """
    if delivery.send_request_id is not None:
        return now
    return find_opening(delivery.subscription_ids, now)


def find_opening(subscription_ids: Iterable[int], now: datetime) -> datetime:
    """Return when the first of the active subscriptions has its hours: now, if one has none or is inside them."""
    rows = Subscription.objects.filter(pk__in=list(subscription_ids), active=True)
    hours = list(rows.values_list("window", flat=True))
    if not all(hours):
        return now
    zone = get_default_timezone()
    return min((next_opening(read_windows(value), now, zone) for value in hours), default=now)


def _window_of(destination: Destination, now: datetime) -> Window | None:
    if not destination.windows:
        return None
    return find_window(read_windows(destination.windows), now, get_default_timezone())
