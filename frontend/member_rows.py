"""The members of a department as the page lists them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from access.actor import Actor
from access.assignments import is_valid
from access.members import endable, list_members
from access.models import Assignment
from frontend.reports import Tone

SHOWN_AFTER_END_DAYS = 90


@dataclass(frozen=True, slots=True)
class Member:
    """One assignment: who, as what, for what and how long; `until` is empty without an end."""

    pk: int
    name: str
    identity: str
    role: str
    purpose: str
    since: datetime
    until: str
    state: str
    tone: Tone
    is_own: bool
    has_ended: bool
    may_end: bool


def read_members(actor: Actor, *, is_staff: bool) -> tuple[list[Member], list[Member]]:
    """Return who works or will work in the actor's department, and whose assignment ended lately."""
    now = timezone.now()
    rows = list_members(actor, now - timedelta(days=SHOWN_AFTER_END_DAYS))
    mine = endable(actor, rows, is_staff=is_staff)
    members = [_describe(row, actor, now, may_end=row.pk in mine) for row in rows]
    return [row for row in members if not row.has_ended], [row for row in members if row.has_ended]


def name_purpose(purpose: str) -> str:
    """Say a purpose in words."""
    return {"care": _("care and treatment"), "administration": _("administration")}.get(purpose, purpose)


def _describe(row: Assignment, actor: Actor, now: datetime, *, may_end: bool) -> Member:
    has_ended = row.valid_to is not None and row.valid_to <= now
    state, tone = _state(row, now, has_ended=has_ended)
    return Member(
        pk=row.pk,
        name=row.user.get_full_name() or row.user.username,
        identity=row.user.hsa_id or row.user.username,
        role=row.role,
        purpose=name_purpose(row.purpose),
        since=row.valid_from,
        until=describe_end(row.valid_to),
        state=state,
        tone=tone,
        is_own=row.pk == actor.assignment_id,
        has_ended=has_ended,
        may_end=may_end,
    )


def describe_end(valid_to: datetime | None) -> str:
    """Say until when, inclusive: the last day, or the minute when it ends within a day."""
    if valid_to is None:
        return ""
    ends = timezone.localtime(valid_to)
    if (ends.hour, ends.minute, ends.second) == (0, 0, 0):
        return f"{ends - timedelta(days=1):%Y-%m-%d}"
    return f"{ends:%Y-%m-%d %H:%M}"


def _state(row: Assignment, now: datetime, *, has_ended: bool) -> tuple[str, Tone]:
    if has_ended:
        return _("Ended"), "quiet"
    if not row.user.is_active:
        return _("Account closed"), "bad"
    if row.valid_from > now:
        return _("Not begun"), "warn"
    return (_("Valid"), "ok") if is_valid(row, now) else (_("Not valid"), "bad")
