"""Orders as their sources tell of them, in whatever order the messages come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from access.models import Department, User
from registry.linking import Accession, await_studies, link_order
from registry.models import Encounter, Order, Patient
from registry.relations import (
    end_relation_of_order,
    note_participation,
    relate_from_order,
    relate_from_referral,
)
from registry.study_state import note_orders
from registry.workflow_changes import keep_order, tell_order

CANCELLED = "cancelled"
CLOSED = frozenset({CANCELLED, "completed"})
STATUSES = ("requested", "scheduled", "in_progress", "held", "completed", CANCELLED)

TEXTS = (
    "filler_order_number",
    "requested_procedure_id",
    "requester",
    "procedure_code",
    "procedure_code_scheme",
    "procedure_text",
    "question",
    "history",
    "urgency",
)
"""Columns of an order that a message may state, leave alone or make empty."""


class OrderOfAnother(ValueError):
    """The number is that of another patient's order."""


class NamelessOrder(ValueError):
    """There is neither an accession number nor a placer's or filler's number."""


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """What a message says about an order. `texts` has the columns it states, an empty one to be made empty.

    `status` is empty where it says nothing of it. `changed_at` is when its source last changed it.
    `requester_id` is an HSA-id.
    """

    patient: Patient
    changed_at: datetime
    accession: Accession
    placer_order_number: str = ""
    placer_issuer: str = ""
    status: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    ordered_at: datetime | None = None
    scheduled_at: datetime | None = None
    encounter: Encounter | None = None
    ordering_department: Department | None = None
    performing_department: Department | None = None
    requester_id: str = ""
    study_instance_uids: tuple[str, ...] = ()


def name_order(order: Order) -> list[str]:
    """Name an order as any database would know it."""
    return [order.accession_number, order.accession_issuer, order.placer_order_number, order.placer_issuer]


def take_order(draft: OrderDraft) -> Order:
    """Write what a message says about an order, and link it; call it in a transaction.

    A message that is older than what is known only fills what is empty, so that any order of messages
    leaves the same order behind.

    Raises
    ------
    OrderOfAnother
        The number is that of another patient's order.
    NamelessOrder
        It has no number to be known by.
    """
    order = _find(draft)
    is_new = order is None
    if order is None:
        order = Order(patient=draft.patient, status="")
    elif order.patient_id != draft.patient.pk:
        raise OrderOfAnother("the number is that of another patient's order")
    before = {} if is_new else _columns(order)
    is_older = order.changed_at is not None and draft.changed_at < order.changed_at
    _fill(order, draft) if is_older else _state(order, draft)
    order.status = order.status or "requested"
    if _columns(order) == before:
        if _link(order, draft):
            keep_order(order)
        return order
    order.save()
    _tell(order)
    _link(order, draft)
    _relate(order, draft)
    return order


def find_orders(
    patient_id: int, accession: Accession, placer_order_number: str = "", placer_issuer: str = ""
) -> list[Order]:
    """Return the orders of a patient that a report names, by accession number or by the placer's number."""
    rows = Order.objects.filter(patient=patient_id)
    found: list[Order] = []
    if accession.number:
        found = list(rows.filter(accession_number=accession.number, accession_issuer=accession.issuer))
    if not found and placer_order_number:
        found = list(rows.filter(placer_order_number=placer_order_number, placer_issuer=placer_issuer))
    return found


def _find(draft: OrderDraft) -> Order | None:
    """Return the order that is meant, locked; one that had no accession number until now is found by its placer's."""
    rows = Order.objects.select_for_update()
    number, issuer = draft.accession.number, draft.accession.issuer
    if number:
        found = rows.filter(accession_number=number, accession_issuer=issuer).first()
        if found is not None or not draft.placer_order_number:
            return found
    elif not draft.placer_order_number:
        raise NamelessOrder("an order needs an accession number, or the number of its placer or filler")
    placed = rows.filter(placer_order_number=draft.placer_order_number, placer_issuer=draft.placer_issuer)
    placed = placed.filter(accession_number="") if number else placed
    return placed.order_by("-pk").first()


def _state(order: Order, draft: OrderDraft) -> None:
    """Write what the message states; what it is silent about stays."""
    for column in TEXTS:
        if column in draft.texts:
            setattr(order, column, draft.texts[column])
    for column, value in _rows_and_moments(draft).items():
        if value is not None:
            setattr(order, column, value)
    _number(order, draft)
    order.status = draft.status or order.status
    order.changed_at = draft.changed_at
    if draft.ordered_at is not None and (order.ordered_at is None or draft.ordered_at < order.ordered_at):
        order.ordered_at = draft.ordered_at


def _fill(order: Order, draft: OrderDraft) -> None:
    """Write what an older message states and no later one has."""
    for column in TEXTS:
        if not getattr(order, column):
            setattr(order, column, draft.texts.get(column, ""))
    for column, value in _rows_and_moments(draft).items():
        if getattr(order, column) is None:
            setattr(order, column, value)
    _number(order, draft)
    if draft.ordered_at is not None and (order.ordered_at is None or draft.ordered_at < order.ordered_at):
        order.ordered_at = draft.ordered_at


def _rows_and_moments(draft: OrderDraft) -> dict[str, Any]:
    return {
        "scheduled_at": draft.scheduled_at,
        "encounter": draft.encounter,
        "ordering_department": draft.ordering_department,
        "performing_department": draft.performing_department,
    }


def _number(order: Order, draft: OrderDraft) -> None:
    """Keep numbers once they are known; an order never changes what it is found by."""
    if not order.accession_number:
        order.accession_number, order.accession_issuer = draft.accession.number, draft.accession.issuer
    if not order.placer_order_number:
        order.placer_order_number, order.placer_issuer = draft.placer_order_number, draft.placer_issuer


def _columns(order: Order) -> dict[str, Any]:
    return {each.attname: getattr(order, each.attname) for each in Order._meta.concrete_fields}


def _tell(order: Order) -> None:
    """Append the change once for each study of the order, or once for an order without."""
    studies = list(order.studies.all())
    for study in studies:
        note_orders(study)
        tell_order(order, study.study_instance_uid)
    if not studies:
        tell_order(order)


def _link(order: Order, draft: OrderDraft) -> bool:
    """Link an order; tells whether it names what it did not before."""
    accession = Accession(order.accession_number, order.accession_issuer)
    is_new = await_studies(order, draft.study_instance_uids, [accession], draft.performing_department)
    link_order(order)
    return is_new


def _relate(order: Order, draft: OrderDraft) -> None:
    """Let those who ask and those who were asked take part in the patient's care, while the order stands."""
    if order.status == CANCELLED:
        end_relation_of_order(order)
        return
    at = min(draft.changed_at, timezone.now())
    relate_from_order(order, at)
    performing = order.performing_department
    if performing is not None:
        name = order.accession_number or order.placer_order_number
        relate_from_referral(order.patient_id, performing.unit_id, name, at)
    user = User.objects.filter(hsa_id=draft.requester_id).first() if draft.requester_id else None
    if user is not None:
        for study in order.studies.all():
            note_participation(study, user, "ordered")
