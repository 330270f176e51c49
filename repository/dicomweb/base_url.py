"""The base URL of the DICOMweb service."""

from django.http import HttpRequest

from registry.wire.base_url import DICOMWEB_PATH, origin_of


def dicomweb_base(request: HttpRequest) -> str:
    """Return the base URL of the DICOMweb service."""
    return origin_of(request) + DICOMWEB_PATH
