"""What is over goes; what still refuses somebody stays."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.utils import timezone

from access.expiry import remove_expired
from access.models import RevokedToken, TokenIssuer

pytestmark = pytest.mark.django_db


def test_only_what_is_over_is_removed():
    now = timezone.now()
    issuer = TokenIssuer.objects.create(name="x", issuer="https://x", audience="y")
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(minutes=-5))):
        Session.objects.create(session_key=name, session_data="", expire_date=now - age)
        RevokedToken.objects.create(issuer=issuer, jti=name, expires_at=now - age)
        AccessAttempt.objects.create(username=name, ip_address="192.0.2.1", failures_since_start=5)
        AccessAttempt.objects.filter(username=name).update(attempt_time=now - age)
    remove_expired()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(RevokedToken.objects.values_list("jti", flat=True)) == ["new"]
    assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["new"]
