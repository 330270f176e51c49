"""ITI-106: a document comes alone; its metadata is what it says of itself."""

import base64
import json

import pytest

from access.models import AuditEvent
from registry.models import DocumentEntry, Patient, PatientIdentifier, SubmissionSet
from tests.registry.factories import make_uid
from tests.registry.fhir.oracle import write_xml
from tests.repository.fhir.test_documents import (
    NUMBER,
    SYSTEM,
    errors_of,
    path_of,
    patient,  # noqa: F401 (fixture)
    source,  # noqa: F401 (fixture)
)
from tests.support.mhd import check_comprehensive_reference

OPERATION = "DocumentReference/$generate-metadata"


def make_cda(unique_id: str, number: str = NUMBER, head: str = "") -> bytes:
    """Make a CDA with a head and one section."""
    return f"""{head}<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="{unique_id}"/>
<code code="68604-8" codeSystem="2.16.840.1.113883.6.1" displayName="Radiology report"/><title>Röntgensvar</title>
<effectiveTime value="202611240830+0100"/><confidentialityCode code="R" codeSystem="2.16.840.1.113883.5.25"/>
<languageCode code="sv-SE"/>
<recordTarget><patientRole><id root="1.2.3" extension="L1"/><id root="1.2.752.129.2.1.3.1" extension="{number}"/>
<patient><name><given>Eva</given><family>Ek</family></name><administrativeGenderCode code="F"
codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19121212"/></patient></patientRole></recordTarget>
<author><time value="20261124"/><assignedAuthor><id root="1.2.752.129.2.1.4.1" extension="SE-7"/>
<assignedPerson><name><given>Åsa</given><family>Öberg</family></name></assignedPerson>
<representedOrganization><id root="1.2.752.129.2.1.4.1" extension="SE-8"/><name>Röntgen</name>
</representedOrganization></assignedAuthor></author>
<documentationOf><serviceEvent><effectiveTime><low value="20261123"/><high value="20261124"/></effectiveTime>
</serviceEvent></documentationOf></ClinicalDocument>""".encode()


def make_fhir_document(unique_id: str, **values) -> dict:
    """Make a FHIR document about the patient."""
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "language": "sv-SE",
        "status": "final",
        "type": {
            "coding": [{"system": "http://loinc.org", "code": "68604-8", "display": "Radiology report"}]
        },
        "subject": {"reference": "Patient/7"},
        "date": "2026-11-24T08:30:00+01:00",
        "author": [{"reference": "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001"}],
        "title": "Röntgensvar",
        "confidentiality": "R",
        "event": [{"period": {"start": "2026-11-23", "end": "2026-11-24"}}],
    }
    people = [
        (
            "https://other.example/fhir/Patient/7",
            {
                "resourceType": "Patient",
                "id": "7",
                "identifier": [
                    {"system": "urn:oid:1.2.3", "value": "L1"},
                    {"system": SYSTEM, "value": NUMBER},
                ],
                "name": [{"family": "Ek", "given": ["Eva"]}],
            },
        ),
        (
            "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001",
            {
                "resourceType": "Practitioner",
                "id": "p",
                "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": "SE-7"}],
                "name": [{"family": "Öberg", "given": ["Åsa"]}],
            },
        ),
    ]
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{unique_id}"},
        "timestamp": "2026-11-24T08:30:00+01:00",
        "entry": [
            {"fullUrl": "https://other.example/fhir/Composition/c", "resource": composition | values},
            *({"fullUrl": url, "resource": resource} for url, resource in people),
        ],
    }


def in_binary(content: bytes, media_type: str = "text/xml") -> dict:
    return {
        "resourceType": "Binary",
        "contentType": media_type,
        "data": base64.b64encode(content).decode(),
    }


def generate(ask, document, token):
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "document", "resource": document}]}
    return ask(OPERATION, "POST", token=token, body=json.dumps(parameters))


def read_made(ask, answer, token) -> dict:
    """Return the DocumentReference that an answer refers to."""
    assert answer.status_code == 200, answer.content
    [told] = answer.json()["parameter"]
    assert told["name"] == "DocumentReference"
    made: dict = ask(told["valueReference"]["reference"], token=token).json()
    check_comprehensive_reference(made)
    return made


def check_metadata(made: dict, unique_id: str) -> None:
    """Hold what was made to what both documents say."""
    attachment = made["content"][0]["attachment"]
    assert made["masterIdentifier"]["value"] == f"urn:oid:{unique_id}"
    assert made["type"]["coding"][0]["code"] == "68604-8"
    assert made["securityLabel"][0]["coding"][0]["code"] == "R"
    assert (attachment["title"], attachment["language"]) == ("Röntgensvar", "sv-SE")
    assert attachment["creation"] == "2026-11-24T07:30:00Z"
    assert made["context"]["period"] == {"start": "2026-11-23", "end": "2026-11-24"}
    assert made["subject"]["identifier"]["value"] == NUMBER
    assert "SE-7" in str(made["contained"])
    assert "Öberg" in str(made["contained"])


def test_a_cda_says_what_it_is(ask, patient, source):  # noqa: F811
    unique_id = make_uid()
    content = make_cda(unique_id)
    made = read_made(ask, generate(ask, in_binary(content), source), source)
    check_metadata(made, unique_id)
    assert "Röntgen" in str(made["contained"])
    address = path_of(made["content"][0]["attachment"]["url"])
    assert b"".join(ask(address, token=source).streaming_content) == content
    assert DocumentEntry.objects.get().patient == patient
    assert SubmissionSet.objects.count() == 1
    assert AuditEvent.objects.filter(action="store", door="iti-106").count() == 1


@pytest.mark.parametrize("form", ["bundle", "json", "xml"])
def test_a_fhir_document_says_what_it_is(ask, patient, source, form):  # noqa: F811
    unique_id = make_uid()
    document = make_fhir_document(unique_id)
    if form == "json":
        document = in_binary(json.dumps(document).encode(), "application/fhir+json")
    elif form == "xml":
        document = in_binary(write_xml(document), "application/fhir+xml; charset=utf-8")
    made = read_made(ask, generate(ask, document, source), source)
    check_metadata(made, unique_id)
    assert (
        made["content"][0]["attachment"]["contentType"]
        == f"application/fhir+{'xml' if form == 'xml' else 'json'}"
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(type="collection"),
        lambda document: document["entry"].pop(0),
        lambda document: document["entry"].pop(1),  # the patient
        lambda document: document.pop("identifier"),
        lambda document: document["entry"][0]["resource"].update(subject={"reference": "Practitioner/p"}),
    ],
)
def test_what_is_no_document_of_a_patient_is_refused(ask, patient, source, spoil):  # noqa: F811
    document = make_fhir_document(make_uid())
    document["entry"][0]["resource"]["subject"] = {"reference": f"Patient/{patient.pk}"}
    document["entry"][1]["resource"]["id"] = str(patient.pk)
    spoil(document)
    assert generate(ask, document, source).status_code == 422
    assert not DocumentEntry.objects.exists()


@pytest.mark.parametrize(
    "document",
    [
        in_binary(b"%PDF-1.4", "application/pdf"),
        in_binary(make_cda("1.2.3.4", head="<!DOCTYPE a>")),
        in_binary(b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/></ClinicalDocument>'),
        {"resourceType": "Binary", "contentType": "text/xml", "data": "%"},
        {"resourceType": "Basic", "code": {"text": "x"}},
    ],
)
def test_what_cannot_be_read_is_refused(ask, patient, source, document):  # noqa: F811
    assert generate(ask, document, source).status_code == 422
    assert not DocumentEntry.objects.exists()


def test_a_patient_whom_nobody_knows_is_refused_and_nothing_kept(ask, patient, source):  # noqa: F811
    answer = generate(ask, in_binary(make_cda(make_uid(), "189001019802")), source)
    assert errors_of(answer) == ["XDSUnknownPatientId"]
    assert not DocumentEntry.objects.exists()


def test_numbers_of_two_patients_are_nobody_s(ask, patient, source):  # noqa: F811
    other = Patient.objects.create(patient_name="Al^Bo")
    PatientIdentifier.objects.create(patient=other, value="L1", issuer="1.2.3")
    answer = generate(ask, in_binary(make_cda(make_uid())), source)
    assert errors_of(answer) == ["XDSUnknownPatientId"]
    assert not DocumentEntry.objects.exists()


def test_it_is_for_those_who_store_and_in_the_capability_statement(ask, patient, department, token_of):  # noqa: F811
    reader = token_of(department, "read")
    assert generate(ask, in_binary(make_cda(make_uid())), reader).status_code == 403
    assert ask(OPERATION, token=reader).status_code == 405
    assert ask(OPERATION, "POST", token="", body="{}").status_code == 401
    resources = {one["type"]: one for one in ask("metadata").json()["rest"][0]["resource"]}
    assert [one["name"] for one in resources["DocumentReference"]["operation"]] == ["generate-metadata"]
