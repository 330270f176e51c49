"""The base of every URL in an answer."""

from django.conf import settings
from django.http import HttpRequest

DICOMWEB_PATH = "/dicom-web"


def origin_of(request: HttpRequest) -> str:
    """Return `scheme://host[:port][/prefix]` without a slash at the end.

    PUBLIC_BASE_URL where it is set; else the host of the request, which Django has checked against
    ALLOWED_HOSTS: never an arbitrary Host header.
    """
    return settings.PUBLIC_BASE_URL or f"{request.scheme}://{request.get_host()}"


def dicomweb_base(request: HttpRequest) -> str:
    """Return the base URL of the DICOMweb service."""
    return origin_of(request) + DICOMWEB_PATH
