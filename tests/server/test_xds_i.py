"""XDS-I from end to end on a running server: a study that is stored is a document that is found and fetched.

One study walks through what can happen to it; after each step every door says the same.
"""

import io
import time
from collections.abc import Callable
from typing import Any

import pydicom
import pytest
import requests
from lxml import etree

from registry.ihe.ebrim_names import RIM, STATUSES
from registry.ihe.queries import QUERIES
from tests.repository.xds.test_retrieve_documents import request_for as request_documents
from tests.repository.xds.test_retrieve_imaging import request_for as request_images
from tests.support.dicom import PERSONAL_NUMBER, PERSONAL_NUMBER_OID, StudyFacts, make_ct, make_uid
from tests.support.ebrim import write_query
from tests.support.http import bearer, list_stored, make_pool, store
from tests.support.samsyn import SamsynServer
from tests.support.soap import make_envelope

pytestmark = pytest.mark.server

STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
IDS = {answer.__name__: uuid for uuid, answer in QUERIES.items()}
APPROVED = STATUSES["approved"]
PATIENT = f"'{PERSONAL_NUMBER}^^^&{PERSONAL_NUMBER_OID}&ISO'"
WITHIN_S = 60.0  # the promise is 10 s; a loaded machine must not make the test lie
KOS = "1.2.840.10008.5.1.4.1.1.88.59"


class Region:
    """A running server, and systems that ask it by each door."""

    def __init__(self, server: SamsynServer) -> None:
        self.url = server.url
        self.dicomweb_url = server.dicomweb_url
        self.headers = bearer(server.issue_token())
        self.token = self.headers["Authorization"].removeprefix("Bearer ")

    def soap(self, path: str, envelope: bytes) -> bytes:
        headers = self.headers | {"Content-Type": "application/soap+xml"}
        answer = requests.post(f"{self.url}{path}", data=envelope, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text[:1000]
        return answer.content

    def find_by_query(self) -> set[str]:
        """Return the unique ids that FindDocuments lists as approved."""
        slots = [("$XDSDocumentEntryPatientId", [PATIENT]), ("$XDSDocumentEntryStatus", [f"('{APPROVED}')"])]
        query = write_query(IDS["find_documents"], slots, "LeafClass", "")
        body = etree.tostring(query).decode()
        root = etree.fromstring(self.soap("/ihe/registry", make_envelope(STORED_QUERY, body)))
        return {
            identifier.get("value")
            for identifier in root.iter(f"{{{RIM}}}ExternalIdentifier")
            if identifier.get("identificationScheme") == "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
        }

    def find_by_fhir(self, kind: str, **more: str) -> list[dict[str, Any]]:
        parameters = {
            "patient.identifier": f"urn:oid:{PERSONAL_NUMBER_OID}|{PERSONAL_NUMBER}",
            "status": "current",
        }
        answer = requests.get(f"{self.url}/fhir/{kind}", parameters | more, headers=self.headers, timeout=60)
        assert answer.status_code == 200, answer.text[:1000]
        return [entry["resource"] for entry in answer.json().get("entry", ())]


@pytest.fixture(scope="module")
def region(start_embedded: Callable[..., SamsynServer]) -> Region:
    return Region(start_embedded(SAMSYN_QUIET_S="1"))


def test_a_stored_study_is_found_and_fetched_by_every_door(region: Region) -> None:
    study = StudyFacts()
    files = [make_ct(study, series_instance_uid=make_uid(), instance_number=n) for n in (1, 2)]
    assert len(list_stored(store(make_pool(), region.dicomweb_url, region.token, files))) == 2
    deadline = time.monotonic() + WITHIN_S
    while len(found := region.find_by_query()) < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(found) == 3  # classic KOS, MADO KOS, MADO FHIR
    references = region.find_by_fhir("DocumentReference")
    assert {r["masterIdentifier"]["value"].removeprefix("urn:oid:") for r in references} == found
    assert region.find_by_fhir("List", code="submissionset")

    manifests = [read for uid in sorted(found) if (read := fetch_manifest(region, uid)) is not None]
    assert len(manifests) == 2
    for manifest in manifests:
        assert manifest.SOPClassUID == KOS
        assert manifest.StudyInstanceUID == study.study_instance_uid
        assert named_in(manifest) == {pydicom.dcmread(io.BytesIO(file)).SOPInstanceUID for file in files}
    fetch_images(region, manifests[0])


def fetch_manifest(region: Region, unique_id: str) -> pydicom.Dataset | None:
    """Fetch a document by ITI-43; None if it is no DICOM file."""
    content = region.soap("/ihe/repository", request_documents(unique_id))
    assert b"ResponseStatusType:Success" in content
    start = content.find(b"DICM")
    return pydicom.dcmread(io.BytesIO(content[start - 128 :])) if start > 0 else None


def named_in(manifest: pydicom.Dataset) -> set[str]:
    return {
        item.ReferencedSOPInstanceUID
        for evidence in manifest.CurrentRequestedProcedureEvidenceSequence
        for series in evidence.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def fetch_images(region: Region, manifest: pydicom.Dataset) -> None:
    """Fetch what a manifest names, by RAD-69 and by WADO-RS."""
    [evidence] = manifest.CurrentRequestedProcedureEvidenceSequence
    for series in evidence.ReferencedSeriesSequence:
        uids = [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence]
        asked = request_images(evidence.StudyInstanceUID, series.SeriesInstanceUID, *uids)
        content = region.soap("/ihe/imaging", asked)
        assert b"ResponseStatusType:Success" in content
        assert content.count(b"DICM") == len(uids)
        for uid in uids:
            path = f"/studies/{evidence.StudyInstanceUID}/series/{series.SeriesInstanceUID}/instances/{uid}"
            answer = requests.get(region.dicomweb_url + path, headers=region.headers, timeout=60)
            assert answer.status_code == 200


def test_what_changes_a_study_replaces_its_manifests(region: Region) -> None:
    study = StudyFacts()
    pool = make_pool()
    before = region.find_by_query()
    first = make_ct(study, instance_number=1)
    store(pool, region.dicomweb_url, region.token, [first])
    published = wait_until_changed(region, before, 3)
    second = make_ct(study, instance_number=2)
    store(pool, region.dicomweb_url, region.token, [second])
    replaced = wait_until_changed(region, before | published, 3)
    assert not published & region.find_by_query()
    uid = pydicom.dcmread(io.BytesIO(second))
    path = f"/studies/{study.study_instance_uid}/series/{uid.SeriesInstanceUID}/reject/113001%5EDCM"
    answer = requests.post(region.dicomweb_url + path, headers=region.headers, timeout=60)
    assert answer.status_code == 204
    again = wait_until_changed(region, before | published | replaced, 3)
    manifests = [read for one in again if (read := fetch_manifest(region, one)) is not None]
    for manifest in manifests:
        assert uid.SOPInstanceUID not in named_in(manifest)


def wait_until_changed(region: Region, known: set[str], count: int) -> set[str]:
    """Wait for that many documents that were not known before; return them."""
    deadline = time.monotonic() + WITHIN_S
    while len(new := region.find_by_query() - known) < count and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(new) == count
    return new
