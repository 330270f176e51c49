"""AuditEvent: the access log for those who review it; reading the log is in the log.

Standard: IHE ITI TF-2 3.81 (ITI-81), FHIR R4 AuditEvent
"""

from dataclasses import replace
from datetime import datetime

from access import audit
from access.actor import Actor
from access.audit_export.fhir_event import audit_event_resource
from access.audit_export.kinds import OUTCOMES
from access.audit_export.ship import source_label
from access.audit_log import InvalidPosition, LogFilter, LogPosition, read_position, search_events
from access.database import write_transaction
from access.models import AuditEvent, Department
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import Forbidden, InvalidParameter, UnknownResource
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.structure import Resource
from registry.fhir.values import DateRange, Token
from registry.patient_labels import find_patient_labels

RIGHT = "review_access"
ACTION_SYSTEM = "urn:samsyn:action"
_INTERACTIONS = {"read": "read", "create": "store", "search-type": "search"}

PARAMETERS = (
    SearchParameter("_id", "token", "The number of the event"),
    SearchParameter("date", "date", "When it was recorded: any prefix but ne and ap"),
    *PATIENT_PARAMETERS,
    SearchParameter(
        "agent.identifier", "token", "The person or system, also the one for whom a system asked"
    ),
    SearchParameter("entity.identifier", "token", "urn:oid: and a Study Instance UID"),
    SearchParameter(
        "subtype", "token", "urn:samsyn:action and a word of the log, or read, create, search-type"
    ),
    SearchParameter("outcome", "token", "0 done, 4 failed, 8 refused"),
    SearchParameter(
        "address", "string", "Network address of the agent, exactly", modifiers=frozenset({"exact"})
    ),
)


def read_audit_event(asked: Asked, key: str) -> Resource:
    """Read one event.

    Raises
    ------
    UnknownResource
        There is none, or none of what the actor reviews.
    """
    wanted = reviewed_by(asked.actor)
    if not _is_key(key):
        raise UnknownResource("no such AuditEvent")
    events = search_events(replace(wanted, event_id=int(key)), limit=1).events
    if not events:
        raise UnknownResource("no such AuditEvent")
    _record(asked.actor, {"event": int(key)}, events[0].patient_id)
    return _make(events)[0]


def search_audit_events(asked: Asked, query: Query) -> Found:
    """Search events, newest first.

    Raises
    ------
    InvalidParameter
        A value that no event can have, or a combination that is not searched.
    """
    wanted = reviewed_by(asked.actor)
    patients = find_patient_ids(asked, query.of("patient", "patient.identifier"))
    for criterion in query.criteria:
        wanted = _narrow(wanted, criterion)
    events: tuple[AuditEvent, ...] = ()
    position: tuple[str | int, ...] = ()
    if patients is None or patients:
        after = _read_position(query)
        page = search_events(
            replace(wanted, patient_ids=tuple(sorted(patients or ()))), after=after, limit=query.count
        )
        events, position = page.events, (str(page.after),) if page.after else ()
    one = min(patients) if patients and len(patients) == 1 else None
    _record(asked.actor, {"query": dict(query.applied), "results": len(events)}, one)
    return Found(tuple(_make(events)), position)


def reviewed_by(actor: Actor) -> LogFilter:
    """Return which events the actor reviews: all, or those of its own care unit.

    Raises
    ------
    Forbidden
        Without the right to review.
    """
    person = actor.on_behalf_of or actor
    if not (actor.may(RIGHT) and person.may(RIGHT)):
        raise Forbidden(
            f"{actor.subject} may not review the access log: neither its role nor its scopes say so"
        )
    if person.scope.region_wide:
        return LogFilter(viewer=actor.subject)
    departments = Department.objects.filter(unit=person.scope.unit_id or 0).values_list("hsa_id", flat=True)
    if not departments:
        raise Forbidden(f"{actor.subject} belongs to no care unit whose accesses it could review")
    return LogFilter(departments=tuple(departments), viewer=actor.subject)


def _narrow(wanted: LogFilter, criterion: Criterion) -> LogFilter:
    name = criterion.name
    if name == "date":
        return _narrow_period(wanted, _one(criterion))
    if name in ("outcome", "subtype"):
        return _narrow_words(wanted, criterion)
    if name in ("_id", "agent.identifier", "entity.identifier", "address"):
        value = _one(criterion)
        text = (value.code or "") if isinstance(value, Token) else str(value)
        return _narrow_one(wanted, name, text)
    return wanted


def _narrow_one(wanted: LogFilter, name: str, text: str) -> LogFilter:
    if name == "_id":
        return replace(wanted, event_id=int(text) if _is_key(text) else 0)
    if name == "agent.identifier":
        return replace(wanted, actor=text)
    if name == "entity.identifier":
        return replace(wanted, study_instance_uid=text.removeprefix("urn:oid:"))
    return replace(wanted, address=text)


def _narrow_period(wanted: LogFilter, value: object) -> LogFilter:
    if not isinstance(value, DateRange) or value.prefix in ("ne", "ap"):
        raise InvalidParameter("date takes any prefix but ne and ap", "date")
    first: datetime | None = None
    last: datetime | None = None
    if value.prefix in ("eq", "ge", "gt", "sa"):
        first = value.end if value.prefix in ("gt", "sa") else value.start
    if value.prefix in ("eq", "le", "lt", "eb"):
        last = value.start if value.prefix in ("lt", "eb") else value.end
    starts = [moment for moment in (first, wanted.recorded_from) if moment]
    ends = [moment for moment in (last, wanted.recorded_before) if moment]
    return replace(wanted, recorded_from=max(starts, default=None), recorded_before=min(ends, default=None))


def _narrow_words(wanted: LogFilter, criterion: Criterion) -> LogFilter:
    codes = [value.code or "" for value in criterion.values if isinstance(value, Token)]
    if criterion.name == "subtype":
        return replace(wanted, actions=tuple(_INTERACTIONS.get(code, code) for code in codes))
    outcomes = tuple(outcome for outcome, code in OUTCOMES.items() if code in codes)
    if not outcomes:
        raise InvalidParameter(f"outcome is one of {', '.join(OUTCOMES.values())}", "outcome")
    return replace(wanted, outcomes=outcomes)


def _one(criterion: Criterion) -> object:
    if len(criterion.values) > 1:
        raise InvalidParameter(f"{criterion.name} takes one value", criterion.name)
    return criterion.values[0]


def _read_position(query: Query) -> LogPosition | None:
    if not query.position:
        return None
    try:
        return read_position(str(query.position[0]))
    except InvalidPosition as error:
        raise InvalidParameter(str(error), "_page") from error


def _make(events: tuple[AuditEvent, ...]) -> list[Resource]:
    keys = {event.patient_id for event in events if event.patient_id is not None}
    labels, source = find_patient_labels(keys), source_label()
    return [audit_event_resource(event, labels, source) for event in events]


def _record(actor: Actor, detail: Resource, patient_id: int | None) -> None:
    with write_transaction():
        audit.record(actor, "audit_read", door="fhir", patient_id=patient_id, detail=detail)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


DOOR = ResourceDoor(
    type="AuditEvent",
    documentation="The access log, newest first, for those who review it: the events of their own care unit.",
    read=read_audit_event,
    search=search_audit_events,
    parameters=PARAMETERS,
    sorts=("-date",),
)
