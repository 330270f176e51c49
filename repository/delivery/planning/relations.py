"""A unit takes part in a patient's care from now on: what its subscriptions by care relation missed of the last days.

A study is matched when it comes, and again when something about it changes; who takes part in the care is no fact of
the study. Nothing further back goes by itself: earlier studies are priors, or are sent when somebody asks.
"""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from registry.models import CareRelation, Change, Study
from registry.wishes.facts import is_active
from registry.wishes.index import SubscriptionIndex
from repository.delivery.planning.reports import plan_reports
from repository.delivery.planning.requests import plan_requests
from repository.delivery.planning.study import CHANGED, plan_study
from repository.delivery.planning.wishing import Asking

RECENT = timedelta(days=7)


def plan_relation(change: Change, index: Callable[[], SubscriptionIndex]) -> set[str]:
    """Plan the recent studies of a patient whose care a unit takes part in; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    relation = CareRelation.objects.filter(is_active(timezone.now()), pk=change.detail["row"]).first()
    if relation is None or relation.unit_id not in index().units_by_relation:
        return set()
    asking = Asking(index)
    priorities: set[str] = set()
    for study in _recent_studies(relation.patient_id):
        priorities |= plan_study(study, CHANGED, index())
        priorities |= plan_reports(study, asking)
        priorities |= plan_requests(study, asking)
    return priorities


def _recent_studies(patient_id: int) -> QuerySet[Study]:
    rows = Study.objects.filter(person=patient_id, last_instance_at__gte=timezone.now() - RECENT)
    return rows.select_related("custodian__unit__provider", "person").order_by("pk")
