"""A patient who was merged is found by either number at every door, and the registry answers the survivor's alone."""

import io
import json

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from registry.merges import merge, undo
from registry.models import PatientMerge
from tests.registry.care import make_officer
from tests.registry.factories import make_department
from tests.registry.test_merges import OID, A, B
from tests.repository.conftest import Vendor, make_vendor
from tests.support.dicom import StudyFacts, make_ct

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = f"urn:oid:{OID}"


@pytest.fixture
def vendor() -> Vendor:
    return make_vendor(make_department(), "pacs")


@pytest.fixture
def stored(vendor) -> list[str]:
    """Store a study under each number and merge A into B; returns the UIDs in that order."""
    uids = []
    for number in (A, B):
        facts = StudyFacts(patient_id=number.value, issuer_oid=OID)
        assert vendor.store(make_ct(facts)).status_code == 200
        uids.append(facts.study_instance_uid)
    merge(B, A, source="test")
    return uids


@pytest.mark.parametrize("number", ["A", "B"])
def test_dicomweb_client_finds_both_and_each_says_what_its_source_sent(vendor, stored, number, live_server):
    with requests.Session() as session:
        session.headers.update(vendor.headers)
        client = DICOMwebClient(f"{live_server.url}/dicom-web", session=session)
        found = client.search_for_studies(search_filters={"PatientID": number})
        assert {row["0020000D"]["Value"][0] for row in found} == set(stored)
        assert {row["00100020"]["Value"][0] for row in found} == {"A", "B"}
        assert len(client.search_for_instances(search_filters={"PatientID": number})) == 2
        [file] = client.retrieve_study(stored[0])
        assert file.PatientID == "A"
    undo(PatientMerge.objects.get().pk, by=make_officer(), reason="wrong")
    [row] = json.loads(vendor.get(f"/studies?PatientID={number}").content)
    assert row["0020000D"]["Value"] == [stored["AB".index(number)]]


@pytest.mark.parametrize("number", ["A", "B"])
def test_fhir_finds_both_and_names_the_survivor(vendor, stored, number, client):
    def find(path: str) -> list[dict]:
        answer = client.get(f"/fhir/{path}", headers={**vendor.headers, "Accept": "application/fhir+json"})
        assert answer.status_code == 200, answer.content
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    merged = PatientMerge.objects.get()
    studies = find(f"ImagingStudy?patient.identifier={SYSTEM}|{number}")
    assert {study["id"] for study in studies} == set(stored)
    subjects = {(study["subject"]["reference"], study["subject"]["identifier"]["value"]) for study in studies}
    assert subjects == {(f"Patient/{merged.survivor_id}", "B")}
    assert len(find(f"ImagingStudy?patient=Patient/{merged.subsumed_id}")) == 2
    [patient] = find(f"Patient?identifier={SYSTEM}|{number}")
    assert patient["id"] == str(merged.survivor_id)
    assert [(row["value"], row.get("use")) for row in patient["identifier"]] == [("B", None), ("A", "old")]
    assert [row["id"] for row in find(f"Patient?identifier={SYSTEM}|")] == [str(merged.survivor_id)]


def test_an_archive_holds_what_was_stored_under_the_other_number(vendor, stored):
    """What is answered under another number is retrieved as it was sent."""
    [row] = [
        r
        for r in json.loads(vendor.get("/instances?PatientID=B").content)
        if r["0020000D"]["Value"] == stored[:1]
    ]
    path = (
        f"/studies/{stored[0]}/series/{row['0020000E']['Value'][0]}/instances/{row['00080018']['Value'][0]}"
    )
    answer = vendor.get(path, accept="application/dicom")
    assert dcmread(io.BytesIO(b"".join(answer))).PatientID == "A"
