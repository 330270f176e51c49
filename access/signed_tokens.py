"""Signed bearer tokens (JWT) of a registered issuer: verified, and what they claim.

The algorithms are those of the issuer's row, never those of the token; a header names a key and nothing
else: no address, no key of its own. Symmetric algorithms and `none` are not taken whatever the row says.

Standard: RFC 9068 4, RFC 8705 3, RFC 8725, IHE IUA ITI-72
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from access.credentials import Certificate, Unauthenticated
from access.key_sets import UnknownKey, find_key
from access.models import TokenIssuer

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)
TYPES = frozenset({"at+jwt", "application/at+jwt"})
KEY_IN_HEADER = ("jku", "jwk", "x5u", "x5c")
LEEWAY_S = 30
MAX_TOKEN_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    Parameters
    ----------
    client_id, jti : str
        The client's name at the issuer; the token's own name.
    person : str
        Whom the client asks for: a HSA-id, or the subject; empty if it asks for itself.
    commission : str
        HSA-id of the commission under which the person works; may be empty.
    is_bound : bool
        The token belongs to the certificate that came with it.
    """

    issuer_id: int
    client_id: str
    jti: str
    scopes: frozenset[str]
    person: str
    commission: str
    is_bound: bool


def is_signed(token: str) -> bool:
    """Tell a signed token from an opaque one: it has three parts. Standard: RFC 7515 7.1"""
    return token.count(".") == 2


def verify(token: str, certificate: Certificate | None) -> Claims:
    """Verify a token and return its claims.

    Raises
    ------
    Unauthenticated
        Whatever is wrong with it; the message says what, without repeating a claim.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated("the token is too long")
    issuer = _find_issuer(token)
    claims = _check_signature(token, issuer)
    _check_claims(claims, issuer)
    return Claims(
        issuer_id=issuer.pk,
        client_id=_text(claims, "client_id"),
        jti=_text(claims, "jti"),
        scopes=frozenset(_text(claims, "scope").split()),
        person=_read_person(claims),
        commission=_text(claims, settings.COMMISSION_CLAIM),
        is_bound=_check_binding(claims, certificate),
    )


def _find_issuer(token: str) -> TokenIssuer:
    """Look up who claims to have issued it: nothing of the token is believed yet."""
    name = _read_part(token, 1).get("iss")
    issuer = None
    if isinstance(name, str) and name.isprintable():  # databases do not take every text
        issuer = TokenIssuer.objects.filter(issuer=name, active=True).first()
    if issuer is None:
        raise Unauthenticated("the issuer of the token is not registered here")
    return issuer


def _check_signature(token: str, issuer: TokenIssuer) -> dict[str, Any]:
    header = _read_part(token, 0)
    allowed = ALGORITHMS.intersection(issuer.algorithms.split())
    if str(header.get("alg")) not in allowed:
        raise Unauthenticated("the token is signed with an algorithm that its issuer does not use")
    if str(header.get("typ", "")).lower() not in TYPES:
        raise Unauthenticated("the token is no access token: typ must be at+jwt")
    if any(name in header for name in KEY_IN_HEADER):
        raise Unauthenticated("the token brings its own key")
    if not all(isinstance(value, str) for value in header.values()):  # crit too: nothing of it is understood
        raise Unauthenticated("the header of the token must hold text only: alg, typ and the name of a key")
    try:
        key = find_key(issuer, header.get("kid"))
        return jwt.decode(token, key, algorithms=sorted(allowed)).claims
    except UnknownKey as error:
        raise Unauthenticated("the key of the token is not known") from error
    except (JoseError, ValueError, RecursionError) as error:
        raise Unauthenticated("the signature of the token is not valid") from error


def _check_claims(claims: dict[str, Any], issuer: TokenIssuer) -> None:
    registry = JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer.issuer},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
        sub={"essential": True},
        client_id={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise Unauthenticated(
            f"the token is not valid: {error.error} {getattr(error, 'claim', '')}".strip()
        ) from error
    if not 0 <= claims["exp"] - claims["iat"] <= settings.TOKEN_MAX_LIFETIME_S:
        raise Unauthenticated(f"the token lives longer than {settings.TOKEN_MAX_LIFETIME_S:g} s")


def _check_binding(claims: dict[str, Any], certificate: Certificate | None) -> bool:
    """Hold a token that is bound to a certificate against the one that came. Standard: RFC 8705 3.1"""
    if "cnf" not in claims:
        return False
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        raise Unauthenticated("the token is bound to something other than a certificate")
    if certificate is None or confirmation["x5t#S256"] != certificate.x5t:
        raise Unauthenticated("the token is bound to another client certificate")
    return True


def _read_person(claims: dict[str, Any]) -> str:
    """Return the person a client asks for: in a client's own token the subject is the client itself."""
    if claims["sub"] == claims["client_id"]:
        return ""
    return _text(claims, settings.PERSON_CLAIM) or _text(claims, "sub")


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or not value.isprintable():
        raise Unauthenticated(f"the token is not valid: {name} must be text")
    return value


def _read_part(token: str, index: int) -> dict[str, Any]:
    part = token.split(".")[index]
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as error:
        raise Unauthenticated("the token is no JWT") from error
    if not isinstance(content, dict):
        raise Unauthenticated("the token is no JWT")
    return content
