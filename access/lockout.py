"""Who fails to log in too often waits: counted by user name and address together, and by address alone far higher.

Never by user name alone: then anybody could lock out a doctor by failing in their name.
"""

from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone


def is_address_locked(address: str) -> bool:
    """Tell whether an address alone has failed so often that nobody is let in from it for a while."""
    since = timezone.now() - timedelta(minutes=settings.LOCKOUT_MINUTES)
    rows = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since)
    failures = rows.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
    return bool(failures >= settings.LOCKOUT_FAILURES_OF_ADDRESS)


def answer_locked_out(request: HttpRequest) -> None:
    """Let the middleware of axes answer with the page for those who are locked out."""
    request.axes_locked_out = True  # type: ignore[attr-defined]


def read_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """Return the name that a login is for, as accounts are compared: without case."""
    name = (credentials or {}).get("username") or (request.POST.get("login") if request else "") or ""
    return str(name).strip().lower()[:255]
