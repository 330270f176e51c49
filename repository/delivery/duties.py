"""What has to be done again and again; every function may run twice, also at the same time."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import F

from access.database import database_now, run_write
from registry import changes
from registry.models import Destination, Study
from registry.study_state import note_reports
from registry.wishes.priorities import PRIORITIES
from repository.delivery.planning.plan import plan_deliveries as plan_what_changed
from repository.delivery.queue import breaker
from repository.delivery.queue.ageing import age_deliveries, heal_after_jump
from repository.delivery.queue.basis import follow_decisions, release_awaiting
from repository.delivery.queue.currency import is_behind_journal
from repository.delivery.queue.deadlines import expire_overdue
from repository.delivery.queue.late import note_late_urgent
from repository.delivery.queue.opening import open_windows, review_windows
from repository.delivery.queue.schedule import claim, sweep_leases
from repository.delivery.receivers.probing import ask
from repository.delivery.send import Source, send

__all__ = [
    "age_deliveries",
    "expire_overdue",
    "follow_decisions",
    "heal_after_jump",
    "note_late_urgent",
    "note_quiet_studies",
    "note_quiet_study",
    "open_windows",
    "plan_deliveries",
    "probe_destinations",
    "release_awaiting",
    "review_windows",
    "send_ready",
    "sweep_leases",
]

QUIET_AT_ONCE = 200


def note_quiet_studies() -> int:
    """Append `study_quiet` for the studies that nothing was added to for a while; returns how many."""
    due = Study.objects.filter(quiet_due_at__lte=database_now()).order_by("quiet_due_at", "pk")
    found = list(due.values_list("pk", "quiet_due_at")[:QUIET_AT_ONCE])
    return sum(note_quiet_study(pk, due_at) for pk, due_at in found if due_at is not None)


def plan_deliveries() -> frozenset[str]:
    """Plan what the change feed brought since last time; returns the priorities that have new work.

    A database that is behind the journal plans nothing.
    """
    return frozenset() if is_behind_journal() else plan_what_changed()


def probe_destinations() -> int:
    """Ask the destinations behind an open breaker whether they answer again; returns how many do."""
    due = [pk for pk in breaker.due_probes() if breaker.claim_probe(pk)]
    return sum(_probe(pk) for pk in due)


def send_ready(
    worker: str,
    source: Source[Any],
    priorities: Iterable[str] = PRIORITIES,
    is_stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Claim one delivery and make an attempt at it; False when nothing may go now."""
    if is_behind_journal():
        return False
    lease = claim(worker, priorities)
    if lease is None:
        return False
    send(lease, source, is_stopping)
    return True


def note_quiet_study(study_id: int, due_at: datetime) -> int:
    """Append `study_quiet` for a study that was to fall quiet at a moment; 0 where a store has moved it since."""

    def write() -> int:
        # Conditional on the moment that was read: a store since then has moved it, and wins.
        rows = Study.objects.filter(pk=study_id, quiet_due_at=due_at)
        if not rows.update(quiet_due_at=None, quiet_generation=F("quiet_generation") + 1):
            return 0
        Study.objects.filter(pk=study_id, state="in_progress").update(state="complete")
        study = Study.objects.get(pk=study_id)
        if study.final_at is not None:  # a late image does not take back what a report says
            note_reports(study)
        changes.append("study_quiet", study.study_instance_uid, {"generation": study.quiet_generation})
        return 1

    return run_write(write)


def _probe(destination_id: int) -> int:
    error = ask(Destination.objects.select_related("department__unit").get(pk=destination_id))
    breaker.note_probe(destination_id, error)
    return 0 if error else 1
