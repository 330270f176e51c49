"""Documents in by ITI-65 and ITI-105, found by ITI-67, and out by ITI-68."""

import base64
import copy
import hashlib
import json

import pytest

from access.models import AuditEvent
from registry.identity import PERSONNUMMER_OID
from registry.models import DocumentEntry, Patient, PatientIdentifier, SubmissionSet
from repository.models import StoredDocument
from tests.registry.factories import make_department, make_uid
from tests.registry.fhir.oracle import read_xml, write_xml
from tests.support.mhd import check_comprehensive_reference

NUMBER, SYSTEM = "191212121212", "http://electronichealth.se/identifier/personnummer"
TEXT = "Inga tecken till blödning.".encode()
MHD = "https://profiles.ihe.net/ITI/MHD"


@pytest.fixture
def patient(db):
    patient = Patient.objects.create(patient_name="Ek^Eva")
    PatientIdentifier.objects.create(patient=patient, value=NUMBER, issuer=PERSONNUMMER_OID, is_national=True)
    return patient


@pytest.fixture
def source(token_of, department):
    return token_of(department, "store", "read")


def concept(system, code):
    return {"coding": [{"system": system, "code": code, "display": code}]}


def make_reference(patient, **values):
    """Make a DocumentReference with the comprehensive metadata."""
    made = {
        "resourceType": "DocumentReference",
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"system": "urn:oid:1.2.3", "value": "L1"}],
                "name": [{"family": "Ek", "given": ["Eva"]}],
            }
        ],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{make_uid()}"},
        "status": "current",
        "type": concept("http://loinc.org", "18748-4"),
        "category": [concept("urn:oid:1.3.6.1.4.1.19376.1.2.6.1", "IMAGES")],
        "subject": {"reference": f"Patient/{patient.pk}"},
        "securityLabel": [concept("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "N")],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",
                    "language": "sv-SE",
                    "url": "urn:uuid:aaaaaaaa-0000-4000-8000-000000000003",
                    "hash": base64.b64encode(hashlib.sha1(TEXT).digest()).decode(),
                    "size": len(TEXT),
                    "title": "Svar",
                    "creation": "2026-11-24T08:00:00+01:00",
                },
                "format": {
                    "system": "http://dicom.nema.org/resources/ontology/DCMUID",
                    "code": "1.2.840.10008.5.1.4.1.1.88.59",
                },
            }
        ],
        "context": {
            "facilityType": concept("http://snomed.info/sct", "22232009"),
            "practiceSetting": concept("http://snomed.info/sct", "394914008"),
            "sourcePatientInfo": {"reference": "#p"},
        },
    }
    return made | values


def make_bundle(patient, reference=None, *more):
    """Make a bundle that provides one text."""
    reference = reference or make_reference(patient)
    held = {
        "resourceType": "List",
        "extension": [
            {
                "url": f"{MHD}/StructureDefinition/ihe-sourceId",
                "valueIdentifier": {"value": "urn:oid:1.2.752.9.1"},
            },
            {
                "url": f"{MHD}/StructureDefinition/ihe-designationType",
                "valueCodeableConcept": concept("http://loinc.org", "18748-4"),
            },
        ],
        "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986", "value": f"urn:oid:{make_uid()}"}],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": f"{MHD}/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": {"reference": f"Patient/{patient.pk}"},
        "date": "2026-11-24T08:00:00+01:00",
        "entry": [{"item": {"reference": "urn:uuid:aaaaaaaa-0000-4000-8000-000000000002"}}],
    }
    document = {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "data": base64.b64encode(TEXT).decode(),
    }
    parts = [(1, "List", held), (2, "DocumentReference", reference), (3, "Binary", document)]
    entries = [
        {
            "fullUrl": f"urn:uuid:aaaaaaaa-0000-4000-8000-00000000000{number}",
            "resource": resource,
            "request": {"method": "POST", "url": url},
        }
        for number, url, resource in parts
    ]
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{MHD}/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle"]},
        "type": "transaction",
        "entry": [*entries, *more],
    }


def send(ask, bundle, token, path=""):
    return ask(path, "POST", token=token, body=json.dumps(bundle))


def path_of(url):
    return url.partition("/fhir/")[2]


def errors_of(answer):
    assert 400 <= answer.status_code < 500, answer.content
    return [issue["details"]["text"] for issue in answer.json()["issue"]]


def test_a_bundle_is_registered_found_and_given_back(ask, patient, source):
    answer = send(ask, make_bundle(patient), source)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["type"] == "transaction-response"
    locations = [entry["response"]["location"] for entry in body["entry"]]
    assert [location.partition("/")[0] for location in locations] == ["List", "DocumentReference", "Binary"]
    assert all(entry["response"]["status"].startswith("201") for entry in body["entry"])
    query = f"patient.identifier={SYSTEM}|{NUMBER}&status=current"
    [found] = ask(f"DocumentReference?{query}", token=source).json()["entry"]
    check_comprehensive_reference(found["resource"])
    assert locations[1] == f"DocumentReference/{found['resource']['id']}"
    attachment = found["resource"]["content"][0]["attachment"]
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(TEXT).digest()).decode()
    [held] = ask(f"List?{query}&code=submissionset", token=source).json()["entry"]
    assert held["resource"]["entry"] == [{"item": {"reference": locations[1]}}]
    given = ask(path_of(attachment["url"]), token=source)
    assert b"".join(given.streaming_content) == TEXT
    assert (given.headers["Content-Type"], given.headers["Content-Length"]) == ("text/plain", str(len(TEXT)))
    known = ask(path_of(attachment["url"]), token=source, If_None_Match=given.headers["ETag"])
    assert known.status_code == 304
    assert AuditEvent.objects.filter(action="store", door="iti-65").count() == 1


def test_the_bytes_of_a_document_are_negotiated(ask, patient, source, token_of):
    location = send(ask, make_bundle(patient), source).json()["entry"][2]["response"]["location"]
    wrapped = ask(location, token=source, Accept="application/fhir+json").json()
    assert (wrapped["resourceType"], wrapped["contentType"]) == ("Binary", "text/plain")
    assert base64.b64decode(wrapped["data"]) == TEXT
    assert read_xml(ask(f"{location}?_format=xml", token=source).content)["contentType"] == "text/plain"
    assert ask(location, token=source, Accept="application/pdf").status_code == 406
    assert ask(location, "HEAD", token=source).headers["Content-Length"] == str(len(TEXT))
    assert ask(location, "POST", token=source).status_code == 405
    assert ask(location, token="").status_code == 401
    stranger = token_of(make_department(), "read")
    hidden = ask(location, token=stranger)
    unknown = ask("Binary/0c287d32-01e3-4d87-9953-9fcc9404eb21", token=stranger)
    assert (hidden.status_code, hidden.content, dict(hidden.headers)) == (
        404,
        unknown.content,
        dict(unknown.headers),
    )


def test_a_document_is_published_alone(ask, patient, source):
    sent = make_reference(patient, subject={"identifier": {"system": SYSTEM, "value": NUMBER}})
    attachment = sent["content"][0]["attachment"]
    del attachment["url"]
    attachment["data"] = base64.b64encode(TEXT).decode()
    answer = send(ask, sent, source, "DocumentReference")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert answer.headers["Location"].endswith(f"/fhir/DocumentReference/{made['id']}")
    assert (
        b"".join(ask(path_of(made["content"][0]["attachment"]["url"]), token=source).streaming_content)
        == TEXT
    )
    assert SubmissionSet.objects.count() == 1


def test_a_replaced_document_is_superseded_and_gone(ask, patient, source):
    first = send(ask, make_bundle(patient), source).json()["entry"]
    old, old_bytes = (first[n]["response"]["location"] for n in (1, 2))
    relation = [{"code": "replaces", "target": {"reference": old}}]
    patch = {
        "resource": {
            "resourceType": "Parameters",
            "parameter": [
                {
                    "name": "operation",
                    "part": [
                        {"name": "path", "valueString": "DocumentReference.status"},
                        {"name": "type", "valueCode": "replace"},
                        {"name": "value", "valueCode": "superseded"},
                    ],
                }
            ],
        },
        "request": {"method": "PATCH", "url": old},
    }
    answer = send(ask, make_bundle(patient, make_reference(patient, relatesTo=relation), patch), source)
    assert answer.status_code == 200, answer.content
    assert answer.json()["entry"][3]["response"]["location"] == old
    assert ask(old, token=source).json()["status"] == "superseded"
    assert ask(old_bytes, token=source).status_code == 410
    new = answer.json()["entry"][1]["response"]["location"]
    assert ask(new, token=source).json()["relatesTo"][0]["target"]["reference"] == old


def test_xml_is_taken_too(ask, patient, source):
    answer = ask(
        "", "POST", token=source, body=write_xml(make_bundle(patient)), Content_Type="application/fhir+xml"
    )
    assert answer.status_code == 200, answer.content
    assert DocumentEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (
            lambda entries: entries[1]["resource"]["content"][0]["attachment"].update(size=1),
            "XDSRepositoryMetadataError",
        ),
        (
            lambda entries: entries[1]["resource"]["content"][0]["attachment"].update(
                hash="Ck1VqNd45QIvq3AZd8XYQLvEhtA="
            ),
            "XDSRepositoryMetadataError",
        ),
        (lambda entries: entries.pop(2), "XDSMissingDocument"),
        (
            lambda entries: entries[1]["resource"]["content"][0]["attachment"].update(
                url="https://x.example/1"
            ),
            "XDSMissingDocumentMetadata",
        ),
        (
            lambda entries: entries[1]["resource"].update(subject={"reference": "Patient/99999"}),
            "XDSUnknownPatientId",
        ),
        (lambda entries: entries[1]["resource"].pop("type"), "XDSRegistryMetadataError"),
        (
            lambda entries: entries[1]["resource"].update(
                relatesTo=[
                    {
                        "code": "replaces",
                        "target": {"reference": "DocumentReference/0c287d32-01e3-4d87-9953-9fcc9404eb21"},
                    }
                ]
            ),
            "UnresolvedReferenceException",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(ask, patient, source, spoil, code):
    bundle = copy.deepcopy(make_bundle(patient))
    spoil(bundle["entry"])
    assert code in errors_of(send(ask, bundle, source))
    assert not DocumentEntry.objects.exists()
    assert not SubmissionSet.objects.exists()
    assert not StoredDocument.objects.exists()


def test_who_may_not_store_provides_nothing(ask, patient, token_of, department):
    assert send(ask, make_bundle(patient), token_of(department, "read")).status_code == 403
    assert (
        send(ask, make_bundle(patient) | {"type": "batch"}, token_of(department, "store")).status_code == 400
    )
    assert send(ask, make_bundle(patient) | {"entry": []}, token_of(department, "store")).status_code == 400
