"""Where a study came from and where it goes, with the plain reason of every delivery."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from frontend.reports import Tone
from registry.models import Study
from repository.delivery.reasons import explain
from repository.models import Delivery, DeliveryItem


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery in words; `done` and `total` count instances (0 of 0 when not yet known).

    `answer` is what the receiver itself said, as it said it.
    """

    department: str
    destination: str
    state: str
    tone: Tone
    reason: str
    answer: str
    delivered_at: datetime | None
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one study. `version` changes whenever something a reader can see has changed."""

    source: str
    received: str
    deliveries: tuple[DeliveryView, ...]
    version: str


def read_route(study: Study) -> Route:
    """Read the route of a study that was permitted; the newest generation for every destination."""
    rows = Delivery.objects.filter(study=study).select_related("destination__department__unit")
    newest: dict[int, Delivery] = {}
    for row in rows.order_by("generation"):
        newest[row.destination_id] = row
    views = tuple(_view(row) for row in sorted(newest.values(), key=lambda row: str(row.destination)))
    text = repr((study.last_instance_at, views))
    return Route(
        source=str(study.custodian or study.institution_name or _("unknown source")),
        received=_span(study.first_instance_at, study.last_instance_at),
        deliveries=views,
        version=sha256(text.encode()).hexdigest()[:16],
    )


def _span(first: datetime, last: datetime) -> str:
    """Write a span of time without saying anything twice."""
    begins, ends = f"{localtime(first):%Y-%m-%d %H:%M}", f"{localtime(last):%Y-%m-%d %H:%M}"
    if begins == ends:
        return begins
    return f"{begins} – {ends[11:] if begins[:10] == ends[:10] else ends}"


def _view(row: Delivery) -> DeliveryView:
    state, tone = _describe(row)
    items = DeliveryItem.objects.filter(delivery=row)
    total = items.count()
    return DeliveryView(
        department=str(row.destination.department),
        destination=row.destination.name,
        state=state,
        tone=tone,
        reason=explain(row),
        answer=row.reason,
        delivered_at=row.delivered_at,
        done=items.filter(state=DeliveryItem.DELIVERED).count() if total else 0,
        total=total,
    )


def _describe(row: Delivery) -> tuple[str, Tone]:
    if row.state == Delivery.READY and row.attempts:
        return _("Will be tried again"), "warn"
    states: dict[str, tuple[str, Tone]] = {
        Delivery.READY: (_("Queued"), "quiet"),
        Delivery.LEASED: (_("Starting"), "warn"),
        Delivery.SENDING: (_("Sending"), "warn"),
        Delivery.VERIFYING: (_("Verifying"), "warn"),
        Delivery.DELIVERED: (_("Delivered"), "ok"),
        Delivery.AWAITING_BASIS: (_("Held"), "warn"),
        Delivery.DEAD: (_("Failed"), "bad"),
        Delivery.WITHDRAWN: (_("Withdrawn"), "quiet"),
        Delivery.SUPERSEDED: (_("Replaced"), "quiet"),
    }
    return states.get(row.state, (row.state, "quiet"))
