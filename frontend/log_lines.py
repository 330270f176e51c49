"""The access log as lines: who did what with whom, why and from where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from access.audit_export.reasons import explain_event
from access.models import AuditEvent, Department, User
from frontend.log_words import name_action, name_door, name_outcome
from frontend.people import describe_fault, format_name, format_number
from frontend.reports import Tone
from registry.models import Patient, Study

SHOWN_STUDIES = 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event in words. `patient_pk` leads to nowhere by itself: a page opens by its own rule."""

    pk: int
    at: datetime
    who: str
    where: str
    action: str
    patient: str
    number: str
    number_fault: str
    study: str
    outcome: str
    tone: Tone
    why: str
    rule: str
    stated: str
    door: str
    address: str
    images: int


def make_lines(events: Sequence[AuditEvent], *, names_patients: bool = True) -> tuple[LogLine, ...]:
    """Put events into words; four queries whatever their number."""
    people = _people_of(events)
    places = {row.hsa_id: str(row) for row in _departments_of(events)}
    patients = _patients_of(events) if names_patients else {}
    studies = _studies_of(events)
    return tuple(_make_line(event, people, places, patients, studies) for event in events)


def _make_line(
    event: AuditEvent,
    people: dict[str, str],
    places: dict[str, str],
    patients: dict[int, Patient],
    studies: dict[str, str],
) -> LogLine:
    patient = patients.get(event.patient_id or 0)
    numbers = (
        sorted(patient.identifiers.all(), key=lambda row: (not row.is_national, row.pk)) if patient else []
    )
    outcome, tone = name_outcome(event.outcome)
    who = people.get(event.actor, event.actor)
    if event.on_behalf_of:
        who = _("%(system)s for %(person)s") % {
            "system": who,
            "person": people.get(event.on_behalf_of, event.on_behalf_of),
        }
    span = getattr(event, "span", None)
    return LogLine(
        pk=event.pk,
        at=event.recorded_at,
        who=who,
        where=", ".join(part for part in (event.role, places.get(event.department_hsa_id, "")) if part),
        action=name_action(event.action),
        patient=format_name(patient.patient_name) if patient else "",
        number=format_number(numbers[0]) if numbers else "",
        number_fault=describe_fault(numbers[0]) if numbers else "",
        study=studies.get(event.study_instance_uid, ""),
        outcome=outcome,
        tone=tone,
        why=explain_event(event, get_language() or "sv"),
        rule=event.rule,
        stated=str(event.detail.get("stated_reason") or event.detail.get("text") or ""),
        door=name_door(event.door),
        address=event.address,
        images=span.instances if span else 0,
    )


def _people_of(events: Iterable[AuditEvent]) -> dict[str, str]:
    """Return names by user name; of a person whose identity is protected nothing: the log says the role."""
    usernames = {name for event in events for name in (event.actor, event.on_behalf_of) if name}
    rows = User.objects.filter(username__in=usernames)
    return {row.username: _("Protected identity") if row.is_protected else _full_name(row) for row in rows}


def _full_name(user: User) -> str:
    return user.get_full_name() or user.username


def _departments_of(events: Iterable[AuditEvent]) -> Iterable[Department]:
    hsa_ids = {event.department_hsa_id for event in events if event.department_hsa_id}
    return Department.objects.filter(hsa_id__in=hsa_ids).select_related("unit")


def _patients_of(events: Iterable[AuditEvent]) -> dict[int, Patient]:
    keys = {event.patient_id for event in events if event.patient_id}
    return Patient.objects.prefetch_related("identifiers").in_bulk(keys)


def _studies_of(events: Iterable[AuditEvent]) -> dict[str, str]:
    uids = [event.study_instance_uid for event in events if event.study_instance_uid][:SHOWN_STUDIES]
    rows = Study.objects.filter(study_instance_uid__in=uids).only("study_instance_uid", "study_description")
    return {row.study_instance_uid: row.study_description or _("Study without description") for row in rows}
