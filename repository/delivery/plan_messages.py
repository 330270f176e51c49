"""What the change feed says of reports, requests and recalls, planned: called for every change the planner reads."""

from registry.models import Change, Study
from repository.delivery.arrivals import note_arrival
from repository.delivery.plan_corrections import plan_correction
from repository.delivery.plan_recalls import plan_recall
from repository.delivery.plan_reports import plan_reports
from repository.delivery.plan_requests import plan_requests
from repository.delivery.plan_sends import plan_what_follows

REPORTS = frozenset({"report_version", "study_quiet"})
REQUESTS = frozenset({"order_changed", "study_quiet"})
RECALLS = frozenset({"instances_removed", "instances_restored"})
"""Kinds of changes. A study that has fallen quiet may be wanted now and not have been when its report came."""


def plan_messages(change: Change) -> set[str]:
    """Plan what follows from a change; in the planner's transaction. Returns the priorities that have new work."""
    if change.kind == "delivered":
        return note_arrival(change)
    if change.kind in RECALLS:
        return plan_recall(change)
    if change.kind == "patient_merged":
        return plan_correction(change)
    if change.kind not in REPORTS | REQUESTS or not change.study_instance_uid:
        return set()
    study = Study.objects.filter(study_instance_uid=change.study_instance_uid).first()
    if study is None:
        return set()
    priorities: set[str] = set()
    if change.kind in REPORTS:
        priorities |= plan_reports(study)
    if change.kind == "report_version":
        priorities |= plan_what_follows(study)
    if change.kind in REQUESTS:
        priorities |= plan_requests(study)
    return priorities
