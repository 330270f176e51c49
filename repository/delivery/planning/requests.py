"""Every state of an order to every destination that wants requests of its study.

A state that was not begun gives way to the newer one: an order is what it is now.
"""

import hashlib

import orjson

from access.database import database_now
from registry.models import Destination, Order, Study
from repository.delivery.planning.planned import UNBEGUN, Planned, write_delivery
from repository.delivery.planning.wishing import EVERYBODY, Asking, find_wishing
from repository.delivery.receivers.kinds import TELLING, kind_of
from repository.models import Delivery

KIND = "request"
STATED = (
    "accession_number",
    "accession_issuer",
    "placer_order_number",
    "placer_issuer",
    "filler_order_number",
    "requested_procedure_id",
    "ordering_department_id",
    "performing_department_id",
    "requester",
    "procedure_code",
    "procedure_code_scheme",
    "procedure_text",
    "question",
    "history",
    "urgency",
    "status",
    "ordered_at",
    "scheduled_at",
)


def plan_requests(study: Study, asking: Asking = EVERYBODY) -> set[str]:
    """Plan the states of a study's orders that were not sent yet; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    orders = list(study.orders.order_by("pk"))
    if not orders:
        return set()
    priorities: set[str] = set()
    for wish in find_wishing(study, "request", asking):
        if kind_of(wish.destination.url) not in TELLING:
            continue
        for order in orders:
            if _plan(order, study, wish.destination, wish.priority, wish.subscription_ids):
                priorities.add(wish.priority)
    return priorities


def _plan(
    order: Order, study: Study, destination: Destination, priority: str, subscription_ids: tuple[int, ...]
) -> bool:
    """Plan the state of an order; of one about several studies it goes once, with the first that is wanted."""
    rows = Delivery.objects.filter(destination=destination, kind=KIND, subject=str(order.pk))
    before = rows.select_related("study").order_by("generation").last()
    state = digest_of(order)
    if before is not None and before.because.get("state") == state:
        return False
    rows.filter(state__in=UNBEGUN).update(
        state=Delivery.SUPERSEDED, reason_code="newer_state", reason="", ended_at=database_now()
    )
    planned = Planned(
        before.study if before else study,
        destination,
        KIND,
        before.generation + 1 if before else 1,
        priority,
        subject=str(order.pk),
        subscription_ids=subscription_ids,
        because={"order": order.pk, "state": state},
    )
    return write_delivery(planned, [])


def digest_of(order: Order) -> str:
    """Return what the state of an order is told apart by."""
    state = orjson.dumps([getattr(order, name) for name in STATED])
    return hashlib.sha256(state).hexdigest()[:16]
