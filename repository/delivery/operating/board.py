"""How every destination does, on one screen: what waits, since when, how fast it goes, what stops it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet, Sum
from django.utils import timezone

from access.actor import Actor
from registry.models import Destination
from repository.delivery.operating.keeping import destinations_kept_by
from repository.delivery.operating.listing import MOVING, WAITING
from repository.delivery.receivers.kinds import Kind, kind_of
from repository.models import Attempt, Delivery

RATE_OVER = timedelta(hours=1)
_QUEUED = (Delivery.READY, Delivery.WAITING_WINDOW)


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One destination.

    Parameters
    ----------
    queued, moving, held, awaiting_basis, dead
        Deliveries, by what they are doing; `queued` waits for its turn or for its hours.
    oldest_at
        When the oldest of those that have not ended was planned.
    delivered, bytes_sent
        What went in the last hour.
    left_s
        Seconds until what is queued is gone at the rate of the last hour; None where nothing went.
    """

    destination: Destination
    kind: Kind | None
    queued: int
    moving: int
    held: int
    awaiting_basis: int
    dead: int
    oldest_at: datetime | None
    delivered: int
    bytes_sent: int
    left_s: int | None


@dataclass(frozen=True, slots=True)
class _Counted:
    number: int
    oldest_at: datetime


def read_board(actor: Actor) -> tuple[BoardLine, ...]:
    """Return a line for each destination that the actor keeps, by department and name."""
    rows = list(destinations_kept_by(actor))
    keys = [row.pk for row in rows]
    waiting = _count_waiting(keys)
    gone = _count_gone(keys, timezone.now() - RATE_OVER)
    return tuple(_make_line(row, waiting.get(row.pk, {}), *gone.get(row.pk, (0, 0))) for row in rows)


def delivered_since(keys: Iterable[int], since: datetime) -> QuerySet[Delivery]:
    """Return what has arrived at some destinations since a moment: over an index, however much arrived before."""
    return Delivery.objects.filter(destination__in=keys, delivered_at__gte=since).order_by()


def _count_waiting(keys: Iterable[int]) -> dict[int, dict[str, _Counted]]:
    states = (*WAITING, *MOVING, Delivery.DEAD)
    rows = Delivery.objects.filter(destination__in=keys, state__in=states).order_by()
    counted: dict[int, dict[str, _Counted]] = {}
    found = rows.values_list("destination", "state").annotate(number=Count("pk"), oldest=Min("planned_at"))
    for destination_id, state, number, oldest in found:
        counted.setdefault(destination_id, {})[state] = _Counted(number, oldest)
    return counted


def _count_gone(keys: Iterable[int], since: datetime) -> dict[int, tuple[int, int]]:
    """Count by destination what has arrived since then: deliveries, and bytes of all their attempts."""
    rows = delivered_since(keys, since)
    numbers = dict(rows.values_list("destination").annotate(number=Count("pk")))
    attempts = Attempt.objects.filter(delivery__in=rows.values("pk")).order_by()
    sizes = dict(attempts.values_list("delivery__destination").annotate(size=Sum("bytes_sent")))
    return {key: (number, sizes.get(key) or 0) for key, number in numbers.items()}


def _make_line(row: Destination, counted: dict[str, _Counted], delivered: int, size: int) -> BoardLine:
    def number(states: Iterable[str]) -> int:
        return sum(counted[state].number for state in states if state in counted)

    open_ = [item.oldest_at for state, item in counted.items() if state != Delivery.DEAD]
    queued = number(_QUEUED)
    left_s = round(queued / delivered * RATE_OVER.total_seconds()) if delivered else None
    return BoardLine(
        destination=row,
        kind=kind_of(row.url),
        queued=queued,
        moving=number(MOVING),
        held=number((Delivery.HELD,)),
        awaiting_basis=number((Delivery.AWAITING_BASIS,)),
        dead=number((Delivery.DEAD,)),
        oldest_at=min(open_, default=None),
        delivered=delivered,
        bytes_sent=size,
        left_s=left_s if queued else 0,
    )
