"""Encounter: what of a visit is told, to whom, and how it is found."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.fhir.door import Asked
from registry.fhir.resources.encounter import read_encounter
from registry.models import Encounter, PatientFlag
from tests.registry.factories import make_actor, make_department
from tests.registry.fhir.oracle import check_resource
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, ids_of, make_known

pytestmark = pytest.mark.django_db
ISSUER = "1.2.752.99.7"


def make_encounter(department, patient, number="V1", **values):
    values = {"started_at": datetime(2026, 3, 2, 10, tzinfo=UTC), "patient_class": "I"} | values
    return Encounter.objects.create(
        patient=patient, number=number, issuer=ISSUER, department=department, **values
    )


@pytest.fixture
def visit(department):
    return make_encounter(department, make_known(department).person)


def test_a_visit_is_read(ask, visit, department):
    resource = ask(f"Encounter/{visit.pk}").json()
    check_resource(resource)
    assert resource["identifier"] == [{"system": f"urn:oid:{ISSUER}", "value": "V1"}]
    assert (resource["status"], resource["class"]["code"]) == ("in-progress", "IMP")
    assert datetime.fromisoformat(resource["period"]["start"]) == visit.started_at
    assert resource["subject"]["reference"] == f"Patient/{visit.patient_id}"
    assert resource["serviceProvider"]["identifier"]["value"] == department.hsa_id
    event = AuditEvent.objects.get(action="read", door="fhir")
    assert (event.patient_id, event.detail["encounter"]) == (visit.patient_id, visit.pk)


def test_a_visit_of_another_provider_looks_unknown(ask, visit, token_of):
    stranger = token_of(make_department(), "read")
    hidden, unknown = ask(f"Encounter/{visit.pk}", token=stranger), ask("Encounter/999999", token=stranger)
    assert (hidden.status_code, hidden.content) == (404, unknown.content)
    assert ask(f"Encounter?patient.identifier={SYSTEM}|{NUMBER}", token=stranger).json()["total"] == 0


def test_a_visit_to_a_place_that_nobody_knows_is_nobodys(ask, department):
    lost = make_encounter(None, make_known(department).person)
    assert ask(f"Encounter/{lost.pk}").status_code == 404


def test_parameters(ask, department, visit):
    over = make_encounter(
        department, visit.patient, "V2", patient_class="E", ended_at=datetime(2026, 3, 2, 12, tzinfo=UTC)
    )
    planned = make_encounter(
        department, visit.patient, "V3", patient_class="O", started_at=timezone.now() + timedelta(days=2)
    )
    unclear = make_encounter(department, visit.patient, "V4", patient_class="", started_at=None)
    everyone = {str(row.pk) for row in (visit, over, planned, unclear)}
    for query, expected in {
        f"patient.identifier={SYSTEM}|{NUMBER}": everyone,
        f"patient=Patient/{visit.patient_id}": everyone,
        "identifier=V2": {str(over.pk)},
        f"identifier=urn:oid:{ISSUER}|V3": {str(planned.pk)},
        "status=finished": {str(over.pk)},
        "status=planned,unknown": {str(planned.pk), str(unclear.pk)},
        "status=in-progress": {str(visit.pk)},
        "date=2026-03-02": {str(visit.pk), str(over.pk)},
        f"service-provider.identifier={department.hsa_id}": everyone,
        f"_id={over.pk}": {str(over.pk)},
    }.items():
        assert set(ids_of(ask(f"Encounter?{query}"))) == expected, query


def test_of_a_protected_identity_no_place_is_told_to_people(department, visit):
    asked = Asked(make_actor(department), "https://samsyn.example/fhir")
    assert "serviceProvider" in read_encounter(asked, str(visit.pk))
    PatientFlag.objects.create(patient=visit.patient, kind="protected_2", registered_at=timezone.now())
    assert "serviceProvider" not in read_encounter(asked, str(visit.pk))
