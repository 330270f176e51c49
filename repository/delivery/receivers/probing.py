"""Trying a destination: whether it answers, how fast, and what certificate it shows."""

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings

from access.address import Address, ForbiddenAddress, UnknownHost, resolve
from registry.models import Destination
from repository.delivery.receivers.connect import connect
from repository.delivery.receivers.failure import FailedRequest
from repository.delivery.receivers.kinds import SCHEMES
from repository.delivery.receivers.tls import ENCRYPTED, make_context

TLS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a receiver shows of itself under TLS."""

    subject: str
    issuer: str
    valid_to: datetime
    tls_version: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found; `error` is empty when the receiver answered as it should.

    Parameters
    ----------
    latency_ms
        From the first byte to the answer, the connection included.
    certificate
        None without TLS, and where it is not trusted: then `error` says so.
    """

    error: str
    latency_ms: int
    certificate: Certificate | None

    @property
    def answers(self) -> bool:
        """Tell whether the receiver answered as it should."""
        return not self.error


def ask(destination: Destination) -> str:
    """Ask a destination whether it answers, as its kind is asked, and return what is wrong; nothing is sent."""
    try:
        receiver = connect(destination)
        try:
            receiver.probe()
        finally:
            receiver.close()
    except FailedRequest as failed:
        return failed.failure.text
    return ""


def probe(destination: Destination) -> ProbeResult:
    """Ask a destination whether it answers, and look at what it shows of itself."""
    began = time.monotonic()
    error = ask(destination)
    latency_ms = round((time.monotonic() - began) * 1000)
    return ProbeResult(error, latency_ms, _read_certificate(destination))


def _read_certificate(destination: Destination) -> Certificate | None:
    scheme = urlsplit(destination.url).scheme
    if scheme not in ENCRYPTED:
        return None
    with contextlib.suppress(OSError, ValueError, ForbiddenAddress, UnknownHost):
        address = resolve(
            destination.url,
            allow_private=settings.ALLOW_PRIVATE_DESTINATIONS,
            setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS",
            ports={scheme: SCHEMES[scheme].port or 443},
        )
        return _shake_hands(address, make_context(destination))
    return None


def _shake_hands(address: Address, context: ssl.SSLContext | None) -> Certificate | None:
    if context is None:
        return None
    with (
        socket.create_connection((address.ip, address.port), TLS_TIMEOUT_S) as raw,
        context.wrap_socket(raw, server_hostname=address.host) as secured,
    ):
        shown = secured.getpeercert() or {}
        ends_at = ssl.cert_time_to_seconds(str(shown["notAfter"]))
        return Certificate(
            _name_of(shown.get("subject", ())),
            _name_of(shown.get("issuer", ())),
            datetime.fromtimestamp(ends_at, UTC),
            secured.version() or "",
        )


def _name_of(parts: object) -> str:
    pairs = [pair for part in parts for pair in part] if isinstance(parts, tuple) else []
    return ", ".join(f"{name}={value}" for name, value in pairs)
