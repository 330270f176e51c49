"""Consent, created and ended: rows of the registry, its checks, and a FHIR client at the other end."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from fhirclient import client
from fhirclient.models.consent import Consent as ClientConsent

from access.models import AuditEvent
from registry.fhir.consents.registering import keeper_of
from registry.fhir.xml_format import xml_of_resource
from registry.models import Block, BlockLift, Consent
from tests.registry.factories import make_actor, make_department, make_region_actor
from tests.registry.fhir.consent_rows import (
    NOW,
    ask_for_block,
    ask_for_consent,
    ask_for_lift,
    make_block,
    make_consent,
    make_lift,
    make_patient,
    make_user,
)
from tests.registry.fhir.oracle import check_resource, read_xml

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(db):
    return make_patient()


@pytest.fixture
def keeper(token_of):
    """Give the token of a system that keeps consents for the whole region."""
    return token_of(None, "consent")


@pytest.fixture
def post(ask, keeper):
    """Return a function that creates a Consent."""

    def send(resource, token=keeper, **headers):
        check_resource(resource)
        return ask("Consent", "POST", token=token, body=orjson.dumps(resource), **headers)

    return send


@pytest.fixture
def put(ask, keeper):
    """Return a function that sends a Consent back."""

    def send(resource, token=keeper, **headers):
        return ask(f"Consent/{resource['id']}", "PUT", token=token, body=orjson.dumps(resource), **headers)

    return send


def issue_of(answer):
    resource = answer.json()
    assert resource["resourceType"] == "OperationOutcome"
    return resource["issue"][0]


def test_a_consent_is_registered_and_read_back(ask, keeper, post, patient, department):
    answer = post(ask_for_consent(department.unit.hsa_id))
    row = Consent.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/fhir/Consent/consent-{row.pk}")
    assert answer.headers["ETag"] == 'W/"1"'
    assert "Last-Modified" in answer.headers
    assert (row.patient, row.recipient_unit, row.kind, row.text_version) == (
        patient,
        department.unit,
        "consent",
        "2026-1",
    )
    assert row.valid_to > NOW() + timedelta(days=6)
    read = ask(f"Consent/consent-{row.pk}", token=keeper)
    assert read.content == answer.content
    event = AuditEvent.objects.get(action="consent_register")
    assert (event.door, event.patient_id, event.detail["row"]) == ("fhir", patient.pk, f"consent:{row.pk}")


def test_incapacity_needs_its_basis(post, patient, department):
    def asked(**parts):
        texts = [{"url": name, "valueString": text} for name, text in parts.items()]
        return ask_for_consent(
            department.unit.hsa_id,
            sourceAttachment=None,
            category=[{"coding": [{"system": "urn:samsyn:consent-kind", "code": "incapacity"}]}],
            extension=[{"url": "urn:samsyn:consent-basis", "extension": texts}],
        )

    refused = post(asked(assessed_by="Dr Ek"))
    assert (refused.status_code, issue_of(refused)["code"]) == (422, "business-rule")
    basis = {"assessed_by": "Dr Ek", "attitude": "asked the family", "necessary_care": "stroke"}
    kept = post(asked(**basis))
    assert kept.status_code == 201
    assert Consent.objects.get().basis == basis


def test_a_block_is_registered_once(post, patient, department):
    asked = ask_for_block(department.unit.hsa_id, {"start": "2020-01-01"})
    assert post(asked).status_code == 201
    row = Block.objects.get()
    assert (row.patient, row.unit, row.data_from, row.data_to) == (patient, department.unit, "20200101", "")
    again = post(asked)
    assert (again.status_code, issue_of(again)["code"]) == (409, "duplicate")


def test_a_guardian_cannot_block(post, patient, department):
    guardian = {"type": "RelatedPerson", "display": "holder of custody"}
    assert post(ask_for_block(department.unit.hsa_id, performer=[guardian])).status_code == 422
    assert not Block.objects.exists()


def test_a_block_is_lifted_and_closed_again(ask, keeper, post, put, patient, department):
    block, unit = make_block(patient, unit=department.unit), make_department().unit
    answer = post(ask_for_lift(block.pk, unit.hsa_id))
    assert answer.status_code == 201
    lift = BlockLift.objects.get()
    assert (lift.unit, lift.basis, lift.requested_by) == (unit, "consent", "the patient")
    assert answer.headers["Location"].endswith(f"/Consent/lift-{lift.pk}")
    nested = ask(f"Consent/block-{block.pk}", token=keeper).json()["provision"]["provision"]
    assert nested == answer.json()["provision"]["provision"]
    ended = put(answer.json() | {"status": "inactive"})
    assert (ended.status_code, ended.json()["status"]) == (200, "inactive")
    assert "provision" not in ask(f"Consent/block-{block.pk}", token=keeper).json()["provision"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"days": 8}, 422),
        ({"reason": "short"}, 422),
        ({"purpose": "HRESCH"}, 422),
        ({"block_id": 999_999}, 422),
    ],
)
def test_a_lift_that_the_registry_does_not_take(post, patient, department, change, status):
    block = make_block(patient, unit=department.unit)
    asked = ask_for_lift(**{"block_id": block.pk, "hsa_id": department.unit.hsa_id, **change})
    assert post(asked).status_code == status
    assert not BlockLift.objects.exists()


def test_a_lift_of_an_absolute_or_cancelled_block_is_refused(post, patient, department):
    absolute = make_block(patient, unit=department.unit, is_absolute=True)
    cancelled = make_block(patient, unit=department.unit, cancelled_at=NOW())
    assert post(ask_for_lift(absolute.pk, department.unit.hsa_id)).status_code == 422
    assert post(ask_for_lift(cancelled.pk, department.unit.hsa_id)).status_code == 409


def test_a_lift_names_a_block_of_its_patient(post, patient, department):
    other = make_block(make_patient("201212121212"), unit=department.unit)
    answer = post(ask_for_lift(other.pk, department.unit.hsa_id))
    assert (answer.status_code, issue_of(answer)["expression"]) == (422, ["Consent.sourceReference"])


@pytest.mark.parametrize(
    "patient_element",
    [
        {"reference": "Patient/1"},
        {"identifier": {"value": "191212121212"}},
        {
            "identifier": {
                "system": "http://electronichealth.se/identifier/personnummer",
                "value": "202001012392",
            }
        },
        {
            "reference": "Patient/999999",
            "identifier": {
                "system": "http://electronichealth.se/identifier/personnummer",
                "value": "191212121212",
            },
        },
    ],
)
def test_a_patient_is_known_by_number(post, patient, department, patient_element):
    answer = post(ask_for_consent(department.unit.hsa_id, patient=patient_element))
    assert (answer.status_code, issue_of(answer)["expression"]) == (422, ["Consent.patient"])
    assert not Consent.objects.exists()


def test_what_cannot_be_held_is_422_with_its_element(post, patient, department):
    asked = ask_for_consent(department.unit.hsa_id)
    asked["provision"]["securityLabel"] = [{"system": "urn:x", "code": "R"}]
    answer = post(asked)
    assert (answer.status_code, issue_of(answer)["code"]) == (422, "business-rule")
    assert issue_of(answer)["expression"] == ["Consent.provision.securityLabel"]
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"resourceType": "Patient", "active": true}', 400),
        (b'{"resourceType": "Consent"}', 400),
    ],
)
def test_bodies_that_are_no_consent(ask, keeper, body, status):
    assert ask("Consent", "POST", token=keeper, body=body).status_code == status


def test_bodies_of_other_types_or_too_long(ask, keeper):
    assert ask("Consent", "POST", token=keeper, body=b"{}", Content_Type="text/plain").status_code == 415
    assert ask("Consent", "POST", token=keeper, body=b" " * (1 << 20) + b"{}").status_code == 413
    assert ask("Consent", "POST", token=keeper, body=b"{}", If_None_Exist="patient=1").status_code == 400


def test_xml_in_and_out(ask, keeper, patient, department):
    body = xml_of_resource(ask_for_consent(department.unit.hsa_id))
    answer = ask(
        "Consent",
        "POST",
        token=keeper,
        body=body,
        Content_Type="application/fhir+xml",
        Accept="application/fhir+xml",
    )
    assert answer.status_code == 201
    check_resource(read_xml(answer.content))
    assert Consent.objects.count() == 1


@pytest.mark.parametrize(
    ("preference", "kind"), [("return=minimal", None), ("return=OperationOutcome", "OperationOutcome")]
)
def test_what_comes_back_is_as_preferred(post, patient, department, preference, kind):
    answer = post(ask_for_consent(department.unit.hsa_id), Prefer=preference)
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == kind
    assert answer.headers["Location"]


def test_rights_are_those_of_the_registry(post, patient, department, token_of):
    own, other = token_of(department, "consent"), token_of(make_department(), "consent")
    reader = token_of(department, "read")
    for asked in (ask_for_consent(department.unit.hsa_id), ask_for_block(department.unit.hsa_id)):
        assert post(asked, token=reader).status_code == 403
        assert post(asked, token=other).status_code == 403
        assert post(asked, token=own).status_code == 201
    assert AuditEvent.objects.filter(outcome="refused", door="fhir").count() == 2


def test_a_system_for_a_person_has_the_rights_and_the_place_of_that_person(department):
    system = replace(make_region_actor(), permissions=frozenset({"read", "consent"}))
    alone = keeper_of(system)
    assert alone.permissions >= {"grant_consent", "register_block", "lift_block"}
    assert alone.scope.region_wide
    person = replace(make_actor(department), permissions=frozenset({"read", "grant_consent"}))
    together = keeper_of(replace(system, on_behalf_of=person))
    assert together.permissions & {"grant_consent", "register_block", "lift_block"} == {"grant_consent"}
    assert together.scope == person.scope
    for other in (person, replace(system, permissions=frozenset({"read"}))):
        assert keeper_of(other) == other


@pytest.mark.parametrize("status", ["inactive", "entered-in-error"])
def test_a_consent_is_withdrawn(ask, keeper, put, patient, department, status):
    row = make_consent(patient, recipient_unit=department.unit)
    known = ask(f"Consent/consent-{row.pk}", token=keeper).json()
    answer = put(known | {"status": status}, If_Match='W/"1"')
    assert (answer.status_code, answer.json()["status"], answer.headers["ETag"]) == (200, "inactive", 'W/"2"')
    row.refresh_from_db()
    assert row.withdrawn_by
    again = put(answer.json())
    assert (again.status_code, again.headers["ETag"]) == (200, 'W/"2"')


def test_a_block_is_cancelled_for_a_reason(put, patient, department):
    block = make_block(patient, unit=department.unit)
    short = {"resourceType": "Consent", "id": f"block-{block.pk}", "status": "inactive"}
    assert put(short).status_code == 422
    reason = [{"url": "urn:samsyn:reason", "valueString": "The patient took it back"}]
    answer = put(short | {"extension": reason})
    assert answer.status_code == 200
    assert answer.json()["extension"] == reason
    block.refresh_from_db()
    assert (block.cancel_reason, block.cancelled_at is not None) == ("The patient took it back", True)


def test_nothing_is_edited(ask, keeper, put, patient, department):
    row = make_consent(patient, recipient_unit=department.unit)
    known = ask(f"Consent/consent-{row.pk}", token=keeper).json()
    longer = known["provision"] | {"period": {"end": "2040-01-01"}}
    for change, element in (({}, "status"), ({"status": "inactive", "provision": longer}, "provision")):
        answer = put(known | change)
        assert (answer.status_code, issue_of(answer)["expression"]) == (422, [f"Consent.{element}"])
    stale = put(known | {"status": "inactive"}, If_Match='W/"7"')
    assert (stale.status_code, issue_of(stale)["code"]) == (412, "conflict")
    renamed = ask(
        f"Consent/consent-{row.pk}", "PUT", token=keeper, body=orjson.dumps(known | {"id": "consent-0"})
    )
    assert renamed.status_code == 400
    assert put(known | {"id": "consent-999999", "status": "inactive"}).status_code == 404
    row.refresh_from_db()
    assert row.withdrawn_at is None


def test_an_unseen_row_cannot_be_ended(put, patient, department, token_of):
    block = make_block(patient, unit=department.unit, is_silent=True)
    lift = make_lift(block, department.unit)
    other = token_of(make_department(), "consent")
    for key in (f"block-{block.pk}", f"lift-{lift.pk}"):
        assert (
            put({"resourceType": "Consent", "id": key, "status": "inactive"}, token=other).status_code == 404
        )


@pytest.mark.django_db(transaction=True)
def test_a_fhir_client_registers_finds_and_withdraws(live_server, patient, department, token_of):
    fhir = client.FHIRClient(settings={"app_id": "test", "api_base": f"{live_server.url}/fhir/"})
    fhir.server.session.headers["Authorization"] = f"Bearer {token_of(None, 'consent')}"
    fhir.prepare()
    user = make_user("SE-90")
    made = ClientConsent(ask_for_consent(user.hsa_id, "Practitioner"))
    created = made.create(fhir.server)
    assert created["resourceType"] == "Consent"
    search = ClientConsent.where(
        {"patient.identifier": "19121212-1212", "status": "active", "actor.identifier": "SE-90"}
    )
    [found] = search.perform_resources_iter(fhir.server)
    assert found.provision.type == "permit"
    found.status = "inactive"
    found.update(fhir.server)
    assert Consent.objects.get().withdrawn_at is not None
    assert list(search.perform_resources_iter(fhir.server)) == []
