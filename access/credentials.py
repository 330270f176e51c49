"""What a request shows of who asks: its address and its client certificate, as the proxy in front vouches for them."""

import base64
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.http import HttpRequest

CERTIFICATE_HEADER = "HTTP_X_CLIENT_CERTIFICATE"
VERIFIED_HEADER = "HTTP_X_CLIENT_VERIFY"
SECRET_HEADER = "HTTP_X_PROXY_SECRET"  # noqa: S105 (the name of the header)
MAX_CERTIFICATE_BYTES = 16 << 10


class Unauthenticated(Exception):
    """The request carries no valid credential; the message says what was wrong with it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that the proxy has verified: the SHA-256 of its DER bytes."""

    digest: bytes

    @property
    def sha256(self) -> str:
        """Hexadecimal, as it is registered."""
        return self.digest.hex()

    @property
    def x5t(self) -> str:
        """As a token names it. Standard: RFC 8705 3.1"""
        return base64.urlsafe_b64encode(self.digest).rstrip(b"=").decode("ascii")


def read_certificate(request: HttpRequest) -> Certificate | None:
    """Return the client certificate that the proxy passes on, or None if there is none.

    Raises
    ------
    Unauthenticated
        The header came without the proxy's secret, of a certificate that the proxy did not verify, or is
        no certificate.
    """
    escaped = request.META.get(CERTIFICATE_HEADER)
    if not escaped:
        return None
    if not is_from_proxy(request):
        raise Unauthenticated("a certificate header is taken from the proxy only")
    if request.META.get(VERIFIED_HEADER) != "SUCCESS":
        raise Unauthenticated("the proxy has not verified the client certificate")
    return _parse_certificate(escaped)


def is_from_proxy(request: HttpRequest) -> bool:
    """Tell whether the request carries the secret that only the proxy in front knows."""
    secret, sent = settings.PROXY_SECRET, request.META.get(SECRET_HEADER, "")
    return bool(secret) and hmac.compare_digest(secret.encode(), sent.encode("utf-8", "surrogateescape"))


def digest_of(pem: bytes) -> bytes:
    """Return the SHA-256 of the DER bytes of a certificate in PEM.

    Raises
    ------
    ValueError
        It is no certificate.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def client_address(request: HttpRequest) -> str:
    """Return the address of the client: what the nearest trusted proxies say, else of the connection.

    Of X-Forwarded-For only the end is believed: what the client wrote itself stands before it.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES and not settings.PROXY_SECRET:
        return address
    if not _is_trusted(address) and not is_from_proxy(request):
        return address
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        found = _read_ip(hop)
        if not found:
            break
        address = found
        if not _is_trusted(address):
            break
    return address


@lru_cache(maxsize=256)
def _parse_certificate(escaped: str) -> Certificate:
    if len(escaped) > MAX_CERTIFICATE_BYTES:
        raise Unauthenticated("the client certificate is larger than any certificate")
    try:
        return Certificate(digest_of(unquote(escaped).encode("ascii")))
    except ValueError as error:
        raise Unauthenticated("the client certificate header holds no certificate") from error


def _read_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""


def _is_trusted(address: str) -> bool:
    return _is_in(address, tuple(settings.TRUSTED_PROXIES))


@lru_cache(maxsize=4096)
def _is_in(address: str, proxies: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(proxy) for proxy in proxies)
