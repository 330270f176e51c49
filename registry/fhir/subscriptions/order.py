"""What a sent Subscription asks for: read and checked before anything is kept.

Standard: IHE ITI DSUBm (ITI-110); Subscriptions R5 Backport (R4 topic-based Subscription)
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.utils import timezone

from access.address import Address, ForbiddenAddress, UnknownHost, resolve
from registry.fhir.errors import FhirError, UnheldContent
from registry.fhir.parameters import Query, parse_query
from registry.fhir.structure import Resource
from registry.fhir.subscriptions.topics import BY_URL, Topic

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
FILTER, CONTENT = f"{BACKPORT}/backport-filter-criteria", f"{BACKPORT}/backport-payload-content"
HEARTBEAT, TIMEOUT = f"{BACKPORT}/backport-heartbeat-period", f"{BACKPORT}/backport-timeout"
CONTENTS = ("empty", "id-only", "full-resource")
MEDIA_TYPES = ("application/fhir+json", "application/fhir+xml")
LEAST_HEARTBEAT_S, MOST_HEARTBEAT_S = 10, 7 * 86400
_FORBIDDEN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A subscription as asked for."""

    topic: Topic
    criteria: str
    endpoint: str
    headers: tuple[str, ...]
    content: str
    media_type: str
    reason: str
    ends_at: datetime | None
    heartbeat_s: int | None


def read_draft(sent: Resource) -> Draft:
    """Read a sent Subscription.

    Raises
    ------
    UnheldContent
        It asks for what cannot be done; the message says what, and where.
    """
    topic = BY_URL.get(sent.get("criteria", ""))
    if topic is None:
        _refuse(f"the topic is one of {', '.join(BY_URL)}", "Subscription.criteria")
    channel = sent.get("channel", {})
    if channel.get("type") != "rest-hook":
        _refuse("the channel is rest-hook", "Subscription.channel.type")
    endpoint = channel.get("endpoint", "")
    check_endpoint(endpoint)
    ends_at = _read_end(sent.get("end"))
    criteria = _text_of(sent.get("_criteria", {}), FILTER, "valueString")
    read_filter(topic, criteria)
    content = _text_of(channel.get("_payload", {}), CONTENT, "valueCode") or "id-only"
    if content not in CONTENTS:
        _refuse(f"the payload content is one of {', '.join(CONTENTS)}", "Subscription.channel.payload")
    return Draft(
        topic,
        criteria,
        endpoint,
        _read_headers(channel.get("header", [])),
        content,
        _read_media_type(channel.get("payload", MEDIA_TYPES[0])),
        str(sent.get("reason", ""))[:200],
        ends_at,
        _read_heartbeat(channel),
    )


def check_endpoint(endpoint: str) -> None:
    """Refuse an address that may not be asked; a host that is not known now may be later."""
    try:
        resolve_endpoint(endpoint)
    except UnknownHost:
        return
    except ForbiddenAddress as error:
        _refuse(str(error), "Subscription.channel.endpoint")


def resolve_endpoint(endpoint: str) -> Address:
    """Check where notifications would go, and resolve its host.

    Raises
    ------
    ForbiddenAddress, UnknownHost
        It may not be asked, or is not known.
    """
    parts = urlsplit(endpoint)
    if len(endpoint) > 400 or parts.fragment or not endpoint.isprintable() or " " in endpoint:
        raise ForbiddenAddress("the address has at most 400 characters, no spaces and no fragment")
    allow_private = settings.ALLOW_PRIVATE_DESTINATIONS
    if parts.scheme != "https" and not allow_private:
        raise ForbiddenAddress("the address must begin with https://")
    return resolve(endpoint, allow_private=allow_private, setting="SAMSYN_ALLOW_PRIVATE_DESTINATIONS")


def read_filter(topic: Topic, criteria: str) -> Query:
    """Read the filter of a subscription: a search of the resource that the topic is about.

    Raises
    ------
    UnheldContent
        It filters by what the topic does not have, or leaves out the patient, or names one where it must not.
    """
    place = "Subscription.criteria.extension"
    resource, _, query = criteria.partition("?")
    if criteria and resource != topic.resource:
        _refuse(f"the filter begins with {topic.resource}?", place)
    if len(criteria) > 1000:
        _refuse("the filter has at most 1000 characters", place)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
        found = parse_query(pairs, topic.filters, strict=True)
    except (FhirError, ValueError) as error:
        _refuse(f"the filter cannot be used: {error}", place)
    if topic.of_patient and not found.of("patient", "patient.identifier"):
        _refuse("the filter of this topic names a patient: patient or patient.identifier", place)
    return found


def _read_headers(sent: list[str]) -> tuple[str, ...]:
    for line in sent:
        name, colon, value = line.partition(":")
        is_name = name.isascii() and name.replace("-", "").isalnum()
        if not colon or not is_name or name.lower() in _FORBIDDEN_HEADERS or not value.strip().isprintable():
            _refuse(
                "a header is `Name: value`, and not one that HTTP itself sets", "Subscription.channel.header"
            )
        if not value.isascii() or len(line) > 4000 or len(sent) > 20:
            _refuse("headers are ASCII, at most 20 of 4000 characters", "Subscription.channel.header")
    return tuple(sent)


def _read_media_type(text: str) -> str:
    if text not in MEDIA_TYPES:
        _refuse(f"the payload is one of {', '.join(MEDIA_TYPES)}", "Subscription.channel.payload")
    return text


def _read_end(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _refuse("the end is an instant such as 2027-01-31T12:00:00Z", "Subscription.end")
    moment = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    if moment <= timezone.now():
        _refuse("the end has passed", "Subscription.end")
    return moment


def _read_heartbeat(channel: Resource) -> int | None:
    values = [
        one.get("valueUnsignedInt") for one in channel.get("extension", []) if one.get("url") == HEARTBEAT
    ]
    if not values:
        return None
    if not isinstance(values[0], int) or not LEAST_HEARTBEAT_S <= values[0] <= MOST_HEARTBEAT_S:
        _refuse(
            f"the heartbeat period is {LEAST_HEARTBEAT_S} to {MOST_HEARTBEAT_S} seconds",
            "Subscription.channel.extension",
        )
    return values[0]


def _text_of(element: Resource, url: str, name: str) -> str:
    values = [str(one.get(name, "")) for one in element.get("extension", []) if one.get("url") == url]
    return values[0] if values else ""


def _refuse(message: str, place: str) -> NoReturn:
    raise UnheldContent(message, place)
