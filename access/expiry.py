"""What is over and only takes room: sessions, revocations of tokens that no longer live, failed logins."""

from datetime import timedelta
from importlib import import_module

from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.conf import settings
from django.utils import timezone

from access.models import RevokedToken

KEPT_AFTER = timedelta(days=1)


def remove_expired() -> None:
    """Remove it; what the access log knows of logins stays there."""
    earlier = timezone.now() - KEPT_AFTER
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    UserSession.objects.filter(
        created_at__lt=earlier - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    ).delete()
    RevokedToken.objects.filter(expires_at__lt=earlier).delete()
    AccessAttempt.objects.filter(attempt_time__lt=earlier).delete()
