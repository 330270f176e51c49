"""What waits for the hours of its subscriptions, let go when they begin or are changed."""

from datetime import datetime
from functools import partial

from django.db.models import QuerySet

from access.database import database_now, run_write
from repository.delivery.queue.limits import find_opening
from repository.models import Delivery

AT_ONCE = 500


def open_windows() -> int:
    """Let go what waited for hours that have begun; returns how many."""
    now = database_now()
    waiting = Delivery.objects.filter(state=Delivery.WAITING_WINDOW)
    return _let_go(waiting.filter(not_before__lte=now), now)


def review_windows() -> int:
    """Look again when the hours begin of what waits: they may have been changed. Returns how many may go now."""
    now = database_now()
    waiting = Delivery.objects.filter(state=Delivery.WAITING_WINDOW)
    groups: dict[tuple[int, ...], list[int]] = {}
    for pk, subscription_ids in waiting.order_by("pk").values_list("pk", "subscription_ids"):
        groups.setdefault(tuple(subscription_ids), []).append(pk)
    opened = 0
    for subscription_ids, keys in groups.items():
        opens_at = find_opening(subscription_ids, now)
        for start in range(0, len(keys), AT_ONCE):
            part = waiting.filter(pk__in=keys[start : start + AT_ONCE])
            if opens_at <= now:
                opened += _let_go(part, now)
            else:
                run_write(partial(part.exclude(not_before=opens_at).update, not_before=opens_at))
    return opened


def _let_go(rows: QuerySet[Delivery], now: datetime) -> int:
    return rows.update(state=Delivery.READY, reason_code="queued", not_before=now)
