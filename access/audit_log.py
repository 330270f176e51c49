"""Ask the access log: by patient, person, study, unit and time; newest first, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from access.models import AuditEvent

MOST_ON_A_PAGE = 500

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a page ended; the next one begins after it."""

    recorded_at: datetime
    event_id: int

    def __str__(self) -> str:
        return f"{self.recorded_at.isoformat()}_{self.event_id}"


class InvalidPosition(ValueError):
    """What was given as a position is none."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events, newest first, and where the next page begins; None on the last one."""

    events: tuple[AuditEvent, ...]
    after: LogPosition | None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What an event must be to be found; what is None or empty does not matter.

    Parameters
    ----------
    actor : str
        The person or system, also as the one for whom a system asked.
    recorded_from, recorded_before : datetime or None
        A period, its end not part of it.
    unit, department : str
        HSA-ids of the care unit and the department of whoever did it.
    departments : tuple of str
        HSA-ids, any of which will do: all departments of a unit, for events that do not name the unit.
    viewer : str
        Who looks: of what was refused to them the patient is not told, or asking would tell whose a UID is.
    """

    patient_id: int | None = None
    patient_ids: tuple[int, ...] = ()
    actor: str = ""
    study_instance_uid: str = ""
    actions: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None
    unit: str = ""
    department: str = ""
    departments: tuple[str, ...] = ()
    address: str = ""
    event_id: int | None = None
    viewer: str = ""


def search_events(wanted: LogFilter, *, after: LogPosition | None = None, limit: int = 50) -> LogPage:
    """Return one page of the events that match, newest first.

    Whoever shows them records that they were read: `record(actor, "audit_read", ...)`.

    Parameters
    ----------
    limit
        Of events on a page, at most 500.
    """
    limit = max(1, min(limit, MOST_ON_A_PAGE))
    rows = _matching(wanted)
    if after is not None:
        rows = rows.filter(
            Q(recorded_at__lt=after.recorded_at) | Q(recorded_at=after.recorded_at, id__lt=after.event_id),
            recorded_at__lte=after.recorded_at,  # said once more for the index
        )
    found = list(rows.select_related("span").order_by("-recorded_at", "-id")[: limit + 1])
    page = tuple(found[:limit])
    for event in page:
        if wanted.viewer == event.actor and event.outcome == REFUSED:
            event.patient_id = None
    has_more = len(found) > limit
    return LogPage(page, LogPosition(page[-1].recorded_at, page[-1].pk) if has_more else None)


def count_events(wanted: LogFilter, *, most: int = 1000) -> int:
    """Return how many events match, counting no further than `most` + 1."""
    return _matching(wanted)[: most + 1].count()


def read_position(text: str) -> LogPosition:
    """Return the position that `str` wrote.

    Raises
    ------
    InvalidPosition
        It is none.
    """
    moment, _, number = text.rpartition("_")
    try:
        position = LogPosition(datetime.fromisoformat(moment), int(number))
    except ValueError as error:
        raise InvalidPosition(f"{text[:60]!r} is no position in the access log") from error
    if timezone.is_naive(position.recorded_at) or not -(1 << 63) <= position.event_id < 1 << 63:
        raise InvalidPosition(f"{text[:60]!r} is no position in the access log")
    return position


def _matching(wanted: LogFilter) -> "QuerySet[AuditEvent, AuditEvent]":
    exact: dict[str, Any] = {
        "patient_id": wanted.patient_id,
        "patient_id__in": wanted.patient_ids,
        "study_instance_uid": wanted.study_instance_uid,
        "action__in": wanted.actions,
        "outcome__in": wanted.outcomes,
        "door__in": wanted.doors,
        "recorded_at__gte": wanted.recorded_from,
        "recorded_at__lt": wanted.recorded_before,
        "care_unit_hsa_id": wanted.unit,
        "department_hsa_id": wanted.department,
        "department_hsa_id__in": wanted.departments,
        "address": wanted.address,
        "id": wanted.event_id,
    }
    rows = AuditEvent.objects.filter(**{k: v for k, v in exact.items() if v not in (None, "", ())})
    if wanted.actor:
        rows = rows.filter(Q(actor=wanted.actor) | Q(on_behalf_of=wanted.actor))
    if wanted.viewer and (wanted.patient_id is not None or wanted.patient_ids):
        rows = rows.exclude(actor=wanted.viewer, outcome=REFUSED)
    return rows
