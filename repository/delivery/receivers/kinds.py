"""Which kinds of destination there are, by the beginning of their address, and what an address has to hold."""

import contextlib
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from access.address import ForbiddenAddress, UnknownHost, resolve
from repository.delivery.receivers.address import DICOM_PORTS, resolve_dicom_address
from repository.delivery.receivers.s3_address import resolve_bucket

Kind = Literal["stow", "dimse", "hl7v2", "fhir", "folder", "objects", "worklist"]
TELLING = frozenset({"hl7v2", "fhir"})
"""Kinds that are told in messages, and take no instances."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The beginning of an address: the kind it says, and the port that is meant where none is named."""

    kind: Kind
    port: int | None = None


SCHEMES = {
    "https": Scheme("stow", 443),
    "http": Scheme("stow", 80),
    "dicom": Scheme("dimse", DICOM_PORTS["dicom"]),
    "dicoms": Scheme("dimse", DICOM_PORTS["dicoms"]),
    "mllp": Scheme("hl7v2", 2575),
    "mllps": Scheme("hl7v2", 2575),
    "fhir+https": Scheme("fhir", 443),
    "fhir+http": Scheme("fhir", 80),
    "file": Scheme("folder"),
    "s3": Scheme("objects"),
    "worklist": Scheme("worklist"),
}


def kind_of(url: str) -> Kind | None:
    """Return the kind of destination that an address means; None for no kind that there is."""
    scheme = SCHEMES.get(urlsplit(url).scheme)
    return scheme.kind if scheme else None


def check_address(url: str) -> Kind:
    """Return the kind of an address that may be sent to; a host that no name server knows now is no fault of it.

    Raises
    ------
    ForbiddenAddress
        No kind of destination, or not an address of its kind; the message says what to change.
    """
    parts = _split(url)
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ForbiddenAddress(
            f"the address must begin with one of {', '.join(f'{name}:' for name in SCHEMES)}"
        )
    if scheme.port is not None:
        _check_host(url, parts, scheme)
    elif scheme.kind == "worklist":
        if url != "worklist:":
            raise ForbiddenAddress("the address of the department's worklist is worklist: and nothing else")
    elif scheme.kind == "objects":
        with contextlib.suppress(UnknownHost):
            resolve_bucket(url)
    elif not parts.path.strip("/"):
        raise ForbiddenAddress("the address names no folder")
    return scheme.kind


def _split(url: str) -> SplitResult:
    if any(not letter.isprintable() or letter.isspace() for letter in url):
        raise ForbiddenAddress("the address contains blanks or control characters")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ForbiddenAddress(f"the address cannot be read: {error}") from error


def _check_host(url: str, parts: SplitResult, scheme: Scheme) -> None:
    if scheme.kind == "stow" and not parts.path.rstrip("/").endswith("/studies"):
        raise ForbiddenAddress("the address of a STOW-RS system ends in /studies")
    if parts.query or parts.fragment:
        raise ForbiddenAddress("the address must not hold a question mark or a hash sign")
    try:
        if scheme.kind == "dimse":
            resolve_dicom_address(url)
            return
        resolve(
            url,
            allow_private=settings.ALLOW_PRIVATE_DESTINATIONS,
            setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS",
            ports={parts.scheme: scheme.port or 0},
        )
    except UnknownHost:
        return
