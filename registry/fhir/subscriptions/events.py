"""From the change feed to notifications: whom an event is for, by filter and by what the system may see."""

from django.db.models import F
from django.utils import timezone

from access.actor import Actor
from access.authentication import client_actor
from access.database import run_write
from registry import changes
from registry.document_visibility import visible_documents
from registry.fhir.documents.code_systems import schemes_of
from registry.fhir.documents.list_rows import select_lists
from registry.fhir.door import Asked
from registry.fhir.errors import FhirError
from registry.fhir.parameters import Criterion
from registry.fhir.patients import find_patient_ids
from registry.fhir.subscriptions.happened import KINDS, Event, entries_of, find_folder, read_events
from registry.fhir.subscriptions.order import read_filter
from registry.fhir.subscriptions.topics import BY_URL, CODE_FILTERS
from registry.fhir.values import Token
from registry.models import (
    Change,
    ChangeCursor,
    DocumentCode,
    FhirNotification,
    FhirSubscription,
)

READER = "fhir-subscriptions"
CHUNK = 100
TOLD = ("active", "error")
"""What happens while a receiver is away waits for it."""


class _OtherPlanner(Exception):
    """Another planner has moved the cursor: its work stands, ours is rolled back."""


def plan_notifications() -> int:
    """Note what is to be told of the documents that the change feed brought since last time; returns how much."""
    ChangeCursor.objects.get_or_create(reader=READER)
    planned = 0
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHUNK)
        if not read:
            return planned
        try:
            planned += run_write(lambda: _plan_chunk(cursor, read))  # noqa: B023 (called at once)
        except _OtherPlanner:
            continue


def subscriber_of(row: FhirSubscription) -> Actor | None:
    """Return the system behind a subscription as it is now; None if it is closed."""
    return client_actor(row.client, frozenset({"read"})) if row.client.active else None


def may_be_told(row: FhirSubscription, focus: str) -> bool:
    """Tell whether the subscriber may see something of what a notification is about, now."""
    actor = subscriber_of(row)
    if actor is None:
        return False
    folder = find_folder(focus)
    if folder is not None:
        return bool(select_lists(actor, [folder]))
    return bool(visible_documents(actor, entries_of(focus)))


def _plan_chunk(cursor: int, read: list[Change]) -> int:
    # Moving the cursor first makes it the lock: of two planners the second finds it moved and writes nothing.
    moved = ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=read[-1].position)
    if not moved:
        raise _OtherPlanner
    told = [change for change in read if change.kind in KINDS]
    if not told:
        return 0
    shaken = {"notifications__number": 0, "notifications__sent_at__isnull": False}
    rows = FhirSubscription.objects.filter(status__in=TOLD, **shaken).select_related(
        "client__department__unit"
    )
    subscriptions = list(rows.order_by("pk"))
    return sum(_plan(change, subscriptions) for change in told) if subscriptions else 0


def _plan(change: Change, subscriptions: list[FhirSubscription]) -> int:
    return sum(
        _note(row, event) for event in read_events(change) for row in subscriptions if matches(row, event)
    )


def _note(row: FhirSubscription, event: Event) -> bool:
    # Of several documents of one submission the first tells of it; an update is told each time.
    is_known = event.interaction == "create" and row.notifications.filter(focus=event.focus).exists()
    if is_known or not may_be_told(row, event.focus):
        return False
    FhirSubscription.objects.filter(pk=row.pk).update(events=F("events") + 1)
    number = FhirSubscription.objects.values_list("events", flat=True).get(pk=row.pk)
    now = timezone.now()
    FhirNotification.objects.create(
        subscription=row,
        number=number,
        kind="event-notification",
        focus=event.focus,
        made_at=now,
        not_before=now,
    )
    return True


def matches(row: FhirSubscription, event: Event) -> bool:
    """Tell whether an event is one that the filter means; a patient named by number is looked up anew."""
    topic = BY_URL[row.topic]
    actor = subscriber_of(row)
    if actor is None or event.about != topic.about or event.interaction not in topic.interactions:
        return False
    try:
        query = read_filter(topic, row.criteria)
    except FhirError:  # kept under other rules
        return False
    asked = Asked(actor, row.base)
    patients = find_patient_ids(asked, query.of("patient", "patient.identifier"))
    if patients is not None and event.patient_id not in patients:
        return False
    codes = list(DocumentCode.objects.filter(entry=event.entry)) if query.criteria and event.entry else []
    return all(_fits(criterion, event, codes) for criterion in query.criteria)


def _fits(criterion: Criterion, event: Event, codes: list[DocumentCode]) -> bool:
    tokens = [value for value in criterion.values if isinstance(value, Token)]
    words = {token.code for token in tokens}
    if criterion.name == "status":
        return event.status in words
    if criterion.name == "code":
        return event.about in words
    if criterion.name == "sourceId":
        held = event.entry.submission_set if event.entry else None
        kept = held.source_id if held else ""
        return any((word or "").removeprefix("urn:oid:") == kept for word in words)
    if criterion.name in CODE_FILTERS:
        kind = CODE_FILTERS[criterion.name]
        return any(_is_code(token, code) for token in tokens for code in codes if code.kind == kind)
    return True


def _is_code(token: Token, code: DocumentCode) -> bool:
    if token.code not in (None, code.code):
        return False
    return token.system is None or code.scheme in (schemes_of(token.system) if token.system else ("",))
