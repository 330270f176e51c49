"""Where our own requests may go: never our own inside by accident, because somebody wrote an address down.

The name is resolved once and the connection goes to the address that was checked, so that a name
server cannot answer one thing to the check and another to the connection.
"""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

WEB_PORTS = {"https": 443, "http": 80}


class ForbiddenAddress(ValueError):
    """The URL is not one that may be asked; the message says what to change."""


class UnknownHost(OSError):
    """The host name cannot be resolved now."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked peer: `ip` to connect to, `host` for the Host header and the certificate."""

    scheme: str
    host: str
    ip: str
    port: int
    path: str
    query: str = ""

    @property
    def host_header(self) -> str:
        """Host as HTTP writes it, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == WEB_PORTS.get(self.scheme) else f"{host}:{self.port}"


def resolve(url: str, *, allow_private: bool, setting: str, ports: Mapping[str, int] = WEB_PORTS) -> Address:
    """Check a URL and resolve its host.

    Parameters
    ----------
    allow_private, setting
        Whether loopback and private networks may be asked, and the setting that says so.
    ports
        The schemes that are taken, with their usual ports.

    Raises
    ------
    ForbiddenAddress
        Another scheme, credentials in it, no host, or a host in a range that is not allowed.
    UnknownHost
        The name server does not know the host, or does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in ports:
        raise ForbiddenAddress(f"the address must begin with {' or '.join(f'{s}://' for s in ports)}")
    if parts.username or parts.password:
        raise ForbiddenAddress("the address must not hold a user or password: use the token")
    if not parts.hostname:
        raise ForbiddenAddress("the address names no host")
    try:
        port = parts.port or ports[parts.scheme]
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except ValueError as error:
        raise ForbiddenAddress("the port is not a number below 65536") from error
    except OSError as error:
        raise UnknownHost(f"{parts.hostname}: {error.strerror or error}") from error
    ips = [str(entry[4][0]) for entry in found]
    for ip in ips:
        _check_ip(ip, parts.hostname, "" if allow_private else setting)
    return Address(parts.scheme, parts.hostname, ips[0], port, parts.path, parts.query)


def _check_ip(text: str, host: str, setting_for_private: str) -> None:
    ip = ipaddress.ip_address(text.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_private):
        raise ForbiddenAddress(f"{host} is at {ip}, which is no receiver's address")
    if not ip.is_global and setting_for_private:
        raise ForbiddenAddress(f"{host} is at the private address {ip}: {setting_for_private}=on allows it")
