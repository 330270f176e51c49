"""The distribution board in words: how each destination does, what failed, and which recalls are open."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access.actor import Actor
from access.reach import departments_kept_by
from frontend.deliveries import DeliveryLine, list_deliveries
from frontend.destinations import DestinationState, describe_destination, name_kind
from frontend.people import format_date
from registry.models import Destination
from repository.delivery.operating.board import BoardLine, read_board
from repository.delivery.operating.listing import DeliveryFilter
from repository.models import Delivery, Recall, RecallReceipt

DEAD_SHOWN = 20
RECALLS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One destination; `left` is the estimated time until what is queued is gone."""

    destination: Destination
    kind: str
    state: DestinationState
    line: BoardLine
    oldest: str
    rate: str
    left: str


@dataclass(frozen=True, slots=True)
class RecallRow:
    """An open recall, the oldest first: how many receivers have acknowledged, and which have not."""

    recall: Recall
    age: str
    study: str
    acknowledged: int
    total: int
    open_receipts: tuple[tuple[RecallReceipt, str], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole screen; `version` changes with what a reader can see."""

    rows: tuple[BoardRow, ...]
    counts: dict[str, int]
    dead: tuple[DeliveryLine, ...]
    recalls: tuple[RecallRow, ...]
    version: str


def show_board(keeper: Actor) -> Board:
    """Read the board of what somebody keeps."""
    lines = read_board(keeper)
    rows = tuple(_make_row(line) for line in lines)
    counts = {
        name: sum(getattr(line, name) for line in lines)
        for name in ("queued", "moving", "held", "awaiting_basis", "dead", "delivered")
    }
    dead = list_deliveries(keeper, DeliveryFilter(states=(Delivery.DEAD,)), most=DEAD_SHOWN).lines
    recalls = list_open_recalls(keeper)
    text = repr((rows, counts, dead, recalls))
    return Board(rows, counts, dead, recalls, sha256(text.encode()).hexdigest()[:16])


def list_open_recalls(keeper: Actor) -> tuple[RecallRow, ...]:
    """List the open recalls of what went to the departments that somebody keeps, the oldest first."""
    departments = departments_kept_by(keeper)
    rows = Recall.objects.filter(closed_at=None, receipts__destination__department__in=departments)
    rows = rows.select_related("study__custodian__unit").prefetch_related("receipts__destination__department")
    return tuple(_make_recall(row) for row in rows.distinct().order_by("made_at", "pk")[:RECALLS_SHOWN])


def name_receipt(state: str) -> str:
    """Name what a receiver has done about a recall."""
    names = {
        "sending": _("the rejection note is on its way"),
        "task": _("a person there has to remove the images"),
        "acknowledged": _("acknowledged"),
        "done": _("removed by a person"),
    }
    return names.get(state, state)


def say_age(since: datetime | None, now: datetime | None = None) -> str:
    """Say how long ago something was: in minutes, hours or days; nothing where it was not."""
    if since is None:
        return ""
    return say_length((now or timezone.now()) - since)


def say_length(length: timedelta) -> str:
    """Say a length of time in minutes, hours or days."""
    minutes = max(0, int(length.total_seconds() // 60))
    if minutes < 1:
        return _("less than a minute")
    if minutes < 120:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    return ngettext("%(count)s day", "%(count)s days", hours // 24) % {"count": hours // 24}


def _make_row(line: BoardLine) -> BoardRow:
    size = filesizeformat(line.bytes_sent)
    rate = _("%(count)s, %(size)s") % {"count": line.delivered, "size": size} if line.delivered else ""
    left = "" if line.left_s is None or not line.queued else say_length(timedelta(seconds=line.left_s))
    return BoardRow(
        line.destination,
        name_kind(line.kind),
        describe_destination(line.destination),
        line,
        say_age(line.oldest_at),
        rate,
        left,
    )


def _make_recall(row: Recall) -> RecallRow:
    receipts = list(row.receipts.all())
    waiting = tuple(
        (item, name_receipt(item.state)) for item in receipts if item.state in ("sending", "task")
    )
    place = str(row.study.custodian or row.study.institution_name or _("unknown source"))
    study = f"{'/'.join(row.study.modalities_in_study)} {format_date(row.study.study_date)}, {place}"
    return RecallRow(row, say_age(row.made_at), study, len(receipts) - len(waiting), len(receipts), waiting)
