"""A request becomes an Actor: bearer token first, then the session. One function for every door.

A bearer token is the identity when present; a wrong one is refused even beside a good session.
"""

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import ApiClient, Assignment, ClientToken, Department, User
from access.prepared import Prepared, Slot, prepare

SESSION_ASSIGNMENT = "assignment"
TOKEN_BYTES = 32
SCOPES = ("store", "read", "delete")


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh token: the text is shown once and never kept."""

    text: str
    row: ClientToken


class Unauthenticated(Exception):
    """The request carries no valid credential; the message says what was wrong with it."""


def issue_token(client: ApiClient, scopes: tuple[str, ...] = SCOPES) -> IssuedToken:
    """Make a bearer token for a client; only its SHA-256 is stored."""
    text = "samsyn_" + secrets.token_urlsafe(TOKEN_BYTES)
    row = ClientToken.objects.create(client=client, digest=_digest(text), scopes=" ".join(scopes))
    return IssuedToken(text, row)


def authenticate(request: HttpRequest) -> Actor:
    """Return who asks.

    Raises
    ------
    Unauthenticated
        No credential, or one that is unknown, expired or revoked, or a person without a valid assignment.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        return _authenticate_bearer(header, _address(request))
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        raise Unauthenticated("no credential: send a bearer token or log in")
    assignment = active_assignment(request, user)
    if assignment is None:
        raise Unauthenticated("no valid assignment: choose one after login, or ask your administrator")
    return person_actor(user, assignment, _address(request))


def active_assignment(request: HttpRequest, user: User) -> Assignment | None:
    """Return the session's one active assignment; a person's only assignment is active by itself."""
    rows = valid_assignments(user)
    chosen = request.session.get(SESSION_ASSIGNMENT)
    if chosen is None and len(rows) == 1:
        return rows[0]
    return next((row for row in rows if row.pk == chosen), None)


def valid_assignments(user: User) -> list[Assignment]:
    """Return the person's assignments that are valid now, oldest first."""
    now = timezone.now()
    rows = (
        Assignment.objects.filter(user=user, valid_from__lte=now)
        .select_related("department__unit", "group")
        .order_by("valid_from", "pk")
    )
    return [row for row in rows if row.valid_to is None or row.valid_to > now]


def person_actor(user: User, assignment: Assignment, address: str = "") -> Actor:
    """Make the Actor of a person under an assignment."""
    department = assignment.department
    codenames = assignment.group.permissions.values_list("codename", flat=True)
    return Actor(
        kind="person",
        subject=user.username,
        subject_id=user.pk,
        scope=_department_scope(department),
        permissions=frozenset({"read", *codenames}),
        assignment_id=assignment.pk,
        department_hsa_id=department.hsa_id,
        address=address,
    )


def client_actor(client: ApiClient, scopes: frozenset[str], address: str = "") -> Actor:
    """Make the Actor of a system."""
    department = client.department
    scope = (
        Scope(region_wide=True) if client.region_wide or department is None else _department_scope(department)
    )
    return Actor(
        kind="system",
        subject=client.name,
        subject_id=client.pk,
        scope=scope,
        permissions=scopes,
        department_hsa_id=department.hsa_id if department else "",
        address=address,
    )


def _authenticate_bearer(header: str, address: str) -> Actor:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("the Authorization header must be: Bearer TOKEN")
    found = _valid_token().fetch(digest=_digest(text.strip()), now=timezone.now())
    if not found:
        raise Unauthenticated("the bearer token is unknown, expired or revoked")
    scopes, client_id, name, region_wide, department_id, hsa_id, unit_id, provider_id = found[0]
    is_bound = department_id is not None and not region_wide
    return Actor(
        kind="system",
        subject=name,
        subject_id=client_id,
        scope=Scope(department_id, unit_id, provider_id) if is_bound else Scope(region_wide=True),
        permissions=frozenset(scopes.split()),
        department_hsa_id=hsa_id or "",
        address=address,
    )


@cache
def _valid_token() -> Prepared:
    """Select the actor behind a token in one query: it is asked by every request of every system."""
    in_time = Q(expires_at__isnull=True) | Q(expires_at__gt=Slot("now"))
    rows = ClientToken.objects.filter(
        in_time, digest=Slot("digest"), revoked_at__isnull=True, client__active=True
    )
    return prepare(
        rows.values_list(
            "scopes",
            "client_id",
            "client__name",
            "client__region_wide",
            "client__department_id",
            "client__department__hsa_id",
            "client__department__unit_id",
            "client__department__unit__provider_id",
        )
    )


def _department_scope(department: Department) -> Scope:
    return Scope(department.pk, department.unit_id, department.unit.provider_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
