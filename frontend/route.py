"""Where a study came from and where it goes, with the plain reason of every delivery."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from frontend.reports import Tone
from registry.models import Study
from repository.delivery.operating.reasons import explain
from repository.delivery.operating.receipts import Receipt, read_receipts
from repository.delivery.operating.said import is_from_receiver, translate_error
from repository.models import Delivery

_TONES: tuple[Tone, ...] = ("ok", "quiet", "warn", "bad")
"""The worst of several is said of all."""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery in words; `done` and `total` count instances (0 of 0 when not yet known).

    `kind` is empty for the study itself; `answer` is what the receiver said, as it said it.
    """

    destination: str
    kind: str
    state: str
    tone: Tone
    reason: str
    answer: str
    delivered_at: datetime | None
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A department on the way of a study: what went there, and when somebody there first opened it."""

    department: str
    state: str
    tone: Tone
    deliveries: tuple[DeliveryView, ...]
    opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one study. `version` changes whenever something a reader can see has changed."""

    source: str
    received: str
    stops: tuple[Stop, ...]
    version: str


def read_route(study: Study) -> Route:
    """Read the route of a study that was permitted; the newest of each kind for every destination."""
    stops = tuple(_make_stop(receipt) for receipt in read_receipts(study))
    text = repr((study.last_instance_at, stops))
    return Route(
        source=str(study.custodian or study.institution_name or _("unknown source")),
        received=_span(study.first_instance_at, study.last_instance_at),
        stops=stops,
        version=sha256(text.encode()).hexdigest()[:16],
    )


def _make_stop(receipt: Receipt) -> Stop:
    views = tuple(_view(row) for row in receipt.deliveries)
    worst = max(views, key=lambda view: _TONES.index(view.tone), default=None)
    return Stop(
        department=str(receipt.department),
        state=worst.state if worst else _("Opened"),
        tone=worst.tone if worst else "quiet",
        deliveries=views,
        opened_at=receipt.first_opened_at,
    )


def _span(first: datetime, last: datetime) -> str:
    """Write a span of time without saying anything twice."""
    begins, ends = f"{localtime(first):%Y-%m-%d %H:%M}", f"{localtime(last):%Y-%m-%d %H:%M}"
    if begins == ends:
        return begins
    return f"{begins} – {ends[11:] if begins[:10] == ends[:10] else ends}"


def _view(row: Delivery) -> DeliveryView:
    state, tone = describe_state(row)
    return DeliveryView(
        destination=row.destination.name,
        kind="" if row.kind == "study" else name_kind_of_delivery(row.kind),
        state=state,
        tone=tone,
        reason=explain(row),
        answer=say_answer(row),
        delivered_at=row.delivered_at,
        done=getattr(row, "arrived", 0),
        total=getattr(row, "total", 0),
    )


def say_answer(row: Delivery) -> str:
    """Return what was written down beside the reason; what a receiver says in its own words says so."""
    words = translate_error(row.reason)
    return f"{_('The receiver says:')} {words}" if is_from_receiver(row) else words


def name_kind_of_delivery(kind: str) -> str:
    """Name what a delivery brings."""
    names = {
        "study": _("Study"),
        "prior": _("Earlier study"),
        "report": _("Report"),
        "request": _("Request"),
        "recall": _("Recall"),
        "correction": _("Corrected identity"),
    }
    return names.get(kind, kind)


def describe_state(row: Delivery) -> tuple[str, Tone]:
    """Say in a word or two where a delivery stands."""
    if row.state == Delivery.READY and row.attempts:
        return _("Will be tried again"), "warn"
    states: dict[str, tuple[str, Tone]] = {
        Delivery.READY: (_("Queued"), "quiet"),
        Delivery.LEASED: (_("Starting"), "warn"),
        Delivery.SENDING: (_("Sending"), "warn"),
        Delivery.VERIFYING: (_("Verifying"), "warn"),
        Delivery.DELIVERED: (_("Delivered"), "ok"),
        Delivery.AWAITING_BASIS: (_("Awaits a basis"), "warn"),
        Delivery.WAITING_WINDOW: (_("Waits for its hours"), "quiet"),
        Delivery.HELD: (_("Held"), "warn"),
        Delivery.DEAD: (_("Failed"), "bad"),
        Delivery.WITHDRAWN: (_("Withdrawn"), "quiet"),
        Delivery.SUPERSEDED: (_("Replaced"), "quiet"),
    }
    return states.get(row.state, (row.state, "quiet"))
