"""Where a study came from and where it goes, with the plain reason of every delivery."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.utils.translation import gettext as _

from frontend.reports import Tone
from registry.models import Study
from repository.models import Delivery, DeliveryItem

_MOVING = ("ready", "leased", "sending")


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery in words; `done` and `total` count instances (0 of 0 when not yet known)."""

    department: str
    destination: str
    state: str
    tone: Tone
    reason: str
    attempts: int
    delivered_at: datetime | None
    next_try_at: datetime | None
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one study. `version` changes whenever something a reader can see has changed."""

    source: str
    first_instance_at: datetime
    last_instance_at: datetime
    deliveries: tuple[DeliveryView, ...]
    is_moving: bool
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
        first_instance_at=study.first_instance_at,
        last_instance_at=study.last_instance_at,
        deliveries=views,
        is_moving=any(row.state in _MOVING for row in newest.values()),
        version=sha256(text.encode()).hexdigest()[:16],
    )


def _view(row: Delivery) -> DeliveryView:
    state, tone = _describe(row)
    items = DeliveryItem.objects.filter(delivery=row)
    total = items.count()
    return DeliveryView(
        department=str(row.destination.department),
        destination=row.destination.name,
        state=state,
        tone=tone,
        reason=row.reason,
        attempts=row.attempts,
        delivered_at=row.delivered_at,
        next_try_at=row.not_before if row.state == "ready" and row.attempts else None,
        done=items.filter(state="delivered").count() if total else 0,
        total=total,
    )


def _describe(row: Delivery) -> tuple[str, Tone]:
    if row.state == "ready" and row.attempts:
        return _("Will be tried again"), "warn"
    states: dict[str, tuple[str, Tone]] = {
        "ready": (_("Queued"), "quiet"),
        "leased": (_("Starting"), "warn"),
        "sending": (_("Sending"), "warn"),
        "delivered": (_("Delivered"), "ok"),
        "dead": (_("Failed"), "bad"),
        "withdrawn": (_("Withdrawn"), "quiet"),
    }
    return states.get(row.state, (row.state, "quiet"))
