"""Drawing a sample from the log of a unit: what its people read in a period, and what is known of the patients."""

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor, Scope
from access.database import run_write
from access.models import AuditEvent, CareUnit, Department, User
from registry.models import CareRelation, LogReview, LogReviewItem, Patient, PatientFlag, Relative
from registry.names import fold_accents
from registry.noted import EndedEntry, InvalidEntry, refuse, require_right
from registry.review.detectors import Access, Known, Rule, draw

T = TypeVar("T")
LONGEST_PERIOD = timedelta(days=92)
KEYS_AT_ONCE = 500
CALENDAR = Actor(
    "duty", "log review calendar", Scope(), frozenset({"review_access"}), purpose="administration"
)


def draw_review(
    actor: Actor,
    unit: CareUnit,
    period_from: datetime,
    period_to: datetime,
    *,
    rule: Rule | None = None,
    door: str = "",
) -> LogReview:
    """Draw the sample of a unit and a period that is over.

    Raises
    ------
    MissingRight
        Without `review_access`, or of another unit.
    InvalidEntry
        The period is not one, is longer than 92 days, or is not over.
    EndedEntry
        It was drawn before: drawing again until the sample pleases is no review.
    """
    require_right(actor, "review_access", "review_draw", door=door)
    if actor.kind != "duty" and actor.scope.unit_id != unit.pk:
        refuse(actor, "review_draw", None, "the log of another care unit", door=door)
    now = timezone.now()
    if not period_from < period_to <= now or period_to - period_from > LONGEST_PERIOD:
        raise InvalidEntry("a period begins before it ends, is over, and is at most 92 days long")
    chosen = rule or Rule(seed=secrets.token_hex(16))
    accesses = _read_accesses(unit, period_from, period_to)
    drawn = draw(accesses, _read_known(accesses), chosen)
    by_id = {access.event_id: access for access in accesses}
    key = {"unit": unit, "period_from": period_from, "period_to": period_to}

    def work() -> LogReview:
        if LogReview.objects.filter(**key).exists():
            raise EndedEntry("the sample of this period was drawn before")
        review = LogReview.objects.create(
            **key,
            rule=chosen.as_json(),
            events=len(accesses),
            drawn_at=now,
            drawn_by=actor.subject,
            due_at=now + timedelta(days=settings.LOG_REVIEW_DUE_DAYS),
        )
        LogReviewItem.objects.bulk_create(
            [
                LogReviewItem(
                    review=review,
                    event_id=event_id,
                    patient_id=by_id[event_id].patient_id,
                    subject=by_id[event_id].subject,
                    reasons=reasons,
                )
                for event_id, reasons in sorted(drawn.items())
            ],
            batch_size=500,
        )
        detail = {"row": f"log_review:{review.pk}", "unit": unit.hsa_id, "items": len(drawn)}
        audit.record(actor, "review_draw", door=door, detail=detail)
        return review

    try:
        return run_write(work)
    except IntegrityError as error:  # another process was quicker
        raise EndedEntry("the sample of this period was drawn before") from error


def draw_due_reviews(now: datetime | None = None) -> int:
    """Draw the samples of last month for every unit whose people read something; a duty. Returns how many."""
    local = timezone.localtime(now or timezone.now())
    period_to = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    period_from = (period_to - timedelta(days=1)).replace(day=1)
    drawn = 0
    known = LogReview.objects.filter(period_from=period_from, period_to=period_to)
    for unit in CareUnit.objects.exclude(pk__in=known.values("unit")).order_by("pk"):
        if _events_of(unit, period_from, period_to).exists():
            try:
                draw_review(CALENDAR, unit, period_from, period_to, door="duty")
            except EndedEntry:  # another process was quicker
                continue
            drawn += 1
    return drawn


def _events_of(unit: CareUnit, period_from: datetime, period_to: datetime) -> "QuerySet[AuditEvent]":
    """Return the reads of a unit's people in a period; a system that reads for a person counts as the person."""
    departments = Department.objects.filter(unit=unit).values("hsa_id")
    return AuditEvent.objects.filter(
        Q(care_unit_hsa_id=unit.hsa_id) | Q(department_hsa_id__in=departments),
        Q(actor_kind="person") | ~Q(on_behalf_of=""),
        recorded_at__gte=period_from,
        recorded_at__lt=period_to,
        action="read",
        outcome="success",
        patient_id__isnull=False,
    )


def _read_accesses(unit: CareUnit, period_from: datetime, period_to: datetime) -> list[Access]:
    rows = _events_of(unit, period_from, period_to).values_list(
        "pk", "recorded_at", "actor", "on_behalf_of", "patient_id", "detail"
    )
    return [
        Access(pk, at, behalf or actor, patient_id, frozenset(detail.get("basis", ())))
        for pk, at, actor, behalf, patient_id, detail in rows.iterator()
        if patient_id is not None
    ]


def _read_known(accesses: list[Access]) -> Known:
    """Read what the detectors need of the patients and readers in the log."""
    patients = sorted({access.patient_id for access in accesses})
    readers = sorted({access.subject for access in accesses})
    declared = sorted(
        {int(name.partition(":")[2]) for a in accesses for name in a.basis if name.startswith("relation:")}
    )
    marks: dict[int, list[tuple[str, datetime, datetime | None]]] = defaultdict(list)
    patient_surnames: dict[int, str] = {}
    relatives: set[tuple[str, int]] = set()
    for chunk in _chunks(patients):
        flags = PatientFlag.objects.filter(patient__in=chunk)
        for key, kind, since, until in flags.values_list("patient", "kind", "registered_at", "ended_at"):
            marks[key].append((kind, since, until))
        names = Patient.objects.filter(pk__in=chunk).values_list("pk", "patient_name")
        patient_surnames |= {key: fold_accents(name.split("^", 1)[0]) for key, name in names}
        close = Relative.objects.filter(patient__in=chunk).values_list("user__username", "patient")
        relatives.update(close)
    reader_surnames: dict[str, str] = {}
    for users in _chunks(readers):
        rows = User.objects.filter(username__in=users).values_list("username", "last_name")
        reader_surnames |= {username: fold_accents(name) for username, name in rows}
    self_declared: set[str] = set()
    for keys in _chunks(declared):
        found = CareRelation.objects.filter(pk__in=keys, source="self_declared").values_list("pk", flat=True)
        self_declared.update(f"relation:{key}" for key in found)
    return Known(
        ZoneInfo(settings.TIME_ZONE),
        marks,
        patient_surnames,
        reader_surnames,
        frozenset(relatives),
        frozenset(self_declared),
    )


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), KEYS_AT_ONCE):
        yield items[start : start + KEYS_AT_ONCE]
