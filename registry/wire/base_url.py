"""The base of every URL in an answer.

Standard: RFC 7239
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

DICOMWEB_PATH = "/dicom-web"
"""Where DICOMweb lies: other doors lead there."""
STUDY_PAGE_PATH = "/studies/{study_instance_uid}/"
"""Where people see a study."""

_PAIR = re.compile(r'(?:^|;)\s*(\w+)=("[^"]*"|[^\s;,"]*)')
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+/?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def origin_of(request: HttpRequest) -> str:
    """Return `scheme://host[:port][/prefix]` without a slash at the end.

    PUBLIC_BASE_URL where it is set; else what a trusted proxy says of the request; else the host of the
    request. Django has checked each host against ALLOWED_HOSTS: never an arbitrary Host header.
    """
    if settings.PUBLIC_BASE_URL:
        return str(settings.PUBLIC_BASE_URL)
    if settings.TRUSTED_PROXIES and _is_trusted(request.META.get("REMOTE_ADDR", "")):
        return _read_forwarded(request)
    return f"{request.scheme}://{_complete_host(request)}"


def _complete_host(request: HttpRequest) -> str:
    """Return the host of the request; on the machine itself with the port that some clients forget.

    dicomweb-client (Python, 0.60) sends a Host header without the port. From elsewhere a missing port may as well
    be that of a proxy, so there it stays missing.
    """
    host = request.get_host()
    port = request.META.get("SERVER_PORT", "")
    if host in _LOOPBACK and port not in ("", "80", "443") and request.META.get("REMOTE_ADDR") in _LOOPBACK:
        return f"{host}:{port}"
    return host


def prefix_of(request: HttpRequest) -> str:
    """Return the path below which the whole server lies, usually none."""
    return urlsplit(origin_of(request)).path


def _read_forwarded(request: HttpRequest) -> str:
    """Read what a trusted proxy says; what it does not say, or what is not allowed, is as in the request."""
    headers = request.headers
    pairs = dict(_PAIR.findall(headers.get("Forwarded", "").partition(",")[0].lower()))
    scheme = pairs.get("proto", headers.get("X-Forwarded-Proto", "").partition(",")[0]).strip('" ').lower()
    host = pairs.get("host", headers.get("X-Forwarded-Host", "").partition(",")[0]).strip('" ').lower()
    prefix = headers.get("X-Forwarded-Prefix", "").strip()
    if scheme not in ("http", "https"):
        scheme = request.scheme or "http"
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        host = request.get_host()
    return f"{scheme}://{host}{prefix.rstrip('/') if _PREFIX.fullmatch(prefix) else ''}"


def _is_trusted(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _read_networks(tuple(settings.TRUSTED_PROXIES)))


@lru_cache(maxsize=8)
def _read_networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(proxy) for proxy in proxies)
