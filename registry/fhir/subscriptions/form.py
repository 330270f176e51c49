"""Subscriptions and what is told of them: Subscription, its status, and the Bundle of a notification.

Standard: IHE ITI DSUBm (ITI-110, ITI-112); Subscriptions R5 Backport
"""

from collections.abc import Sequence
from uuid import uuid4

from django.utils import timezone

from registry.fhir.dates import instant
from registry.fhir.structure import Resource
from registry.fhir.subscriptions.order import BACKPORT, CONTENT, FILTER, HEARTBEAT
from registry.models import FhirNotification, FhirSubscription

STATUS_PROFILE = f"{BACKPORT}/backport-subscription-status-r4"
BUNDLE_PROFILE = f"{BACKPORT}/backport-subscription-notification-r4"


def make_subscription(row: FhirSubscription) -> Resource:
    """Make the resource of a subscription; headers are not given back, for they may be secrets."""
    channel: Resource = {
        "type": "rest-hook",
        "endpoint": row.endpoint,
        "payload": row.media_type,
        "_payload": {"extension": [{"url": CONTENT, "valueCode": row.content}]},
    }
    if row.heartbeat_s:
        channel = {"extension": [{"url": HEARTBEAT, "valueUnsignedInt": row.heartbeat_s}]} | channel
    resource: Resource = {
        "resourceType": "Subscription",
        "id": str(row.pk),
        "meta": {"profile": [f"{BACKPORT}/backport-subscription"]},
        "status": row.status,
        "reason": row.reason or "notification of documents",
        "criteria": row.topic,
        "channel": channel,
    }
    if row.ends_at:
        resource["end"] = instant(row.ends_at)
    if row.error:
        resource["error"] = row.error
    if row.criteria:
        resource["_criteria"] = {"extension": [{"url": FILTER, "valueString": row.criteria}]}
    return resource


def make_status(
    row: FhirSubscription, kind: str, events: Sequence[FhirNotification] = (), through: int | None = None
) -> Resource:
    """Make the status of a subscription with the events of a notification.

    `through` is the number of the last event that is told of.
    """
    parameters: list[Resource] = [
        {
            "name": "subscription",
            "valueReference": {"reference": f"{row.base}/Subscription/{row.pk}"},
        },
        {"name": "topic", "valueCanonical": row.topic},
        {"name": "status", "valueCode": row.status},
        {"name": "type", "valueCode": kind},
        {
            "name": "events-since-subscription-start",
            "valueString": str(row.events if through is None else through),
        },
    ]
    parameters += [_make_event(row, event) for event in events]
    if row.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": row.error}})
    return {
        "resourceType": "Parameters",
        "id": str(uuid4()),
        "meta": {"profile": [STATUS_PROFILE]},
        "parameter": parameters,
    }


def make_notification(
    row: FhirSubscription,
    kind: str,
    events: Sequence[FhirNotification] = (),
    resources: Sequence[Resource] = (),
) -> Resource:
    """Make the Bundle of a notification: `events` with their focus, `resources` for those wanted whole."""
    through = max((event.number for event in events), default=None)
    status = make_status(row, kind, events, through)
    whole = {f"{one['resourceType']}/{one['id']}": one for one in resources}
    entries: list[Resource] = [
        {
            "fullUrl": f"urn:uuid:{status['id']}",
            "resource": status,
            "request": {"method": "GET", "url": f"{row.base}/Subscription/{row.pk}/$status"},
            "response": {"status": "200"},
        }
    ]
    for focus in dict.fromkeys(event.focus for event in events if event.focus and row.content != "empty"):
        entry: Resource = {
            "fullUrl": f"{row.base}/{focus}",
            "request": {"method": "POST", "url": focus.partition("/")[0]},
            "response": {"status": "201"},
        }
        if focus in whole:
            entry["resource"] = whole[focus]
        entries.append(entry)
    return {
        "resourceType": "Bundle",
        "id": str(uuid4()),
        "meta": {"profile": [BUNDLE_PROFILE], "lastUpdated": instant(timezone.now())},
        "type": "history",
        "timestamp": instant(timezone.now()),
        "entry": entries,
    }


def _make_event(row: FhirSubscription, event: FhirNotification) -> Resource:
    part: list[Resource] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.made_at)},
    ]
    if event.focus and row.content != "empty":
        part.append({"name": "focus", "valueReference": {"reference": f"{row.base}/{event.focus}"}})
    return {"name": "notification-event", "part": part}
