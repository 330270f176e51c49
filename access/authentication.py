"""A request becomes an Actor: bearer token, client certificate or session, in this order. One function for every door.

A bearer token is the identity when present; a wrong one is refused even beside a good session, and so is one beside
somebody else's certificate.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db.models import Exists, Q
from django.http import HttpRequest
from django.utils import timezone

from access import forgery, signed_tokens
from access.actor import Actor, Scope
from access.assignments import valid_assignments
from access.credentials import Certificate, Unauthenticated, client_address, read_certificate
from access.models import (
    ApiClient,
    Assignment,
    ClientCertificate,
    ClientToken,
    Department,
    RevokedToken,
    User,
)
from access.prepared import Prepared, Slot, prepare
from access.rights import rights_of

__all__ = ["Unauthenticated", "authenticate", "valid_assignments"]

SESSION_ASSIGNMENT = "assignment"
TOKEN_BYTES = 32
SCOPES = ("store", "read", "delete")
KNOWN_SCOPES = (*SCOPES, "consent", "review_access", "keep_subscriptions", "keep_destinations", "replay")
"""With those that a client has only when somebody gave them to it by name."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh token: the text is shown once and never kept."""

    text: str
    row: ClientToken


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
    address = client_address(request)
    certificate = read_certificate(request)
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        return _authenticate_bearer(header, certificate, address)
    forgery.refuse_forged(request)
    if certificate is not None:
        return _authenticate_certificate(certificate, address)
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        raise Unauthenticated("no credential: send a bearer token or log in")
    assignment = active_assignment(request, user)
    if assignment is None:
        raise Unauthenticated("no valid assignment: choose one after login, or ask your administrator")
    return person_actor(user, assignment, address)


def active_assignment(request: HttpRequest, user: User) -> Assignment | None:
    """Return the session's one active assignment; a person's only assignment is active by itself."""
    return pick_active(request, valid_assignments(user))


def pick_active(request: HttpRequest, rows: list[Assignment]) -> Assignment | None:
    """Return which of a person's valid assignments the session chose; never another when that one has ended."""
    chosen = request.session.get(SESSION_ASSIGNMENT)
    if chosen is None and len(rows) == 1:
        return rows[0]
    return next((row for row in rows if row.pk == chosen), None)


def person_actor(user: User, assignment: Assignment, address: str = "") -> Actor:
    """Make the Actor of a person under an assignment: with the rights of that one assignment, whatever others give."""
    department = assignment.department
    rights = rights_of(assignment)
    return Actor(
        kind="person",
        subject=user.username,
        subject_id=user.pk,
        scope=replace(_department_scope(department), process_unit_ids=rights.process_unit_ids),
        permissions=rights.permissions,
        assignment_id=assignment.pk,
        department_hsa_id=department.hsa_id,
        address=address,
        purpose=assignment.purpose,
        role=assignment.role,
        care_unit_hsa_id=department.unit.hsa_id,
        national_number=user.national_number,
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
        care_unit_hsa_id=department.unit.hsa_id if department else "",
        address=address,
    )


def _authenticate_bearer(header: str, certificate: Certificate | None, address: str) -> Actor:
    scheme, _, text = header.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("the Authorization header must be: Bearer TOKEN")
    if signed_tokens.is_signed(text):
        return _authenticate_signed(text, certificate, address)
    found = _valid_token().fetch(digest=_digest(text), now=timezone.now())
    if not found:
        raise Unauthenticated("the bearer token is unknown, expired or revoked")
    scopes, *client = found[0]
    actor = _system_actor(client, frozenset(scopes.split()), address)
    if certificate is not None:
        _hold_against(certificate, actor)
    return actor


def _authenticate_signed(text: str, certificate: Certificate | None, address: str) -> Actor:
    claims = signed_tokens.verify(text, certificate)
    found = _client_of_token().fetch(issuer=claims.issuer_id, subject=claims.client_id, jti=claims.jti)
    if not found:
        raise Unauthenticated("the client of the token is not registered here, or the token is revoked")
    may_act_for_users, *client = found[0]
    actor = _system_actor(client, claims.scopes.intersection(KNOWN_SCOPES), address)
    if certificate is not None and not claims.is_bound:
        _hold_against(certificate, actor)
    if not claims.person:
        return actor
    if not may_act_for_users:
        raise Unauthenticated("the token names a person, and its client may not act for people")
    return replace(actor, on_behalf_of=_find_person(claims.person, claims.commission, address))


def _authenticate_certificate(certificate: Certificate, address: str) -> Actor:
    found = _valid_certificate().fetch(sha256=certificate.sha256, now=timezone.now())
    if not found:
        raise Unauthenticated("the client certificate is not registered, expired or revoked")
    scopes, *client = found[0]
    return _system_actor(client, frozenset(scopes.split()), address)


def _hold_against(certificate: Certificate, actor: Actor) -> None:
    """Refuse a token beside the certificate of another system: one of the two is not where it belongs."""
    if _authenticate_certificate(certificate, actor.address).subject_id != actor.subject_id:
        raise Unauthenticated("the bearer token and the client certificate belong to different systems")


def _find_person(name: str, commission: str, address: str) -> Actor:
    """Make the actor of a person for whom a system asks, under the named commission or the only assignment."""
    users = list(User.objects.filter(hsa_id=name, is_active=True)[:2])
    if len(users) != 1:
        raise Unauthenticated("the person of the token is not known here")
    rows = [row for row in valid_assignments(users[0]) if commission in ("", row.commission_hsa_id)]
    if len(rows) != 1:
        raise Unauthenticated("the token must name a commission that is a valid assignment of the person")
    return person_actor(users[0], rows[0], address)


def _system_actor(client: Sequence[Any], scopes: frozenset[str], address: str) -> Actor:
    """Make the actor of a row with CLIENT_COLUMNS."""
    client_id, name, region_wide, department_id, hsa_id, unit_id, unit_hsa_id, provider_id = client
    is_bound = department_id is not None and not region_wide
    return Actor(
        kind="system",
        subject=name,
        subject_id=client_id,
        scope=Scope(department_id, unit_id, provider_id) if is_bound else Scope(region_wide=True),
        permissions=scopes,
        department_hsa_id=hsa_id or "",
        care_unit_hsa_id=unit_hsa_id or "",
        address=address,
    )


CLIENT_COLUMNS = (
    "pk",
    "name",
    "region_wide",
    "department_id",
    "department__hsa_id",
    "department__unit_id",
    "department__unit__hsa_id",
    "department__unit__provider_id",
)


@cache
def _valid_token() -> Prepared:
    """Select the actor behind a token in one query: it is asked by every request of every system."""
    rows = ClientToken.objects.filter(_is_valid(), digest=Slot("digest"))
    return prepare(rows.values_list("scopes", *(f"client__{column}" for column in CLIENT_COLUMNS)))


@cache
def _valid_certificate() -> Prepared:
    """Select the actor behind a client certificate."""
    rows = ClientCertificate.objects.filter(_is_valid(), sha256=Slot("sha256"))
    return prepare(rows.values_list("scopes", *(f"client__{column}" for column in CLIENT_COLUMNS)))


@cache
def _client_of_token() -> Prepared:
    """Select the client that an issuer calls by a name, unless its token is revoked."""
    revoked = RevokedToken.objects.filter(issuer=Slot("issuer"), jti=Slot("jti"))
    rows = ApiClient.objects.filter(
        ~Exists(revoked), token_issuer=Slot("issuer"), token_subject=Slot("subject"), active=True
    )
    return prepare(rows.values_list("may_act_for_users", *CLIENT_COLUMNS))


def _is_valid() -> Q:
    in_time = Q(expires_at__isnull=True) | Q(expires_at__gt=Slot("now"))
    return in_time & Q(revoked_at__isnull=True, client__active=True)


def _department_scope(department: Department) -> Scope:
    return Scope(department.pk, department.unit_id, department.unit.provider_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
