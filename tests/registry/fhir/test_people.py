"""People at the FHIR door: the session is the credential, the assignment says what they may, forged requests are refused."""

import orjson
import pytest
from django.test import Client

from access.assignments import give_role
from access.models import Role, User
from registry.models import Consent
from tests.registry.fhir.consent_rows import ask_for_consent, make_consent, make_patient, make_relation
from tests.registry.fhir.oracle import check_resource

pytestmark = pytest.mark.django_db
JSON = "application/fhir+json"


@pytest.fixture
def patient(db):
    return make_patient()


@pytest.fixture
def enter(department):
    """Return a function that logs a person in who has one role in the department."""

    def make(*permissions: str) -> Client:
        user = User.objects.create(username=f"person-{'-'.join(permissions)}", hsa_id="SE-P9")
        role = Role.objects.create(code="-".join(permissions), name="Role", permissions=list(permissions))
        give_role(user, role, department)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(user)
        return browser

    return make


def test_a_nurse_reads_and_registers_consents_of_patients_in_care(enter, patient, department):
    row = make_consent(patient, recipient_unit=department.unit)
    nurse = enter("grant_consent")
    path = f"/fhir/Consent/consent-{row.pk}"
    assert nurse.get(path).status_code == 404
    make_relation(patient, department.unit)
    read = nurse.get(path)
    check_resource(read.json())
    assert read.status_code == 200
    body = orjson.dumps(ask_for_consent(department.unit.hsa_id))
    made = nurse.post("/fhir/Consent", body, JSON, headers={"Origin": "http://testserver"})
    assert made.status_code == 201
    assert Consent.objects.latest("pk").registered_by == "person-grant_consent"


def test_a_page_of_another_site_cannot_register(enter, patient, department):
    nurse = enter("grant_consent")
    body = orjson.dumps(ask_for_consent(department.unit.hsa_id))
    for headers in ({}, {"Origin": "https://evil.example"}):
        refused = nurse.post("/fhir/Consent", body, JSON, headers=headers)
        assert refused.status_code == 401
        check_resource(refused.json())
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("permission", "open_to"),
    [
        ("read_studies", {"ImagingStudy"}),
        ("review_access", {"AuditEvent"}),
        ("register_block", {"Consent"}),
        ("push", set()),
    ],
)
def test_the_assignment_says_what_is_open(enter, patient, permission, open_to):
    person = enter(permission)
    number = patient.identifiers.get()
    asked = f"patient.identifier=urn:oid:{number.issuer}|{number.value}"
    answers = {
        name: person.get(f"/fhir/{name}?{asked}") for name in ("ImagingStudy", "AuditEvent", "Consent")
    }
    assert {name for name, answer in answers.items() if answer.status_code == 200} == open_to
    assert {answer.status_code for answer in answers.values()} <= {200, 403}


def test_without_an_assignment_there_is_no_answer(department):
    browser = Client()
    browser.force_login(User.objects.create(username="nobody"))
    answer = browser.get("/fhir/ImagingStudy")
    assert answer.status_code == 401
    check_resource(answer.json())
