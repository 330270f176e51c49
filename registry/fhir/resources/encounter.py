"""Encounter: visits and admissions, decided as what belongs to their department.

The place is left out of one whose patient's identity is protected.

Standard: FHIR R4 Encounter
"""

from collections.abc import Sequence

from django.db.models import Q
from django.utils import timezone

from access import audit
from access.database import write_transaction
from access.policy import Decision
from registry.document_visibility import visible_encounters
from registry.fhir.conditions import any_of, date_condition, hsa_ids_of, number_condition, tokens_of
from registry.fhir.dates import instant
from registry.fhir.directory import refer_to_organization
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.identifiers import identifier_of
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.resources.included import include_patients
from registry.fhir.scan import key_of, require_read, scan
from registry.fhir.structure import Resource
from registry.fhir.subjects import refer_to_patients
from registry.models import Encounter

ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CLASSES = {
    "I": ("IMP", "inpatient encounter"),
    "O": ("AMB", "ambulatory"),
    "E": ("EMER", "emergency"),
    "P": ("PRENC", "pre-admission"),
}
"""HL7 table 0004 as ActEncounterCode; a class that is not listed is told by its own letter."""
OWN_CLASSES = "http://terminology.hl7.org/CodeSystem/v2-0004"
PARAMETERS = (
    SearchParameter("_id", "token", "The id"),
    SearchParameter("identifier", "token", "The visit's number, as number or system|number"),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("status", "token", "planned, in-progress, finished or unknown"),
    SearchParameter("date", "date", "When it began"),
    SearchParameter("service-provider", "reference", "The department visited", target="Organization"),
    SearchParameter("service-provider.identifier", "token", "The department visited, by HSA-id"),
)
MASK = "mask"


def read_encounter(asked: Asked, key: str) -> Resource:
    """Read a visit.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    require_read(asked)
    found = visible_encounters(asked.actor, Encounter.objects.filter(pk=key_of(key)))
    if not found:
        raise UnknownResource("no such Encounter")
    encounter, decision = found[0]
    with write_transaction():
        audit.record(
            asked.actor,
            "read",
            door="fhir",
            patient_id=encounter.patient_id,
            rule=decision.rule,
            reason=decision.reason,
            basis=decision.basis,
            detail={"encounter": encounter.pk},
        )
    return _make_all(found)[0]


def search_encounters(asked: Asked, query: Query) -> Found:
    """Search visits, newest first."""
    require_read(asked)
    condition = Q()
    patients = find_patient_ids(asked, query.of("patient", "subject", "patient.identifier"))
    if patients is not None:
        condition &= Q(patient__in=patients)
    for criterion in query.criteria:
        condition &= _condition_of(asked, criterion)
    page = scan(asked.actor, Encounter.objects.filter(condition).order_by("-pk"), query, visible_encounters)
    included: list[Resource] = []
    if {"Encounter:patient", "Encounter:subject"} & query.included:
        included += include_patients(asked, (encounter.patient_id for encounter, _ in page.rows))
    detail = {"resource": "Encounter", "query": dict(query.applied), "results": len(page.rows)}
    with write_transaction():
        audit.record(asked.actor, "search", door="fhir", detail=detail)
    return Found(tuple(_make_all(page.rows)), page.position, included=tuple(included))


def _condition_of(asked: Asked, criterion: Criterion) -> Q:
    name, tokens = criterion.name, tokens_of(criterion)
    if name == "_id":
        return Q(pk__in=[key_of(token.code or "") for token in tokens])
    if name == "identifier":
        return any_of(number_condition(token, "number", "issuer") for token in tokens)
    if name == "status":
        return any_of(_status_condition(token.code or "") for token in tokens)
    if name == "date":
        return any_of(date_condition("started_at", value, name) for value in criterion.values)
    if name.startswith("service-provider"):
        return Q(department__hsa_id__in=hsa_ids_of(asked, criterion))
    return Q()  # the patient's: asked for all of them at once


def _status_condition(status: str) -> Q:
    now = timezone.now()
    return {
        "planned": Q(started_at__gt=now),
        "in-progress": Q(started_at__lte=now) & (Q(ended_at=None) | Q(ended_at__gt=now)),
        "finished": Q(started_at__lte=now, ended_at__lte=now),
        "unknown": Q(started_at=None),
    }.get(status, Q(pk__in=[]))


def _status_of(encounter: Encounter) -> str:
    now = timezone.now()
    if encounter.started_at is None:
        return "unknown"
    if encounter.started_at > now:
        return "planned"
    return "finished" if encounter.ended_at and encounter.ended_at <= now else "in-progress"


def _make_all(found: Sequence[tuple[Encounter, Decision]]) -> list[Resource]:
    subjects = refer_to_patients(encounter.patient_id for encounter, _ in found)
    return [_make(encounter, why, subjects[encounter.patient_id]) for encounter, why in found]


def _make(encounter: Encounter, decision: Decision, subject: Resource) -> Resource:
    period = {
        name: instant(moment)
        for name, moment in (("start", encounter.started_at), ("end", encounter.ended_at))
        if moment
    }
    resource: Resource = {
        "resourceType": "Encounter",
        "id": str(encounter.pk),
        "identifier": [identifier_of(encounter.issuer, encounter.number)],
        "status": _status_of(encounter),
        "class": _class_of(encounter.patient_class),
        "subject": subject,
    }
    if period:
        resource["period"] = period
    if encounter.department is not None and MASK not in decision.obligations:
        resource["serviceProvider"] = refer_to_organization(encounter.department)
    return resource


def _class_of(letter: str) -> Resource:
    if letter in CLASSES:
        code, display = CLASSES[letter]
        return {"system": ACT_CODES, "code": code, "display": display}
    return {"system": OWN_CLASSES, "code": letter or "U"}


DOOR = ResourceDoor(
    type="Encounter",
    documentation="Visits and admissions that the actor may see: those of its own department and care provider.",
    read=read_encounter,
    search=search_encounters,
    parameters=PARAMETERS,
    includes=("Encounter:patient", "Encounter:subject"),
)
