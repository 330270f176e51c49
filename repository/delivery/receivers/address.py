"""Where a destination may point: a real receiver, never our own inside by accident."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from access import address
from access.address import WEB_PORTS, Address, ForbiddenAddress, UnknownHost

__all__ = [
    "Address",
    "ForbiddenAddress",
    "UnknownHost",
    "resolve_address",
    "resolve_dicom_address",
    "resolve_mllp_address",
    "resolve_notification_address",
]

DICOM_PORTS = {"dicom": 104, "dicoms": 2762}
MLLP_PORTS = {"mllp": 2575, "mllps": 2575}
NOTIFIED = "fhir+"
"""What stands before the address of a receiver of notifications."""


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
    if parts.hostname and (parts.query or parts.fragment):
        raise ForbiddenAddress("the address must be a plain path ending in /studies")
    found = _resolve(url)
    return Address(found.scheme, found.host, found.ip, found.port, found.path.rstrip("/"))


def resolve_dicom_address(url: str) -> Address:
    """Check the address of a system that speaks DIMSE, `dicom://host:port` or with TLS `dicoms://host:port`.

    Raises
    ------
    ForbiddenAddress, UnknownHost
        As `resolve_address` does.
    """
    if urlsplit(url).path.strip("/"):
        raise ForbiddenAddress("the address of a DICOM system is dicom://host:port, without a path")
    return _resolve(url, DICOM_PORTS)


def resolve_mllp_address(url: str) -> Address:
    """Check the address of a system that speaks HL7 v2, `mllp://host:port` or with TLS `mllps://host:port`.

    Raises
    ------
    ForbiddenAddress, UnknownHost
        As `resolve_address` does.
    """
    if urlsplit(url).path.strip("/"):
        raise ForbiddenAddress("the address of an HL7 v2 system is mllp://host:port, without a path")
    return _resolve(url, MLLP_PORTS)


def resolve_notification_address(url: str) -> Address:
    """Check the address of a receiver of FHIR notifications, `fhir+https://host/path` or `fhir+http://host/path`.

    Raises
    ------
    ForbiddenAddress, UnknownHost
        As `resolve_address` does.
    """
    return _resolve(url.removeprefix(NOTIFIED))


def _resolve(url: str, ports: Mapping[str, int] = WEB_PORTS) -> Address:
    return address.resolve(
        url,
        allow_private=settings.ALLOW_PRIVATE_DESTINATIONS,
        setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS",
        ports=ports,
    )
