"""Subscription: a system asks to be told of documents (DSUBm); it sees its own only. And Basic: the topics there are.

Standard: IHE ITI DSUBm (ITI-110, ITI-113, ITI-114); Subscriptions R5 Backport
"""

from collections.abc import Sequence
from datetime import timedelta

import orjson
from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.database import run_write
from access.models import ApiClient
from access.secrets import seal
from registry.fhir.door import Asked, Found, Operation, ResourceDoor
from registry.fhir.errors import Forbidden, InvalidParameter, UnheldContent, UnknownResource
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.scan import key_of
from registry.fhir.structure import Resource
from registry.fhir.subscriptions.ending import end_subscription
from registry.fhir.subscriptions.events import may_be_told
from registry.fhir.subscriptions.form import make_notification, make_status, make_subscription
from registry.fhir.subscriptions.order import Draft, read_draft
from registry.fhir.subscriptions.topics import BY_URL, DSUBM, TOPICS, make_topic
from registry.fhir.values import Token
from registry.models import FhirNotification, FhirSubscription

BROKER = f"{DSUBM}/CapabilityStatement/IHE.DSUBm.ResourceNotificationBroker"
TOPIC_EXTENSION = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "capabilitystatement-subscriptiontopic-canonical"
)
OPERATIONS = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
MOST_SUBSCRIPTIONS, MOST_EVENTS = 200, 200
PARAMETERS = (
    SearchParameter("_id", "token", "The id"),
    SearchParameter("status", "token", "requested, active, error or off"),
    SearchParameter("url", "uri", "Where notifications go"),
    SearchParameter("criteria", "uri", "The topic"),
    SearchParameter("topic", "uri", "The topic"),
    SearchParameter("filter-criteria", "string", "A part of the filter"),
    SearchParameter("type", "token", "rest-hook"),
)


def read_subscription(asked: Asked, key: str) -> Resource:
    """Read one of the system's own subscriptions.

    Raises
    ------
    UnknownResource
        There is none, or it is another system's.
    """
    return make_subscription(_find(asked, key))


def search_subscriptions(asked: Asked, query: Query) -> Found:
    """Search the system's own subscriptions, newest first."""
    rows = [row for row in _own(asked) if all(_fits(row, one) for one in query.criteria)]
    start = int(query.position[0]) if query.position else 0
    page = rows[start : start + query.count]
    more = (start + query.count,) if len(rows) > start + query.count else ()
    return Found(tuple(make_subscription(row) for row in page), more)


def create_subscription(asked: Asked, sent: Resource) -> Resource:
    """Take a subscription; a handshake follows, and only then it is active.

    Raises
    ------
    UnheldContent
        It asks for what cannot be done.
    """
    own = _own(asked)
    client = ApiClient.objects.get(name=asked.actor.subject)
    if sent.get("status") not in ("requested", "active"):
        raise UnheldContent("a new subscription has the status requested", "Subscription.status")
    draft = read_draft(sent)
    if own.exclude(status="off").count() >= MOST_SUBSCRIPTIONS:
        raise UnheldContent(f"a system has at most {MOST_SUBSCRIPTIONS} subscriptions", "Subscription")

    def write() -> FhirSubscription:
        row = FhirSubscription(
            client=client,
            department=client.department,
            made_at=timezone.now(),
        )
        _fill(row, draft, asked.base)
        row.save()
        _ask_handshake(row)
        _record(asked, row, "create")
        return row

    return make_subscription(run_write(write))


def update_subscription(asked: Asked, key: str, sent: Resource) -> Resource:
    """Turn a subscription off, or ask for it anew as it is sent: another handshake follows.

    Raises
    ------
    UnknownResource
        There is none, or it is another system's.
    """
    row = _find(asked, key)
    draft = None if sent.get("status") == "off" else read_draft(sent)

    def write() -> None:
        if draft is None:
            end_subscription(row)
        else:
            _fill(row, draft, asked.base)
            row.save(update_fields=FILLED)
            _ask_handshake(row)
        _record(asked, row, "update")

    run_write(write)
    return make_subscription(_find(asked, key))


def delete_subscription(asked: Asked, key: str) -> None:
    """Remove one of the system's own subscriptions; what was not sent yet is not sent any more."""
    row = _own(asked).filter(pk=key_of(key)).first()
    if row is None:
        return

    def write() -> None:
        _record(asked, row, "delete")
        row.delete()

    run_write(write)


def show_status(asked: Asked, key: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    """Answer `$status`: of one subscription, or of those that `id` and `status` name."""
    rows = [_find(asked, key)] if key else list(_own(asked))
    ids = {value for name, text in pairs if name == "id" for value in text.split(",")}
    states = {value for name, text in pairs if name == "status" for value in text.split(",")}
    chosen = [row for row in rows if (not ids or str(row.pk) in ids) and (not states or row.status in states)]
    statuses = [make_status(row, "query-status") for row in chosen]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(statuses),
        "link": [{"relation": "self", "url": f"{asked.base}/Subscription/{key + '/' if key else ''}$status"}],
        **({"entry": [_entry(status) for status in statuses]} if statuses else {}),
    }


def show_events(asked: Asked, key: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    """Answer `$events`: what was told or is to be told, between two numbers, of what may be seen now."""
    row = _find(asked, key)
    least, most = (
        _number(pairs, "eventsSinceNumber", 0),
        _number(pairs, "eventsUntilNumber", 2**62),
    )
    events = row.notifications.filter(kind="event-notification", number__gte=least, number__lte=most)
    shown = [
        event
        for event in events.order_by("number")[:MOST_EVENTS]
        if event.focus and may_be_told(row, event.focus)
    ]
    return make_notification(row, "query-event", shown)


FILLED = (
    "status",
    "topic",
    "criteria",
    "endpoint",
    "headers_sealed",
    "content",
    "media_type",
    "base",
    "reason",
    "ends_at",
    "error",
    "heartbeat_s",
    "heartbeat_at",
)


def _fill(row: FhirSubscription, draft: Draft, base: str) -> None:
    row.status, row.error = "requested", ""
    row.topic, row.criteria = draft.topic.url, draft.criteria
    row.endpoint, row.content, row.media_type = draft.endpoint, draft.content, draft.media_type
    row.headers_sealed = seal(orjson.dumps(list(draft.headers)).decode()) if draft.headers else ""
    row.base, row.reason, row.ends_at = base, draft.reason, draft.ends_at
    row.heartbeat_s = draft.heartbeat_s
    row.heartbeat_at = (
        timezone.now() + timedelta(seconds=draft.heartbeat_s) if draft.heartbeat_s is not None else None
    )


def _ask_handshake(row: FhirSubscription) -> None:
    now = timezone.now()
    FhirNotification.objects.update_or_create(
        subscription=row,
        number=0,
        defaults={
            "kind": "handshake",
            "made_at": now,
            "not_before": now,
            "sent_at": None,
            "attempts": 0,
            "last_error": "",
        },
    )


def _own(asked: Asked) -> "QuerySet[FhirSubscription]":
    actor = asked.actor
    if actor.kind != "system" or actor.on_behalf_of is not None:
        raise Forbidden("subscriptions are of systems that ask for themselves")
    if not actor.may("read"):
        raise Forbidden(f"{actor.subject} may not read: the credential's scopes do not include it")
    rows = FhirSubscription.objects.filter(client=actor.subject_id)
    return rows.select_related("client__department__unit").order_by("-pk")


def _find(asked: Asked, key: str) -> FhirSubscription:
    row = _own(asked).filter(pk=key_of(key)).first()
    if row is None:
        raise UnknownResource("no such Subscription")
    return row


def _fits(row: FhirSubscription, criterion: Criterion) -> bool:
    kept = {
        "_id": str(row.pk),
        "status": row.status,
        "url": row.endpoint,
        "criteria": row.topic,
        "topic": row.topic,
        "type": "rest-hook",
    }
    words = [(value.code or "") if isinstance(value, Token) else str(value) for value in criterion.values]
    if criterion.name == "filter-criteria":
        return any(word in row.criteria for word in words)
    return kept[criterion.name] in words


def _number(pairs: Sequence[tuple[str, str]], name: str, default: int) -> int:
    text = next((value for key, value in pairs if key == name), "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidParameter(f"{name} is a number", name)
    return int(text)


def _entry(status: Resource) -> Resource:
    return {"fullUrl": f"urn:uuid:{status['id']}", "resource": status, "search": {"mode": "match"}}


def _record(asked: Asked, row: FhirSubscription, what: str) -> None:
    detail = {"resource": "Subscription", "id": row.pk, "interaction": what, "topic": row.topic}
    audit.record(asked.actor, "subscribe", door="fhir", patient_id=None, detail=detail)


def _read_topic(asked: Asked, key: str) -> Resource:
    del asked
    for topic in TOPICS:
        if topic.id == key:
            return make_topic(topic)
    raise UnknownResource("no such Basic")


def _search_topics(asked: Asked, query: Query) -> Found:
    del asked
    found = [
        make_topic(topic)
        for topic in TOPICS
        if all(
            any(_is_topic(topic.id, criterion.name, value) for value in criterion.values)
            for criterion in query.criteria
        )
    ]
    return Found(tuple(found))


def _is_topic(key: str, name: str, value: object) -> bool:
    topic = next(one for one in TOPICS if one.id == key)
    word = (value.code or "") if isinstance(value, Token) else str(value)
    kept = {
        "_id": {topic.id},
        "code": {"SubscriptionTopic"},
        "status": {"active"},
        "url": {topic.url},
        "derived-or-self": {topic.url},
        "resource": {topic.resource, f"http://hl7.org/fhir/StructureDefinition/{topic.resource}"},
    }
    return word in kept[name]


DOOR = ResourceDoor(
    type="Subscription",
    documentation=(
        "A system asks to be told of documents by rest-hook and sees its own subscriptions. What it may see is asked "
        f"anew for each notification. Topics: {', '.join(BY_URL)}."
    ),
    read=read_subscription,
    search=search_subscriptions,
    create=create_subscription,
    update=update_subscription,
    delete=delete_subscription,
    operations=(
        Operation("status", f"{OPERATIONS}/backport-subscription-status", "How it stands", show_status),
        Operation("status", f"{OPERATIONS}/backport-subscription-status", "How it stands", show_status, True),
        Operation("events", f"{OPERATIONS}/backport-subscription-events", "What was told", show_events, True),
    ),
    parameters=PARAMETERS,
    profiles=tuple(
        f"{DSUBM}/StructureDefinition/DSUBm-{kind}-{scope}-Subscription"
        for kind in ("DocumentReference", "SubmissionSet")
        for scope in ("PatientDependent", "MultiPatient")
    ),
    extensions=tuple({"url": TOPIC_EXTENSION, "valueCanonical": topic.url} for topic in TOPICS),
    statements=(BROKER,),
)
TOPIC_DOOR = ResourceDoor(
    type="Basic",
    documentation="The topics that can be subscribed to (SubscriptionTopic).",
    read=_read_topic,
    search=_search_topics,
    parameters=(
        SearchParameter("_id", "token", "The id"),
        SearchParameter("code", "token", "SubscriptionTopic"),
        SearchParameter("resource", "uri", "What the topic is about"),
        SearchParameter("derived-or-self", "uri", "The canonical address"),
        SearchParameter("status", "token", "active"),
        SearchParameter("url", "uri", "The canonical address"),
    ),
)
