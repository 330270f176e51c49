"""Notices to heads of unit and operators: a row in the transaction of what happened, in the portal; mail points to it.

A head of unit is whoever holds `review_access` in a department of the unit, an operator who holds `keep_destinations`.
"""

from datetime import datetime

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from access.models import Assignment, CareUnit, DepartmentGroupPermission
from registry.models import Notice
from registry.noted import UnknownEntry

EMERGENCY_OPENING = "emergency_opening"
EMERGENCY_LIFT = "emergency_lift"
URGENT_LATE = "urgent_late"
TOLD = {
    EMERGENCY_OPENING: "review_access",
    EMERGENCY_LIFT: "review_access",
    URGENT_LATE: "keep_destinations",
}
"""By kind, the permission of those who are told."""
MAILED_AT_ONCE = 100


def tell_head(kind: str, unit_id: int, patient_id: int, subject_row: str, now: datetime) -> Notice:
    """Leave a notice for the head of a unit; call it in the transaction of what it tells of."""
    return Notice.objects.create(
        kind=kind, unit_id=unit_id, patient_id=patient_id, subject_row=subject_row, created_at=now
    )


def list_notices(actor: Actor, *, unseen_only: bool = False, limit: int = 200) -> list[Notice]:
    """Return what the actor's unit was told for such as the actor, newest first; nothing without a right of `TOLD`."""
    kinds = _kinds_for(actor)
    if not kinds or actor.scope.unit_id is None:
        return []
    rows = Notice.objects.filter(unit=actor.scope.unit_id, kind__in=kinds).select_related("unit", "patient")
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
    rows = Notice.objects.filter(pk=notice_id, unit=actor.scope.unit_id, kind__in=_kinds_for(actor))
    if not rows.exists():
        raise UnknownEntry("no such notice")
    run_write(lambda: rows.filter(seen_at__isnull=True).update(seen_at=timezone.now(), seen_by=actor.subject))


def mail_notices() -> int:
    """Send a mail for each new notice to those who can review it; a duty. Returns how many notices were mailed.

    Does nothing unless a sender is configured. The mail says that something waits and where, and nothing of whom:
    it leaves the system. A notice without anybody to mail to stays in the portal.

    Raises
    ------
    OSError, smtplib.SMTPException
        The mail server does not take it; the notice is tried again.
    """
    if not settings.NOTICE_MAIL_FROM:
        return 0
    waiting = Notice.objects.filter(mailed_at__isnull=True).select_related("unit").order_by("pk")
    return sum(_mail(notice) for notice in waiting[:MAILED_AT_ONCE])


def _mail(notice: Notice) -> int:
    own = Notice.objects.filter(pk=notice.pk)
    if not run_write(lambda: own.filter(mailed_at__isnull=True).update(mailed_at=timezone.now())):
        return 0  # another process sends it
    try:
        to = _holders_of(TOLD.get(notice.kind, "review_access"), notice.unit)
        if to:
            text = f"{_SENTENCES[notice.kind]}\n\n{settings.PUBLIC_BASE_URL}/\n"
            send_mail(f"Samsyn: {notice.unit.name}", text, settings.NOTICE_MAIL_FROM, to)
    except Exception:
        run_write(lambda: own.update(mailed_at=None))
        raise
    return 1


_SENTENCES = {
    EMERGENCY_OPENING: "En nödöppning har gjorts vid enheten och väntar på granskning.\n"
    "An emergency opening was made at the unit and waits for review.",
    EMERGENCY_LIFT: "En spärr har hävts i en nödsituation.\nA block was lifted in an emergency.",
    URGENT_LATE: "En brådskande leverans har inte kommit fram inom en timme.\n"
    "An urgent delivery has not arrived within an hour.",
}


def _kinds_for(actor: Actor) -> list[str]:
    return [kind for kind, right in TOLD.items() if actor.may(right)]


def _holders_of(right: str, unit: CareUnit) -> list[str]:
    """Return the addresses of those who hold a permission in a department of the unit now."""
    now = timezone.now()
    rights = DepartmentGroupPermission.objects.filter(content_object__unit=unit, permission__codename=right)
    pairs = list(rights.values_list("group", "content_object"))
    found: set[str] = set()
    for group_id, department_id in pairs:
        rows = Assignment.objects.filter(
            Q(valid_to__isnull=True) | Q(valid_to__gt=now),
            group=group_id,
            department=department_id,
            valid_from__lte=now,
            user__is_active=True,
        )
        found.update(rows.exclude(user__email="").values_list("user__email", flat=True))
    return sorted(found)
