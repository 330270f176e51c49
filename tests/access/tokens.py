"""Signed tokens as an authorisation server makes them, by another library than the one that verifies them here."""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE, CLIENT = "https://auth.region.example", "https://samsyn.example", "pacs-lund"


def make_rsa_key() -> rsa.RSAPrivateKey:
    """Make a key as issuers have them."""
    return rsa.generate_private_key(65537, 2048)


@dataclass(slots=True)
class Signer:
    """An issuer's signing key and its name."""

    kid: str = "one"
    key: Any = field(default_factory=make_rsa_key)
    algorithm: str = "RS256"

    def public_jwk(self) -> dict[str, Any]:
        """The key as the issuer publishes it."""
        algorithm = jwt.algorithms.get_default_algorithms()[self.algorithm]
        jwk = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {key: value for key, value in jwk.items() if key != "key_ops"} | {
            "kid": self.kid,
            "use": "sig",
        }

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Make a token; a key name of None is left out."""
        headers = {"typ": "at+jwt", "kid": self.kid} | header
        if headers["kid"] is None:
            del headers["kid"]
        return jwt.encode(claims, self.key, self.algorithm, headers=headers)


def make_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good token of a client for itself; what is changed to None is left out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": CLIENT,
        "client_id": CLIENT,
        "iat": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
        "scope": "read store openid",
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def encode_unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Put a token together by hand, as an attacker does."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def make_certificate(name: str) -> bytes:
    """Make a self-signed client certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def sha256_of(pem: bytes) -> bytes:
    """The thumbprint of a certificate, from its base64 text alone."""
    lines = [line for line in pem.decode().splitlines() if "-----" not in line]
    return hashlib.sha256(base64.b64decode("".join(lines))).digest()


def proxy_headers(pem: bytes, secret: str = "proxy secret") -> dict[str, str]:
    """What the proxy adds to a request that came with a client certificate."""
    return {
        "X-Client-Certificate": quote(pem.decode()),
        "X-Client-Verify": "SUCCESS",
        "X-Proxy-Secret": secret,
    }
