"""Where a destination may point: a real receiver, never our own inside by accident.

The name is resolved once and the connection goes to the address that was checked, so that a name
server cannot answer one thing to the check and another to the connection.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings


class ForbiddenAddress(ValueError):
    """The URL of a destination is not one that may be sent to; the message says what to change."""


class UnknownHost(OSError):
    """The host name cannot be resolved now."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked receiver: `ip` to connect to, `host` for the Host header and the certificate."""

    scheme: str
    host: str
    ip: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """Host as HTTP writes it, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"http": 80, "https": 443}


def resolve_address(url: str) -> Address:
    """Check the URL of a destination and resolve its host.

    Raises
    ------
    ForbiddenAddress
        Not http or https, credentials in it, no host, or a host in a range that is not allowed.
    UnknownHost
        The name server does not know the host, or does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ForbiddenAddress("the address must begin with https:// or http://")
    if parts.username or parts.password:
        raise ForbiddenAddress("the address must not hold a user or password: use the token")
    if not parts.hostname:
        raise ForbiddenAddress("the address names no host")
    if parts.query or parts.fragment:
        raise ForbiddenAddress("the address must be a plain path ending in /studies")
    try:
        port = parts.port or _PORTS[parts.scheme]
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except ValueError as error:
        raise ForbiddenAddress("the port is not a number below 65536") from error
    except OSError as error:
        raise UnknownHost(f"{parts.hostname}: {error.strerror or error}") from error
    ips = [str(entry[4][0]) for entry in found]
    for ip in ips:
        _check_ip(ip, parts.hostname)
    return Address(parts.scheme, parts.hostname, ips[0], port, parts.path.rstrip("/"))


def _check_ip(text: str, host: str) -> None:
    ip = ipaddress.ip_address(text.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_private):
        raise ForbiddenAddress(f"{host} is at {ip}, which is no receiver's address")
    if not ip.is_global and not settings.ALLOW_PRIVATE_DESTINATIONS:
        raise ForbiddenAddress(
            f"{host} is at the private address {ip}: SAMSYN_ALLOW_PRIVATE_DESTINATIONS=on allows it"
        )
