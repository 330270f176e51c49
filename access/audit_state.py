"""How the access log is doing: what waits for a seal or for the repository, and what somebody must look at."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from access.audit_export.ship import EVENTS
from access.audit_spool import count_spooled
from access.guards import find_missing_guards
from access.models import AuditCursor, AuditEvent, AuditSeal
from access.seals import roots
from access.seals.roots import SealsMissing

SEALED_WITHIN = timedelta(minutes=10)
SHIPPED_WITHIN = timedelta(hours=1)


def count_unsealed() -> int:
    """Return how many events wait for a seal."""
    return AuditEvent.objects.filter(id__gt=_last_sealed()).count()


def count_unshipped() -> int:
    """Return how many events wait for the audit record repository; 0 if there is none."""
    return AuditEvent.objects.filter(id__gt=_last_shipped()).count() if settings.SYSLOG_HOST else 0


def find_log_troubles(now: datetime | None = None) -> list[str]:
    """Return in words what needs somebody; nothing if all is well."""
    now = now or timezone.now()
    troubles = []
    spooled = count_spooled()
    if spooled:
        troubles.append(
            f"{spooled} events of emergencies wait in {settings.AUDIT_SPOOL_ROOT}: the log could not be written"
        )
    unguarded = find_missing_guards()
    if unguarded:
        troubles.append(
            f"no triggers guard {' and '.join(unguarded)}: run manage.py grant_application_role ROLE"
        )
    try:
        exported = roots.read_last()
        roots.check_not_behind(AuditSeal.objects.order_by("-number").first(), exported)
    except SealsMissing as error:
        troubles.append(f"the access log is not sealed any more: {error}")
    since = _waiting_since(_last_sealed())
    if since is not None and since < now - SEALED_WITHIN:
        troubles.append(
            f"the access log is not sealed since {since:%Y-%m-%d %H:%M} UTC:"
            " do the duties run, and with SAMSYN_AUDIT_KEY_FILE?"
        )
    since = _waiting_since(_last_shipped()) if settings.SYSLOG_HOST else None
    if since is not None and since < now - SHIPPED_WITHIN:
        troubles.append(
            f"the audit repository {settings.SYSLOG_HOST} has got nothing since {since:%Y-%m-%d %H:%M} UTC:"
            f" {count_unshipped()} events wait"
        )
    return troubles


def _last_sealed() -> int:
    return AuditSeal.objects.order_by("-number").values_list("last_event_id", flat=True).first() or 0


def _last_shipped() -> int:
    return AuditCursor.objects.filter(reader=EVENTS).values_list("event_id", flat=True).first() or 0


def _waiting_since(event_id: int) -> datetime | None:
    rows = AuditEvent.objects.filter(id__gt=event_id).order_by("id")
    return rows.values_list("recorded_at", flat=True).first()
