"""JSON or XML: what the client wants to read and what it sent.

Standard: FHIR R4 http.html#mime-type
"""

import re
from dataclasses import dataclass

import orjson

from registry.fhir.errors import MalformedResource, UnsupportedFormat
from registry.fhir.structure import Resource, check_structure
from registry.fhir.xml_format import resource_of_xml, xml_of_resource
from registry.wire.media_types import MalformedMediaType, NotAcceptable, Offer, negotiate, parse_media_type

FHIR_VERSION = "4.0.1"
JSON, XML = "application/fhir+json", "application/fhir+xml"
_JSON_TYPES = (JSON, "application/json", "application/json+fhir", "text/json")
_XML_TYPES = (XML, "application/xml", "application/xml+fhir", "text/xml")
_OFFERS = tuple(Offer(name) for pair in zip(_JSON_TYPES, _XML_TYPES, strict=True) for name in pair)
_SHORT = {"json": JSON, "xml": XML, "application/fhir json": JSON, "application/fhir xml": XML}
_FHIR_VERSION = re.compile(r';\s*fhirVersion\s*=\s*"?([0-9.]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Format:
    """How to answer: the media type as the client names it, and whether to indent."""

    media_type: str = JSON
    pretty: bool = False

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        return f"{self.media_type}; charset=utf-8"


def choose_format(parameter: str | None, accept: str | None, pretty: str | None = None) -> Format:
    """Choose by `_format`, then by the Accept header; JSON where both leave it open.

    Raises
    ------
    NotAcceptable, MalformedAccept
        Neither JSON nor XML, or another version of FHIR.
    """
    parameter = _SHORT.get((parameter or "").strip().lower(), parameter) or None
    for version in _FHIR_VERSION.findall(f"{parameter or accept or ''}"):
        if not FHIR_VERSION.startswith(version):
            raise NotAcceptable(f"this is FHIR {FHIR_VERSION}, not {version[:10]}")
    if parameter and "/" not in parameter:
        raise NotAcceptable(f"_format is json, xml or a media type of these, not {parameter[:20]!r}")
    chosen = negotiate(parameter, accept if parameter is None else None, _OFFERS)
    return Format(chosen.offer.media_type, (pretty or "").lower() == "true")


def write_resource(resource: Resource, chosen: Format) -> bytes:
    """Write a resource in the format that was chosen, as UTF-8."""
    if chosen.media_type in _XML_TYPES:
        return xml_of_resource(resource)
    return orjson.dumps(resource, option=orjson.OPT_INDENT_2 if chosen.pretty else 0)


def check_content_type(content_type: str) -> str:
    """Return JSON or XML for the type of a body, before the body is read.

    Raises
    ------
    UnsupportedFormat
        Another type, another character set than UTF-8, another version of FHIR.
    """
    try:
        sent = parse_media_type(content_type)
    except MalformedMediaType as error:
        raise UnsupportedFormat(f"Content-Type: {error}; send {JSON} or {XML}") from error
    charsets = {value.lower() for value in sent.values_of("charset")} - {"utf-8", "utf8"}
    if charsets:
        raise UnsupportedFormat(f"the character set of every body is UTF-8, not {min(charsets)[:20]}")
    for version in _FHIR_VERSION.findall(content_type):
        if not FHIR_VERSION.startswith(version):
            raise UnsupportedFormat(f"this is FHIR {FHIR_VERSION}, not {version[:10]}")
    if sent.name in _JSON_TYPES:
        return JSON
    if sent.name in _XML_TYPES:
        return XML
    raise UnsupportedFormat(f"{sent.name[:60]} is not read here: send {JSON} or {XML}")


def read_resource(body: bytes, kind: str, resource_type: str) -> Resource:
    """Read a body as a resource of a type.

    Raises
    ------
    MalformedResource
        It is none, or one of another type.
    """
    if kind == XML:
        resource = resource_of_xml(body)
    else:
        try:
            resource = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise MalformedResource(f"the JSON cannot be read: {error}") from error
    check_structure(resource)
    if resource["resourceType"] != resource_type:
        raise MalformedResource(
            f"the body is a {resource['resourceType']}, and this address takes {resource_type}",
            "resourceType",
        )
    return resource
