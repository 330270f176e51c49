"""The address of a bucket: `s3://bucket/prefix`, with its service where that is not the installation's own.

The service is stated as `?endpoint=https://host` or by `SAMSYN_S3_ENDPOINT`, a region by `region=` or
`SAMSYN_S3_REGION`.
"""

import re
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from access.address import ForbiddenAddress, resolve
from repository.objects.bucket_place import DEFAULT_REGION, BucketPlace

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
STATED = ("endpoint", "region")


def resolve_place(url: str, *, allow_private: bool) -> BucketPlace:
    """Check the address of a bucket and resolve the host of its service.

    Raises
    ------
    ForbiddenAddress
        Not `s3://bucket/prefix`, no service named, or its host in a range that is not allowed.
    UnknownHost
        The name server does not know the host, or does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or parts.fragment or not _BUCKET.fullmatch(parts.netloc):
        raise ForbiddenAddress(
            "the address of a bucket is s3://bucket/prefix; a bucket has 3 to 63 small letters, digits, '-' and '.'"
        )
    prefix = parts.path.strip("/")
    if prefix and not all(_SEGMENT.fullmatch(segment) for segment in prefix.split("/")):
        raise ForbiddenAddress(
            "what follows the bucket holds only letters, digits, '.', '_' and '-' between slashes"
        )
    stated = _read_stated(parts.query)
    region = stated.get("region") or settings.S3_REGION or DEFAULT_REGION
    if not _REGION.fullmatch(region):
        raise ForbiddenAddress("the region holds only small letters, digits and '-'")
    endpoint = _check_endpoint(stated.get("endpoint") or settings.S3_ENDPOINT)
    address = resolve(
        endpoint,
        allow_private=allow_private,
        setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS",
    )
    return BucketPlace(address, parts.netloc, f"{prefix}/" if prefix else "", region)


def _read_stated(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, strict_parsing=True) if query else []
    except ValueError as error:
        raise ForbiddenAddress(f"what follows the question mark cannot be read: {error}") from error
    stated = dict(pairs)
    if len(stated) != len(pairs) or not stated.keys() <= set(STATED):
        raise ForbiddenAddress(f"after the question mark stand {' and '.join(STATED)}, each once")
    return stated


def _check_endpoint(endpoint: str) -> str:
    if not endpoint:
        raise ForbiddenAddress(
            "the address names no service: add ?endpoint=https://host, or set SAMSYN_S3_ENDPOINT"
        )
    parts = urlsplit(endpoint)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ForbiddenAddress("the endpoint of the service is https://host:port, without a path")
    return endpoint
