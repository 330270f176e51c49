"""Figures of every destination for the monitoring: what waits and since when, what went, what stops it. No patients."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, Sum

from access.database import database_now
from registry.models import Destination
from repository.delivery.operating.listing import MOVING, WAITING
from repository.models import Attempt, Delivery, Recall

FAILED_OVER = timedelta(hours=1)
OPEN_STATES = (*WAITING, *MOVING)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `destination` is None where it is about all of them."""

    name: str
    value: float
    destination: int | None = None
    state: str = ""


def read_figures() -> Iterator[Figure]:
    """Yield the figures: a few counts over indexes, nothing of the deliveries that have ended but the last hour's."""
    now = database_now()
    depth, oldest = _read_depth()
    gone = _read_attempts(now - FAILED_OVER)
    for destination in Destination.objects.order_by("pk"):
        key = destination.pk
        for state in (*OPEN_STATES, Delivery.DEAD):
            yield Figure("deliveries_waiting", depth[key].get(state, 0), key, state)
        yield Figure("delivery_oldest_seconds", _age(oldest.get(key), now), key)
        sent, failed, sent_bytes = gone.get(key, (0, 0, 0))
        yield Figure("delivery_attempts_last_hour", sent, key, "ended")
        yield Figure("delivery_attempts_last_hour", failed, key, "failed")
        yield Figure("delivery_bytes_last_hour", sent_bytes, key)
        yield Figure("destination_breaker_open", destination.breaker == Destination.OPEN, key)
        in_maintenance = destination.maintenance_until is not None and destination.maintenance_until > now
        yield Figure("destination_stopped", bool(destination.held_reason) or in_maintenance, key)
    recalls = Recall.objects.filter(closed_at=None).aggregate(number=Count("pk"), oldest=Min("made_at"))
    yield Figure("recalls_open", recalls["number"])
    yield Figure("recall_oldest_seconds", _age(recalls["oldest"], now))


def _read_depth() -> tuple[dict[int, dict[str, int]], dict[int, datetime]]:
    """Return by destination how many deliveries are in each state, and when the oldest that is not over was planned."""
    depth: dict[int, dict[str, int]] = defaultdict(dict)
    oldest: dict[int, datetime] = {}
    rows = Delivery.objects.filter(state__in=(*OPEN_STATES, Delivery.DEAD)).order_by()
    found = rows.values_list("destination", "state").annotate(number=Count("pk"), first=Min("planned_at"))
    for key, state, number, first in found:
        depth[key][state] = number
        if state != Delivery.DEAD:
            oldest[key] = min(first, oldest.get(key, first))
    return depth, oldest


def _read_attempts(since: datetime) -> dict[int, tuple[int, int, int]]:
    """Return by destination the attempts that ended since then, those of them that failed, and the bytes of all."""
    rows = Attempt.objects.filter(ended_at__gte=since).order_by().values_list("delivery__destination")
    found = rows.annotate(
        ended=Count("pk"), failed=Count("pk", filter=~Q(error_class="")), size=Sum("bytes_sent")
    )
    return {key: (ended, failed, size or 0) for key, ended, failed, size in found}


def _age(moment: datetime | None, now: datetime) -> int:
    return round((now - moment).total_seconds()) if moment else 0
