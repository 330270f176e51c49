"""Where a destination may point: a real receiver, never our own inside by accident."""

from urllib.parse import urlsplit

from django.conf import settings

from access import address
from access.address import Address, ForbiddenAddress, UnknownHost

__all__ = ["Address", "ForbiddenAddress", "UnknownHost", "resolve_address"]


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
    found = address.resolve(
        url, allow_private=settings.ALLOW_PRIVATE_DESTINATIONS, setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS"
    )
    return Address(found.scheme, found.host, found.ip, found.port, found.path.rstrip("/"))
