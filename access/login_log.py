"""Logins, failed logins and logouts in the access log."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from access import audit
from access.actor import Actor, Scope
from access.credentials import client_address
from access.models import User

DOOR = "login"


def record_login(request: HttpRequest, user: User) -> None:
    """Record that a person has come in, and by which means."""
    methods = [str(record["method"]) for record in get_authentication_records(request, user)]
    audit.record(_person(user, request), "login", door=DOOR, detail={"methods": methods})


def record_logout(request: HttpRequest) -> None:
    """Record that a person leaves, if there is one."""
    if isinstance(request.user, User):
        audit.record(_person(request.user, request), "logout", door=DOOR)


def record_failure(request: HttpRequest, user: User | None, method: str) -> None:
    """Record a login that failed; of accounts that do not exist not even the name: it may be a password."""
    audit.record(
        _person(user, request), "login_failed", outcome="refused", door=DOOR, detail={"method": method}
    )


def record_failed_second_factor(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Record a second factor that was wrong; called by a signal, as there is no other hook for it."""
    record_failure(request, user, "mfa")


def _person(user: User | None, request: HttpRequest) -> Actor:
    return Actor(
        kind="person",
        subject=user.username if user else "",
        scope=Scope(),
        permissions=frozenset(),
        subject_id=user.pk if user else None,
        address=client_address(request),
    )
