"""Notices to heads of unit: a row in the transaction of what happened, shown in the portal; mail points to it.

A head of unit is whoever holds `review_access` in a department of the unit.
"""

from datetime import datetime

from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from registry.models import Notice
from registry.noted import UnknownEntry

EMERGENCY_OPENING = "emergency_opening"
EMERGENCY_LIFT = "emergency_lift"


def tell_head(kind: str, unit_id: int, patient_id: int, subject_row: str, now: datetime) -> Notice:
    """Leave a notice for the head of a unit; call it in the transaction of what it tells of."""
    return Notice.objects.create(
        kind=kind, unit_id=unit_id, patient_id=patient_id, subject_row=subject_row, created_at=now
    )


def list_notices(actor: Actor, *, unseen_only: bool = False, limit: int = 200) -> list[Notice]:
    """Return what the head of the actor's unit was told, newest first; nothing without `review_access`."""
    if not actor.may("review_access") or actor.scope.unit_id is None:
        return []
    rows = Notice.objects.filter(unit=actor.scope.unit_id).select_related("unit", "patient")
    if unseen_only:
        rows = rows.filter(seen_at__isnull=True)
    return list(rows.order_by("-pk")[:limit])


def mark_seen(actor: Actor, notice_id: int) -> None:
    """Note that somebody of the unit has seen a notice; the first one counts.

    Raises
    ------
    UnknownEntry
        There is none, or it is not for the actor's unit.
    """
    if not actor.may("review_access"):
        raise UnknownEntry("no such notice")
    rows = Notice.objects.filter(pk=notice_id, unit=actor.scope.unit_id)
    if not rows.exists():
        raise UnknownEntry("no such notice")
    run_write(lambda: rows.filter(seen_at__isnull=True).update(seen_at=timezone.now(), seen_by=actor.subject))
