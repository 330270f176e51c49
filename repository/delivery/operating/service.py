"""What an operator does about a destination: hold it, release it, take it out of service for a time, try it."""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.reach import DESTINATIONS
from registry.models import Destination
from registry.noted import InvalidEntry, UnknownEntry, require_end, require_right, require_text
from repository.delivery.operating.keeping import destinations_kept_by
from repository.delivery.queue import breaker
from repository.delivery.queue.deadlines import grant_time
from repository.delivery.receivers.probing import ProbeResult, probe

LONGEST_MAINTENANCE = timedelta(days=30)


def hold_destination(actor: Actor, destination: Destination, reason: str, *, door: str = "") -> None:
    """Send nothing more to a destination until somebody releases it; deliveries keep their places and do not expire.

    Raises
    ------
    MissingRight, UnknownEntry
        The actor keeps no destinations, or not this one.
    InvalidEntry
        There is no reason.
    """
    _require_kept(actor, destination, "destination_hold", door)
    stated = require_text(reason, "reason", most=200)

    def write() -> None:
        _rows(destination).update(held_reason=stated, held_by=actor.subject[:200])
        _record(actor, "destination_hold", destination, door, stated_reason=stated)

    run_write(write)


def release_destination(actor: Actor, destination: Destination, *, door: str = "") -> None:
    """Send to a held destination again; what went past its deadline meanwhile has its time once more.

    Raises
    ------
    MissingRight, UnknownEntry
    InvalidEntry
        It is not held.
    """
    _require_kept(actor, destination, "destination_release", door)

    def write() -> None:
        held = _rows(destination).exclude(held_reason="")
        if not held.update(held_reason="", held_by=""):
            raise InvalidEntry("the destination is not held")
        grant_time(destination.pk)
        _record(actor, "destination_release", destination, door)

    run_write(write)


def set_maintenance(
    actor: Actor, destination: Destination, until: datetime | None, *, door: str = ""
) -> None:
    """Send nothing to a destination until a moment, at most thirty days ahead; None ends the maintenance now.

    Raises
    ------
    MissingRight, UnknownEntry
    InvalidEntry
        The moment has passed, or lies too far ahead.
    """
    _require_kept(actor, destination, "destination_maintain", door)
    end = None if until is None else require_end(until, timezone.now(), most=LONGEST_MAINTENANCE)

    def write() -> None:
        _rows(destination).update(maintenance_until=end)
        if end is None:
            grant_time(destination.pk)
        _record(actor, "destination_maintain", destination, door, until=end.isoformat() if end else "ended")

    run_write(write)


def test_destination(actor: Actor, destination: Destination, *, door: str = "") -> ProbeResult:  # noqa: PT028
    """Speak to a destination without sending anything, and say what was found; one that answers is tried again.

    Raises
    ------
    MissingRight, UnknownEntry
    """
    _require_kept(actor, destination, "destination_test", door)
    result = probe(destination)

    def write() -> None:
        breaker.note_probe(destination.pk, result.error)
        _record(actor, "destination_test", destination, door, error=result.error)

    run_write(write)
    return result


def _require_kept(actor: Actor, destination: Destination, action: str, door: str) -> None:
    require_right(actor, DESTINATIONS, action, door=door)
    if not destinations_kept_by(actor).filter(pk=destination.pk).exists():
        raise UnknownEntry("no such destination")


def _rows(destination: Destination) -> QuerySet[Destination]:
    return Destination.objects.filter(pk=destination.pk)


def _record(actor: Actor, action: str, destination: Destination, door: str, **detail: str) -> None:
    audit.record(
        actor,
        action,
        door=door,
        detail={
            "row": f"destination:{destination.pk}",
            "name": destination.name,
            **{name: value for name, value in detail.items() if value},
        },
    )
