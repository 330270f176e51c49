"""What a person sends now: planned at once, and again when something of the patient comes while the sending lasts."""

from collections.abc import Iterable

from access.actor import Actor, Scope
from access.database import database_now
from registry.models import Destination, SendRequest, Study
from registry.send_now import requests_that_follow, share_what_follows
from registry.wishes.priorities import rank_priority
from registry.worklist import put_on_worklist
from repository.delivery.planning.planned import (
    UNBEGUN,
    Planned,
    find_missing,
    next_generation,
    write_delivery,
)
from repository.delivery.planning.priors import plan_priors
from repository.delivery.planning.reports import plan_report
from repository.models import Delivery

PLANNER = Actor("duty", "delivery planner", Scope(), frozenset())
IMAGES = frozenset({"images", "sr", "key_images"})


def plan_sending(request_id: int) -> set[str]:
    """Plan what a request asks for, or stop what was not begun where it was withdrawn; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    request = SendRequest.objects.select_related("study", "department__unit").filter(pk=request_id).first()
    if request is None:
        return set()
    if request.withdrawn_at is not None:
        _withdraw(request)
        return set()
    studies = Study.objects.filter(shares__in=request.shares.all()).select_related("custodian__unit")
    return _plan(request, studies.distinct().order_by("pk"))


def plan_what_follows(study: Study) -> set[str]:
    """Plan what came of a study for the requests that still last; in the planner's transaction."""
    priorities: set[str] = set()
    for request in requests_that_follow(study).select_related("department__unit"):
        share_what_follows(study, request, PLANNER)
        priorities |= _plan(request, [study])
    return priorities


def _plan(request: SendRequest, studies: Iterable[Study]) -> set[str]:
    """Put the studies on the department's worklist, and let its systems have them."""
    destinations = Destination.objects.filter(department=request.department, active=True).exclude(
        url="worklist:"
    )
    priorities: set[str] = set()
    for study in studies:
        put_on_worklist(
            request.department,
            study,
            priority_rank=rank_priority(request.priority),
            reason=request.reason,
        )
        for destination in destinations.select_related("department__unit").order_by("pk"):
            if IMAGES & set(request.wants) and _plan_study(request, study, destination):
                priorities.add(request.priority)
            if "report" in request.wants and _plan_reports(request, study, destination):
                priorities.add(request.priority)
            if "priors" in request.wants:
                priorities |= plan_priors(study, destination, send_request=request, priority=request.priority)
    return priorities


def _plan_study(request: SendRequest, study: Study, destination: Destination) -> bool:
    has_hurried = _hurry(request, study, destination)
    uids = find_missing(study, destination, also_unbegun=True)
    if not uids:
        return has_hurried
    subject = f"send:{request.pk}"
    planned = Planned(
        study,
        destination,
        "study",
        next_generation(study, destination, "study", subject),
        request.priority,
        subject=subject,
        send_request=request,
    )
    return write_delivery(planned, uids) or has_hurried


def _plan_reports(request: SendRequest, study: Study, destination: Destination) -> bool:
    planned = [
        plan_report(report, study, destination, request.priority, send_request=request)
        for report in study.reports.order_by("pk")
    ]
    return any(planned)


def _hurry(request: SendRequest, study: Study, destination: Destination) -> bool:
    """Let what waits there already for a subscription go as urgently as it is sent now."""
    rank = rank_priority(request.priority)
    rows = Delivery.objects.filter(
        study=study, destination=destination, kind="study", state__in=UNBEGUN, priority_rank__gt=rank
    )
    return bool(rows.update(priority=request.priority, priority_rank=rank, send_request=request))


def _withdraw(request: SendRequest) -> None:
    """Withdraw what nothing else asks for."""
    rows = Delivery.objects.filter(send_request=request, state__in=UNBEGUN, subscription_ids=[])
    rows.update(state=Delivery.WITHDRAWN, reason_code="sending_withdrawn", reason="", ended_at=database_now())
