"""FHIR on a running server, asked by a client of others: what was stored over DICOMweb is there, and only that."""

import json
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class
from fhirclient import client
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient

from tests.conformance.archive import Archive
from tests.support.http import bearer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def base(archive: Archive) -> str:
    return archive.wire.base.removesuffix("/dicom-web") + "/fhir"


@pytest.fixture(scope="module")
def fhir(archive: Archive, base: str) -> client.FHIRClient:
    made = client.FHIRClient(settings={"app_id": "checks", "api_base": f"{base}/"})
    made.server.session.headers.update(bearer(archive.token))
    made.prepare()
    return made


def list_qido(archive: Archive) -> dict[str, Any]:
    answer = requests.get(f"{archive.wire.base}/studies", headers=bearer(archive.token), timeout=20)
    return {row["0020000D"]["Value"][0]: row for row in answer.json()}


def test_the_same_studies_as_qido(archive: Archive, fhir: client.FHIRClient):
    rows = list_qido(archive)
    found = list(ImagingStudy.where({"_count": "2"}).perform_resources_iter(fhir.server))
    assert [study.id for study in found] == list(rows)
    for study in found:
        row = rows[study.id]
        assert study.numberOfSeries == row["00201206"]["Value"][0]
        assert study.numberOfInstances == row["00201208"]["Value"][0]
        assert sorted(coding.code for coding in study.modality) == sorted(row["00080061"]["Value"])
        assert sum(series.numberOfInstances for series in study.series) == study.numberOfInstances


def test_a_study_by_its_uid_and_its_patient(archive: Archive, fhir: client.FHIRClient):
    uid, row = next(iter(list_qido(archive).items()))
    [study] = ImagingStudy.where({"identifier": f"urn:oid:{uid}"}).perform_resources_iter(fhir.server)
    patient = Patient.read(study.subject.reference.partition("/")[2], fhir.server)
    number = patient.identifier[0]
    assert number.value
    token = f"{number.system}|{number.value}" if number.system else number.value
    same = ImagingStudy.where({"patient.identifier": token}).perform_resources_iter(fhir.server)
    assert uid in {other.id for other in same}
    assert study.endpoint[0].reference == "#wado-rs"
    assert study.contained[0].address == archive.wire.base
    assert row["00081190"]["Value"][0] == f"{study.contained[0].address}/studies/{uid}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("ImagingStudy/1.2.3", 404),
        ("ImagingStudy?started=yesterday", 400),
        ("Nothing", 404),
        ("Consent/consent-1", 403),
    ],
)
def test_errors_are_operation_outcomes(archive: Archive, base: str, path: str, status: int):
    answer = requests.get(f"{base}/{path}", headers=bearer(archive.token), timeout=20)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    outcome: Any = get_fhir_model_class("OperationOutcome").model_validate(answer.json())
    assert outcome.issue[0].severity == "error"


def test_a_form_of_unknown_length_is_a_search(archive: Archive, base: str):
    uid = next(iter(list_qido(archive)))
    headers = bearer(archive.token) | {"Content-Type": "application/x-www-form-urlencoded"}
    pieces = iter([b"identifier=urn:oid:", uid.encode()])
    answer = requests.post(f"{base}/ImagingStudy/_search", data=pieces, headers=headers, timeout=20)
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [uid]


def test_a_reader_of_other_code_takes_every_answer(archive: Archive, base: str):
    for path in ("metadata", "ImagingStudy", f"ImagingStudy/{next(iter(list_qido(archive)))}"):
        answer = requests.get(f"{base}/{path}", headers=bearer(archive.token), timeout=20)
        resource = json.loads(answer.content)
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        xml = requests.get(f"{base}/{path}?_format=xml", headers=bearer(archive.token), timeout=20)
        get_fhir_model_class(resource["resourceType"]).model_validate_xml(xml.content)


def test_without_a_credential_nothing_but_the_capabilities(base: str):
    assert requests.get(f"{base}/metadata", timeout=20).json()["fhirVersion"] == "4.0.1"
    assert requests.get(f"{base}/ImagingStudy", timeout=20).status_code == 401
