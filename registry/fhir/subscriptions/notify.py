"""Telling subscribers: what is due is claimed, sent side by side, and noted; what fails waits and is sent again.

A notification is sent until it is taken: a receiver that is away, slow or restarted misses nothing, and may get the
same twice.
"""

import logging
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.db.models import F, Q
from django.utils import timezone

from access import audit
from access.database import run_write
from access.secrets import UnreadableSecret, unseal
from registry.document_visibility import visible_documents
from registry.fhir.documents.list_rows import make_lists, select_lists
from registry.fhir.documents.rows import make_document_references
from registry.fhir.formats import Format, write_resource
from registry.fhir.structure import Resource
from registry.fhir.subscriptions.channel import Message, post
from registry.fhir.subscriptions.ending import DEACTIVATION, end_subscription
from registry.fhir.subscriptions.events import TOLD, may_be_told, plan_notifications, subscriber_of
from registry.fhir.subscriptions.form import make_notification
from registry.fhir.subscriptions.happened import entries_of, subject_of
from registry.fhir.subscriptions.topics import BY_URL
from registry.models import FhirNotification, FhirSubscription, Folder, SubmissionSet

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
AT_ONCE, MOST_EVENTS = 16, 20
FIRST_S, LAST_S = 2.0, 1800.0
ERROR_AFTER = 3


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes to one subscriber at once; without events it is a heartbeat."""

    row: FhirSubscription
    kind: str
    events: tuple[FhirNotification, ...]
    message: Message | None


def notify_subscribers() -> int:
    """Plan and send what is due; returns how many notifications were taken. It may run twice at the same time."""
    end_overdue()
    plan_notifications()
    parcels = [parcel for row in _due() if (parcel := _claim(row)) is not None]
    if not parcels:
        return 0
    taken = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = pool.map(lambda parcel: post(parcel.message) if parcel.message else "", parcels)
        for parcel, error in zip(parcels, outcomes, strict=True):
            run_write(lambda: _note(parcel, error))  # noqa: B023 (called at once)
            taken += not error
    return taken


def end_overdue() -> int:
    """Turn off the subscriptions whose end has come; returns how many."""
    overdue = FhirSubscription.objects.filter(ends_at__lte=timezone.now()).exclude(status="off")
    rows = list(overdue.select_related("client").order_by("pk"))
    for row in rows:
        run_write(lambda: end_subscription(row))  # noqa: B023 (called at once)
    return len(rows)


def _due() -> list[FhirSubscription]:
    now = timezone.now()
    waiting = FhirNotification.objects.filter(sent_at__isnull=True, not_before__lte=now)
    ending = waiting.filter(kind=DEACTIVATION).values("subscription")
    told = FhirSubscription.objects.filter(
        Q(status__in=("requested", *TOLD)) | Q(status="off", pk__in=ending)
    ).select_related("client__department__unit")
    beating = FhirSubscription.objects.filter(status="active", heartbeat_at__lte=now)
    keys = {*waiting.values_list("subscription_id", flat=True)[:1000], *beating.values_list("pk", flat=True)}
    return list(told.filter(pk__in=keys).order_by("pk"))


def _claim(row: FhirSubscription) -> Parcel | None:
    """Take what is due of a subscription, in order: the first of it is the lock."""
    now = timezone.now()
    unsent = row.notifications.filter(sent_at__isnull=True)
    unsent = unsent.filter(kind=DEACTIVATION) if row.status == "off" else unsent
    waiting = list(unsent.order_by("number")[:MOST_EVENTS])
    if not waiting:
        return _claim_heartbeat(row)
    first = waiting[0]
    if first.not_before is None or first.not_before > now:
        return None
    mine = FhirNotification.objects.filter(pk=first.pk, sent_at__isnull=True, not_before=first.not_before)
    if not mine.update(not_before=now + LEASE):
        return None
    if first.kind == "handshake":
        return Parcel(row, "handshake", (first,), _write(row, make_notification(row, "handshake")))
    if first.kind == DEACTIVATION:  # a notification of no event, whose status is off
        return Parcel(row, DEACTIVATION, (first,), _write(row, make_notification(row, "event-notification")))
    events = tuple(_as_permitted(row, event) for event in waiting if event.kind == first.kind)
    told = [event for event in events if event.focus]
    if not told:  # what they were about may not be seen any more
        return Parcel(row, first.kind, events, None)
    resources = _whole(row, told) if row.content == "full-resource" else []
    return Parcel(row, first.kind, events, _write(row, make_notification(row, first.kind, told, resources)))


def _claim_heartbeat(row: FhirSubscription) -> Parcel | None:
    if row.status != "active" or not row.heartbeat_s or row.heartbeat_at is None:
        return None
    following = timezone.now() + timedelta(seconds=row.heartbeat_s)
    mine = FhirSubscription.objects.filter(pk=row.pk, heartbeat_at=row.heartbeat_at)
    if row.heartbeat_at > timezone.now() or not mine.update(heartbeat_at=following):
        return None
    return Parcel(row, "heartbeat", (), _write(row, make_notification(row, "heartbeat")))


def _as_permitted(row: FhirSubscription, event: FhirNotification) -> FhirNotification:
    """Take away what an event is about where the subscriber may not see it now."""
    if not may_be_told(row, event.focus):
        event.focus = ""
    return event


def _whole(row: FhirSubscription, events: Sequence[FhirNotification]) -> list[Resource]:
    """Return what events are about as the subscriber finds it at our own door."""
    actor = subscriber_of(row)
    if actor is None:
        return []
    focuses = [event.focus for event in events]
    if BY_URL[row.topic].resource == "List":
        uuids = [f"urn:uuid:{focus.partition('/')[2]}" for focus in focuses]
        sets = SubmissionSet.objects.filter(entry_uuid__in=uuids).order_by("pk")
        folders = Folder.objects.filter(entry_uuid__in=uuids).order_by("pk")
        return make_lists(select_lists(actor, [*sets, *folders]))
    entries = visible_documents(actor, [entry for focus in focuses for entry in entries_of(focus)])
    return make_document_references(row.base, actor, entries)


def _write(row: FhirSubscription, bundle: Resource) -> Message:
    try:
        headers: list[str] = orjson.loads(unseal(row.headers_sealed) or "[]")
    except UnreadableSecret:
        headers = []
        log.warning("subscription %s: its headers were sealed with another key", row.pk)
    body = write_resource(bundle, Format(row.media_type))
    return Message(row.endpoint, tuple(headers), f"{row.media_type}; charset=utf-8", body)


def _note(parcel: Parcel, error: str) -> None:
    row = FhirSubscription.objects.filter(pk=parcel.row.pk)
    keys = [event.pk for event in parcel.events]
    events = FhirNotification.objects.filter(pk__in=keys)
    now = timezone.now()
    if error:
        log.warning("subscription %s: %s", parcel.row.pk, error)
        _note_failure(parcel, events, row, error)
        return
    events.update(sent_at=now, last_error="", attempts=F("attempts") + 1)
    FhirNotification.objects.filter(pk__in=[event.pk for event in parcel.events if not event.focus]).update(
        focus=""
    )
    if parcel.message is None:
        return
    changed: dict[str, Any] = {"error": ""}
    if parcel.row.heartbeat_s:
        changed["heartbeat_at"] = now + timedelta(seconds=parcel.row.heartbeat_s)
    row.exclude(status="off").update(status="active", **changed)
    _record(parcel)


def _note_failure(parcel: Parcel, events: Any, row: Any, error: str) -> None:
    """Let a handshake fail at once: nothing else goes there; anything else is sent again, later each time."""
    if parcel.kind == "handshake":
        events.update(not_before=None, last_error=error, attempts=F("attempts") + 1)
        row.exclude(status="off").update(status="error", error=error)
        return
    attempts = max((event.attempts for event in parcel.events), default=0)
    most_s = min(LAST_S, FIRST_S * 2 ** min(attempts, 20))
    not_before = timezone.now() + timedelta(seconds=random.uniform(0, most_s))  # noqa: S311 (jitter)
    events.update(not_before=not_before, last_error=error, attempts=F("attempts") + 1)
    changed: dict[str, Any] = {"error": error}
    if attempts + 1 >= ERROR_AFTER:
        changed["status"] = "error"
        if parcel.kind == DEACTIVATION:
            events.update(not_before=None)
    row.exclude(status="off").update(**changed)


def _record(parcel: Parcel) -> None:
    """Record that a system was told of documents. Standard: IHE ITI DSUBm 2:3.112.5 (audit)"""
    actor = subscriber_of(parcel.row)
    if actor is None or parcel.kind == "handshake":
        return
    for event in parcel.events:
        subject = subject_of(event.focus) if event.focus else None
        if subject is not None:
            patient_id, study_instance_uid = subject
            audit.record(
                actor,
                "deliver",
                door="fhir",
                patient_id=patient_id,
                study_instance_uid=study_instance_uid,
                detail={"subscription": parcel.row.pk, "event": event.number, "focus": event.focus},
            )
