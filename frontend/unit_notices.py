"""What the head of a unit was told and nobody has seen yet."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from access.actor import Actor
from registry.models import Notice
from registry.notices import EMERGENCY_LIFT, EMERGENCY_OPENING, URGENT_LATE, list_notices

SHOWN = 20
_PLACES = {"delivery": "deliveries"}
"""By kind of the row that a notice is about, the page where it is looked at."""


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One notice: what happened and when, and where it is looked at. It names no patient."""

    pk: int
    words: str
    created_at: datetime
    address: str


def list_unit_notices(actor: Actor) -> tuple[NoticeLine, ...]:
    """List the unseen notices of the actor's unit that are for such as the actor, newest first."""
    return tuple(_make_line(row) for row in list_notices(actor, unseen_only=True, limit=SHOWN))


def _make_line(row: Notice) -> NoticeLine:
    words = {
        EMERGENCY_OPENING: _("An emergency opening was made at the unit and waits for review."),
        EMERGENCY_LIFT: _("A block was lifted in an emergency."),
        URGENT_LATE: _("An urgent delivery has not arrived within an hour."),
    }
    kind, _separator, key = row.subject_row.partition(":")
    is_opening = kind == "opening" and key.isdecimal()
    address = (
        reverse("review_opening", args=[int(key)]) if is_opening else reverse(_PLACES.get(kind, "review"))
    )
    return NoticeLine(row.pk, words.get(row.kind, row.kind), row.created_at, address)
