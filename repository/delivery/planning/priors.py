"""Relevant priors on their way before the patient comes, or with the examination they bear on; each with its report."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Sum

from access.database import database_now
from registry.models import Destination, Instance, Order, SendRequest, Study, Subscription
from registry.priors import find_priors, find_priors_of_order
from repository.delivery.planning.planned import (
    UNBEGUN,
    Planned,
    find_missing,
    next_generation,
    write_delivery,
)
from repository.delivery.planning.reports import plan_final_reports
from repository.models import Delivery

PRIORITY = "prior"
BEFORE_EXAMINATION = timedelta(minutes=30)
MOST_BYTES = 4 << 30
"""Of all priors that one examination brings to a destination."""
CLOSED = frozenset({"cancelled", "completed"})


def plan_priors(
    study: Study,
    destination: Destination,
    *,
    subscriptions: Iterable[Subscription] = (),
    send_request: SendRequest | None = None,
    priority: str = PRIORITY,
) -> set[str]:
    """Plan the priors of a study for a destination that gets it; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    wishes = list(subscriptions)
    most, years = _limits(wishes)
    found = find_priors(study, most=most, years=years)
    because = {"study": study.study_instance_uid}
    return _plan(found, destination, wishes, send_request, priority, because, None)


def plan_priors_of_order(order_id: int) -> set[str]:
    """Plan the priors of an examination that is asked for, for the department that is to perform it.

    Which of that department's destinations want priors, its subscriptions say. They are there half an hour before
    the examination, or not sent at all.
    """
    order = Order.objects.filter(pk=order_id).first()
    if order is not None and order.status == "cancelled":
        _withdraw(order)
    if order is None or order.status in CLOSED or order.performing_department_id is None:
        return set()
    deadline_at = order.scheduled_at - BEFORE_EXAMINATION if order.scheduled_at else None
    if deadline_at is not None and deadline_at <= database_now():
        return set()
    priorities: set[str] = set()
    for destination, wishes in _who_wants(order.performing_department_id).items():
        most, years = _limits(wishes)
        found = find_priors_of_order(order, most=most, years=years)
        priorities |= _plan(found, destination, wishes, None, PRIORITY, {"order": order.pk}, deadline_at)
    return priorities


def _who_wants(department_id: int) -> dict[Destination, list[Subscription]]:
    rows = Subscription.objects.filter(department=department_id, active=True, destination__active=True)
    wanted: dict[Destination, list[Subscription]] = {}
    for row in rows.select_related("destination__department__unit").order_by("destination_id", "pk"):
        if "priors" in row.wants:
            wanted.setdefault(row.destination, []).append(row)
    return wanted


def _limits(subscriptions: list[Subscription]) -> tuple[int, int]:
    """Return how many priors and how many years back: the most that one of them asks for."""
    if not subscriptions:
        return 3, 10
    return max(s.max_priors for s in subscriptions), max(s.max_prior_years for s in subscriptions)


def _plan(
    found: list[Study],
    destination: Destination,
    subscriptions: list[Subscription],
    send_request: SendRequest | None,
    priority: str,
    because: Mapping[str, str | int],
    deadline_at: datetime | None,
) -> set[str]:
    """Plan what is not there and not coming; never what the receiver's own department keeps."""
    is_new = False
    left_bytes = MOST_BYTES
    for prior in found:
        if prior.custodian_id == destination.department_id:
            continue
        left_bytes -= _size_of(prior)
        uids = find_missing(prior, destination, also_unbegun=True) if left_bytes >= 0 else []
        if uids:
            planned = Planned(
                prior,
                destination,
                "prior",
                next_generation(prior, destination, "prior"),
                priority,
                subscription_ids=tuple(s.pk for s in subscriptions),
                send_request=send_request,
                because=because,
                deadline_at=deadline_at,
            )
            is_new |= write_delivery(planned, uids)
        if left_bytes >= 0:
            is_new |= plan_final_reports(
                prior,
                destination,
                priority,
                subscription_ids=tuple(s.pk for s in subscriptions),
                send_request=send_request,
            )
    return {priority} if is_new else set()


def _size_of(study: Study) -> int:
    rows = Instance.objects.filter(series__study=study.pk)
    return int(rows.aggregate(total=Sum("length"))["total"] or 0)


def _withdraw(order: Order) -> None:
    rows = Delivery.objects.filter(kind="prior", because={"order": order.pk}, state__in=UNBEGUN)
    rows.update(state=Delivery.WITHDRAWN, reason_code="order_cancelled", reason="", ended_at=database_now())
