"""What a filter may ask of a study, read in a few queries."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from access.models import Department
from registry.contacts import find_protected
from registry.harmonise.read import read_values
from registry.models import CareRelation, Encounter, Order, PatientAddress, Series, Study
from registry.wishes.filter import TESTS

URGENT_WORDS = ("urgent", "URGENT", "stat", "STAT", "asap", "ASAP")
"""Urgencies of an order that make it an emergency, as HL7 v2 and FHIR bring them."""
EMERGENCY_CLASS = "E"
CANCELLED = "cancelled"
AT_HOME = ("", "home")
"""Uses of an address that is where a person lives."""
AREA_PARTS = ("city", "district", "state")


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """A study as filters see it; places are the HSA ids of department, unit and provider.

    Parameters
    ----------
    performing
        Where it was made: of the custodian and of the orders.
    systems
        Clients and AE titles that brought its series.
    postal_code, areas
        Where the patient lives, areas as `registry.contacts` writes them for search; nothing of a protected identity.
    related_units, related_departments
        Which have an active care relation to the patient, or an encounter that is going on, by key.
    """

    custodian_id: int | None = None
    modality_family: str = ""
    body_regions: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    procedure_code: str = ""
    source: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()
    ordering: frozenset[str] = frozenset()
    performing: frozenset[str] = frozenset()
    urgencies: frozenset[str] = frozenset()
    patient_classes: frozenset[str] = frozenset()
    postal_code: str = ""
    areas: frozenset[str] = frozenset()
    related_units: frozenset[int] = frozenset()
    related_departments: frozenset[int] = frozenset()
    state: str = "in_progress"
    has_final_report: bool = False


def read_facts(
    study: Study, now: datetime | None = None, asked: Container[str] = frozenset(TESTS)
) -> StudyFacts:
    """Read the facts of a study.

    Parameters
    ----------
    asked
        Tests that filters may make of them: what none asks for and only a query can tell stays empty.
    """
    now = now or timezone.now()
    postal_code, areas = _residence_of(study, asked)
    values = read_values([study.pk]).get(study.pk)
    orders = list(
        Order.objects.filter(studies=study.pk)
        .exclude(status=CANCELLED)
        .select_related(
            "ordering_department__unit__provider", "performing_department__unit__provider", "encounter"
        )
        .order_by("pk")
    )
    custodian = study.custodian
    source = places_of(custodian)
    performing = source.union(*(places_of(order.performing_department) for order in orders))
    encounters = list(open_encounters(study.person_id, now))
    return StudyFacts(
        custodian_id=study.custodian_id,
        modality_family=values.modality_family if values else "",
        body_regions=frozenset(values.body_regions if values else ()),
        modalities=frozenset(study.modalities_in_study),
        procedure_code=values.procedure_code if values else "",
        source=source,
        systems=_systems_of(study) if "source_system" in asked else frozenset(),
        ordering=frozenset().union(*(places_of(order.ordering_department) for order in orders)),
        performing=performing,
        urgencies=frozenset(order.urgency for order in orders),
        patient_classes=frozenset(order.encounter.patient_class for order in orders if order.encounter),
        postal_code=postal_code,
        areas=areas,
        related_units=frozenset(active_relations(study.person_id, now)) | {unit for _, unit in encounters},
        related_departments=frozenset(department for department, _ in encounters),
        state=study.state,
        has_final_report=study.final_at is not None,
    )


def _systems_of(study: Study) -> frozenset[str]:
    there = Series.objects.filter(study=study, number_of_series_related_instances__gt=0)
    pairs = there.values_list("stored_by", "stored_by_ae_title").distinct()
    return frozenset(name for pair in pairs for name in pair if name)


def _residence_of(study: Study, asked: Container[str]) -> tuple[str, frozenset[str]]:
    """Return postal code and areas where the patient lives; empty for a protected identity."""
    postal_code = study.person.postal_code.replace(" ", "") if "residence" in asked else ""
    texts: list[str] = []
    if "residence_area" in asked:
        rows = PatientAddress.objects.filter(patient=study.person_id, use__in=AT_HOME)
        texts = list(rows.values_list("search_text", flat=True))
    if (not postal_code and not texts) or find_protected([study.person_id]):
        return "", frozenset()
    return postal_code, frozenset(line for text in texts for line in text.split("\n") if line)


def places_of(department: Department | None) -> frozenset[str]:
    """Return the HSA ids by which a department may be named: its own, its unit's, its provider's."""
    if department is None:
        return frozenset()
    return frozenset({department.hsa_id, department.unit.hsa_id, department.unit.provider.hsa_id})


def is_code(area: str) -> bool:
    """Tell whether an area is named by its code: county, municipality and parish, two digits each."""
    return area.isascii() and area.isdigit()


def active_relations(patient_id: int, now: datetime) -> Iterable[int]:
    """Return the units with an active relation to a patient, that of one person alone left out."""
    rows = CareRelation.objects.filter(is_active(now), patient=patient_id)
    return rows.values_list("unit_id", flat=True)


def is_active(now: datetime) -> Q:
    """Return the condition under which a care relation counts for its unit."""
    return Q(user=None, ended_at=None, valid_from__lte=now, valid_to__gt=now)


def is_open(now: datetime) -> Q:
    """Return the condition under which an encounter is going on."""
    began = Q(started_at=None) | Q(started_at__lte=now)
    return began & (Q(ended_at=None) | Q(ended_at__gt=now)) & Q(department__isnull=False)


def open_encounters(patient_id: int, now: datetime) -> Iterable[tuple[int, int]]:
    """Return department and unit of the encounters of a patient that are going on."""
    rows = Encounter.objects.filter(is_open(now), patient=patient_id)
    for department_id, unit_id in rows.values_list("department_id", "department__unit_id"):
        if department_id is not None and unit_id is not None:
            yield department_id, unit_id
