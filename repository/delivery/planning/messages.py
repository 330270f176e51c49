"""What the change feed says of reports, requests and recalls, planned: called for every change the planner reads."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from registry.models import Change, Study
from registry.wishes.index import SubscriptionIndex, read_index
from repository.delivery.planning.arrivals import note_arrival
from repository.delivery.planning.corrections import plan_correction
from repository.delivery.planning.recall_planning import plan_recall
from repository.delivery.planning.reports import plan_reports
from repository.delivery.planning.requests import plan_requests
from repository.delivery.planning.sends import plan_what_follows
from repository.delivery.planning.wishing import Asking

OF_FACTS = frozenset({"harmonised", "patient_merged"})
RECENT = timedelta(days=7)
"""An older study is not sent because a word was mapped or persons were merged."""
REPORTS = frozenset({"report_version", "study_quiet", "replay", *OF_FACTS})
REQUESTS = frozenset({"order_changed", "study_quiet", "replay", *OF_FACTS})
RECALLS = frozenset({"instances_removed", "instances_restored"})
"""Kinds of changes. A study may be wanted now that was not when its report came."""


def plan_messages(change: Change, index: Callable[[], SubscriptionIndex] = read_index) -> set[str]:
    """Plan what follows from a change; in the planner's transaction. Returns the priorities that have new work.

    Parameters
    ----------
    index
        Gives the subscriptions, when they are needed.
    """
    if change.kind == "delivered":
        return note_arrival(change)
    if change.kind in RECALLS:
        return plan_recall(change)
    priorities = plan_correction(change) if change.kind == "patient_merged" else set()
    study = _find_study(change) if change.kind in REPORTS | REQUESTS else None
    if study is None:
        return priorities
    asking = Asking(index, change.detail["subscription"] if change.kind == "replay" else None)
    if change.kind in REPORTS:
        priorities |= plan_reports(study, asking)
    if change.kind == "report_version":
        priorities |= plan_what_follows(study)
    if change.kind in REQUESTS:
        priorities |= plan_requests(study, asking)
    return priorities


def _find_study(change: Change) -> Study | None:
    if not change.study_instance_uid:
        return None
    studies = Study.objects.filter(study_instance_uid=change.study_instance_uid)
    if change.kind in OF_FACTS:
        studies = studies.filter(last_instance_at__gte=timezone.now() - RECENT)
    return studies.select_related("custodian__unit__provider", "person").first()
