"""Writing a delivery that was planned: its row, its instances, and what it lets go or leaves to wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max

from access.database import database_now
from registry.models import Destination, SendRequest, Study
from registry.shares import share_by_delivery
from registry.visibility import instances_of
from registry.wishes.priorities import rank_priority
from repository.delivery.decide import find_obstacle
from repository.delivery.receivers.kinds import TELLING, kind_of
from repository.models import Delivery, DeliveryItem

DEADLINES = {
    "urgent": timedelta(hours=1),
    "normal": timedelta(hours=24),
    "prior": timedelta(hours=24),
    "bulk": timedelta(days=7),
}
UNBEGUN = (Delivery.READY, Delivery.WAITING_WINDOW, Delivery.AWAITING_BASIS, Delivery.HELD)
MOVING = (Delivery.LEASED, Delivery.SENDING, Delivery.VERIFYING)


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to go where; without `deadline_at` the deadline is that of the priority."""

    study: Study
    destination: Destination
    kind: str
    generation: int
    priority: str
    subject: str = ""
    subscription_ids: tuple[int, ...] = ()
    send_request: SendRequest | None = None
    because: Mapping[str, str | int] = field(default_factory=dict)
    deadline_at: datetime | None = None


def write_delivery(planned: Planned, sop_instance_uids: Sequence[str]) -> bool:
    """Write a delivery unless it is there already; in a transaction. Returns whether it may go now."""
    now = database_now()
    is_recall = planned.kind == "recall"  # it goes to whoever has what must not be there
    obstacle = "" if is_recall else find_obstacle(planned.study, planned.destination)
    delivery, is_new = Delivery.objects.get_or_create(
        study=planned.study,
        destination=planned.destination,
        kind=planned.kind,
        subject=planned.subject,
        generation=planned.generation,
        defaults={
            "priority": planned.priority,
            "priority_rank": rank_priority(planned.priority),
            "state": Delivery.AWAITING_BASIS if obstacle else Delivery.READY,
            "reason_code": obstacle or "queued",
            "subscription_ids": list(planned.subscription_ids),
            "turn_of": planned.subscription_ids[0] if planned.subscription_ids else None,
            "send_request": planned.send_request,
            "because": dict(planned.because),
            "planned_at": now,
            "not_before": now,
            "deadline_at": planned.deadline_at or now + DEADLINES[planned.priority],
        },
    )
    if not is_new:
        return False
    DeliveryItem.objects.bulk_create(
        [DeliveryItem(delivery=delivery, sop_instance_uid=uid) for uid in sop_instance_uids], batch_size=500
    )
    if not obstacle and not is_recall:
        share_by_delivery(planned.study, planned.destination.department)
    return not obstacle


def next_generation(study: Study, destination: Destination, kind: str, subject: str = "") -> int:
    """Return the number of a further delivery of one kind and subject to a destination."""
    rows = Delivery.objects.filter(study=study, destination=destination, kind=kind, subject=subject)
    return int(rows.aggregate(last=Max("generation"))["last"] or 0) + 1


def find_missing(study: Study, destination: Destination, *, also_unbegun: bool = False) -> list[str]:
    """Return the instances that neither arrived there nor are on their way; nor planned, if that counts as well.

    A destination that is told in messages takes none.
    """
    if kind_of(destination.url) in TELLING:
        return []
    items = DeliveryItem.objects.filter(delivery__study=study, delivery__destination=destination)
    there = set(items.filter(state=DeliveryItem.DELIVERED).values_list("sop_instance_uid", flat=True))
    states = (*MOVING, *UNBEGUN) if also_unbegun else MOVING
    coming = items.filter(delivery__state__in=states, state=DeliveryItem.WAITING)
    there.update(coming.values_list("sop_instance_uid", flat=True))
    uids = instances_of(study).order_by("series_id", "instance_number", "pk")
    return [uid for uid in uids.values_list("sop_instance_uid", flat=True) if uid not in there]
