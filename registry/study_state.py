"""When a study was ordered, reported and corrected, and whether it is verified: from its orders and reports."""

from collections.abc import Sequence
from datetime import datetime

from registry.commissions import end_readings
from registry.models import Report, ReportVersion, Study

FINAL = frozenset({"final", "addendum", "corrected"})
"""States of a version that somebody stands for."""


def newest_of(versions: Sequence[ReportVersion]) -> ReportVersion | None:
    """Return the version that counts."""
    return max(versions, key=lambda row: row.number, default=None)


def note_reports(study: Study) -> None:
    """Write the moments of a study's reports and its state; call it in the transaction of what changed.

    A study is verified while one of its reports stands as final; one that was withdrawn takes that back. With the
    final one ends what is read on behalf of the custodian's provider.
    """
    reports = list(study.reports.prefetch_related("versions"))
    versions = [row for report in reports for row in report.versions.all()]
    study.preliminary_at = min(_moments(versions, {"preliminary"}), default=study.preliminary_at)
    study.final_at = min(_moments(versions, FINAL), default=study.final_at)
    study.corrected_at = max(_moments(versions, {"corrected"}), default=study.corrected_at)
    study.state = _decide_state(study, reports)
    study.save(update_fields=["preliminary_at", "final_at", "corrected_at", "state"])
    end_readings(study)


def note_orders(study: Study) -> None:
    """Write when a study was first asked for; call it in the transaction of what changed."""
    moments = [moment for moment in study.orders.values_list("ordered_at", flat=True) if moment]
    if moments and study.ordered_at != min(moments):
        study.ordered_at = min(moments)
        study.save(update_fields=["ordered_at"])


def _moments(versions: Sequence[ReportVersion], states: frozenset[str] | set[str]) -> list[datetime]:
    return [row.authored_at for row in versions if row.status in states]


def _decide_state(study: Study, reports: Sequence[Report]) -> str:
    newest = [(report.verifies, newest_of(list(report.versions.all()))) for report in reports]
    if any(verifies and row is not None and row.status in FINAL for verifies, row in newest):
        return "verified"
    is_withdrawn = any(row is not None and row.status == "cancelled" for _, row in newest)
    if study.state == "verified" and is_withdrawn:
        return "in_progress" if study.quiet_due_at or not study.quiet_generation else "complete"
    return study.state
