"""The breaker of a destination: after repeated failures nothing is sent until a probe gets an answer."""

import logging
from datetime import timedelta

from django.db.models import Q

from access.database import database_now, run_write
from registry.models import Destination

log = logging.getLogger(__name__)

OPEN_AFTER = 5
PROBE_FIRST_S = 30.0
PROBE_LAST_S = 300.0


def note_success(destination_id: int) -> None:
    """Close the breaker: a request was answered as it should be."""
    stained = Q(consecutive_failures__gt=0) | Q(breaker=Destination.OPEN) | Q(times_opened__gt=0)
    Destination.objects.filter(stained, pk=destination_id).update(
        breaker=Destination.CLOSED, consecutive_failures=0, times_opened=0, open_until=None, last_error=""
    )


def note_failure(destination_id: int, error: str) -> None:
    """Count a failure; the fifth in a row opens the breaker. Call in a write transaction."""
    destination = _lock(destination_id)
    destination.consecutive_failures += 1
    destination.last_error = error
    if destination.consecutive_failures >= OPEN_AFTER and destination.breaker == Destination.CLOSED:
        _open(destination)
    destination.save()


def note_fault(destination_id: int, error: str) -> None:
    """Open the breaker at once: every request to this destination would fail. Call in a write transaction."""
    destination = _lock(destination_id)
    destination.consecutive_failures = max(destination.consecutive_failures + 1, OPEN_AFTER)
    destination.last_error = error
    if destination.breaker == Destination.CLOSED:
        _open(destination)
    destination.save()


def pause(destination_id: int, pause_s: float) -> None:
    """Send nothing for a while because the receiver asked for it; an open breaker stays as it is."""
    until = database_now() + timedelta(seconds=pause_s)
    Destination.objects.filter(pk=destination_id, breaker=Destination.CLOSED).update(open_until=until)


def claim_probe(destination_id: int) -> bool:
    """Take the right to probe a destination whose breaker is open and due; the next one is due later."""

    def take() -> bool:
        now = database_now()
        destination = _lock(destination_id)
        due = destination.open_until is None or destination.open_until <= now
        if destination.breaker != Destination.OPEN or not due:
            return False
        _open(destination)
        destination.save()
        return True

    return run_write(take)


def due_probes() -> list[int]:
    """Return the destinations whose open breaker is due for a probe."""
    due = Q(open_until=None) | Q(open_until__lte=database_now())
    rows = Destination.objects.filter(due, active=True, breaker=Destination.OPEN)
    return list(rows.values_list("pk", flat=True))


def note_probe(destination_id: int, error: str) -> None:
    """Write down what a probe found. No error closes the breaker, on trial: one more failure opens it."""
    rows = Destination.objects.filter(pk=destination_id, breaker=Destination.OPEN)
    if error:
        rows.update(last_error=error)
    else:
        rows.update(breaker=Destination.CLOSED, consecutive_failures=OPEN_AFTER - 1, open_until=None)


def _lock(destination_id: int) -> Destination:
    return Destination.objects.select_for_update(no_key=True).get(pk=destination_id)


def _open(destination: Destination) -> None:
    wait_s = min(PROBE_LAST_S, PROBE_FIRST_S * 2 ** min(destination.times_opened, 10))
    destination.breaker = Destination.OPEN
    destination.times_opened += 1
    destination.open_until = database_now() + timedelta(seconds=wait_s)
    log.error("destination %s: nothing is sent until it answers (%s)", destination.pk, destination.last_error)
