"""How many studies wait to be published, and how long already: for the monitoring."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils import timezone

from repository.models import Publication


@dataclass(frozen=True, slots=True)
class Backlog:
    """Studies whose documents do not say yet what they hold; `failed` are those of them that could not be published."""

    waiting: int
    failed: int
    oldest_waiting_s: float
    oldest_failed_s: float


def read_backlog() -> Backlog:
    """Count what waits and what failed, each with the age of its oldest."""
    failed = ~Q(error="")
    found = Publication.objects.exclude(due_at=None).aggregate(
        waiting=Count("pk", filter=Q(error="")),
        failed=Count("pk", filter=failed),
        waits_since=Min("asked_at", filter=Q(error="")),
        failed_since=Min("asked_at", filter=failed),
    )
    return Backlog(
        found["waiting"], found["failed"], _age_s(found["waits_since"]), _age_s(found["failed_since"])
    )


def _age_s(since: datetime | None) -> float:
    return (timezone.now() - since).total_seconds() if since else 0.0
