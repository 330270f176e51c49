"""The end of retention: whole sealed batches go, oldest first, and the log says that they went.

The seals stay. A batch without rows is no fault if an event of the log, itself sealed, says that it was erased,
and if it was old enough then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from access.actor import Actor, Scope
from access.audit import record
from access.database import is_sqlite
from access.guards import lift_guards
from access.models import AccessSpan, AuditEvent, AuditSeal

LEAST_AGE = timedelta(days=5 * 366)
"""No log is erased that is younger.

Standard: HSLF-FS 2016:40 4 kap. 9 §
"""
ACTION = "audit_erase"
OPERATOR = Actor("duty", "erase_audit", Scope(), frozenset())
SEALS_AT_ONCE = 100


class TooYoung(ValueError):
    """Asked to erase what must be kept still."""


def erase_before(moment: datetime, *, now: datetime | None = None) -> int:
    """Erase the events of all batches that were sealed before a moment; returns how many. As the owner.

    Raises
    ------
    TooYoung
        The moment is less than five years ago.
    """
    now = now or timezone.now()
    if moment > now - LEAST_AGE:
        raise TooYoung(
            f"the log of the last {LEAST_AGE.days} days is kept: give a moment before {now - LEAST_AGE:%F}"
        )
    seals = list(AuditSeal.objects.filter(sealed_at__lt=moment).order_by("number"))
    first = next((seal for seal in seals if _has_rows(seal)), None)
    if first is None:
        return 0
    record(
        OPERATOR, ACTION, door="command", detail={"first_seal": first.number, "last_seal": seals[-1].number}
    )
    going = [seal for seal in seals if seal.number >= first.number]
    return sum(_erase(going[n : n + SEALS_AT_ONCE]) for n in range(0, len(going), SEALS_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Erasure:
    """Which batches were erased, and when, as the sealed log tells it."""

    first_seal: int
    last_seal: int
    at: datetime

    def covers(self, seal: AuditSeal) -> bool:
        """Tell whether a batch was erased by it, and was old enough."""
        return self.first_seal <= seal.number <= self.last_seal and seal.sealed_at <= self.at - LEAST_AGE


def read_erasures(until_event_id: int) -> list[Erasure]:
    """Return the erasures that the log tells of, up to an event."""
    events = AuditEvent.objects.filter(action=ACTION, outcome="success", id__lte=until_event_id)
    return [
        Erasure(event.detail["first_seal"], event.detail["last_seal"], event.recorded_at) for event in events
    ]


def _has_rows(seal: AuditSeal) -> bool:
    return AuditEvent.objects.filter(id__range=(seal.first_event_id, seal.last_event_id)).exists()


def _erase(seals: list[AuditSeal]) -> int:
    ids = (seals[0].first_event_id, seals[-1].last_event_id)
    with lift_guards():
        if not is_sqlite():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
        AccessSpan.objects.filter(event_id__gte=ids[0], event_id__lte=ids[1])._raw_delete("default")
        erased: int = AuditEvent.objects.filter(id__range=ids)._raw_delete("default")
    return erased
