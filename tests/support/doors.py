"""Systems that ask a running server by every door that shows a study: SOAP, FHIR and DICOMweb, each over HTTP."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pydicom
import requests
from lxml import etree

from registry.ihe.ebrim_names import RIM, STATUSES
from registry.ihe.queries import QUERIES
from tests.repository.xds.test_retrieve_documents import XDSB
from tests.repository.xds.test_retrieve_documents import request_for as request_documents
from tests.repository.xds.test_retrieve_imaging import request_for as request_images
from tests.support.ebrim import write_query
from tests.support.http import bearer, make_pool, retrieve_study, search
from tests.support.samsyn import SamsynServer
from tests.support.soap import Reply, make_envelope, read_reply

STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
QUERY_IDS = {answer.__name__: uuid for uuid, answer in QUERIES.items()}
APPROVED = STATUSES["approved"]
DOCUMENT_UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
SET_UNIQUE_ID = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
FAILURE = "ResponseStatusType:Failure"


@dataclass(frozen=True, slots=True)
class Number:
    """A patient's number and its issuer."""

    value: str
    oid: str

    @property
    def cx(self) -> str:
        """As XDS writes it."""
        return f"{self.value}^^^&{self.oid}&ISO"


class Doors:
    """A system of the whole region at every door of one server, and a department's that stores."""

    def __init__(self, server: SamsynServer, department: str) -> None:
        self.server = server
        self.url = server.url
        self.dicomweb_url = server.dicomweb_url
        self.token = server.issue_token()
        self.storing_token = server.issue_token("modality", department=department)
        self.headers = bearer(self.token)
        self.pool = make_pool()

    def soap(self, path: str, envelope: bytes) -> Reply:
        headers = self.headers | {"Content-Type": "application/soap+xml"}
        answer = requests.post(f"{self.url}{path}", data=envelope, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text[:1000]
        return read_reply(answer.status_code, answer.headers["Content-Type"], answer.content)

    def find_documents(self, patient: Number) -> set[str]:
        """Return the unique ids that FindDocuments lists as approved (ITI-18)."""
        return self._find("find_documents", "DocumentEntry", patient, DOCUMENT_UNIQUE_ID)

    def find_submission_sets(self, patient: Number) -> set[str]:
        """Return the unique ids that FindSubmissionSets lists as approved (ITI-18)."""
        return self._find("find_submission_sets", "SubmissionSet", patient, SET_UNIQUE_ID)

    def _find(self, query: str, kind: str, patient: Number, scheme: str) -> set[str]:
        slots = [(f"$XDS{kind}PatientId", [f"'{patient.cx}'"]), (f"$XDS{kind}Status", [f"('{APPROVED}')"])]
        body = etree.tostring(write_query(QUERY_IDS[query], slots, "LeafClass", "")).decode()
        root = self.soap("/ihe/registry", make_envelope(STORED_QUERY, body)).root
        return {
            str(identifier.get("value"))
            for identifier in root.iter(f"{{{RIM}}}ExternalIdentifier")
            if identifier.get("identificationScheme") == scheme
        }

    def fetch_document(self, unique_id: str) -> bytes:
        """Return a document's bytes (ITI-43)."""
        reply = self.soap("/ihe/repository", request_documents(unique_id))
        [given] = reply.body.findall(f"{{{XDSB}}}DocumentResponse")
        return reply.content_of(given.find(f"{{{XDSB}}}Document"))

    def fetch_images(self, study: str, series: str, uids: Iterable[str]) -> set[str]:
        """Return which of these instances are given (RAD-69)."""
        reply = self.soap("/ihe/imaging", request_images(study, series, *uids))
        files = [
            reply.content_of(given.find(f"{{{XDSB}}}Document"))
            for given in reply.body.findall(f"{{{XDSB}}}DocumentResponse")
        ]
        return {str(pydicom.dcmread(io.BytesIO(file)).SOPInstanceUID) for file in files}

    def search_fhir(self, kind: str, patient: Number, **more: str) -> list[dict[str, Any]]:
        """Return the resources of a patient."""
        parameters = {"patient.identifier": f"urn:oid:{patient.oid}|{patient.value}"} | more
        answer = requests.get(f"{self.url}/fhir/{kind}", parameters, headers=self.headers, timeout=60)
        assert answer.status_code == 200, answer.text[:1000]
        entries = answer.json().get("entry", ())
        return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]

    def fetch_address(self, url: str, accept: str) -> bytes:
        """Return what is at an address of a DocumentReference (ITI-68); nothing if it is gone meanwhile."""
        answer = requests.get(url, headers=self.headers | {"Accept": accept}, timeout=60)
        assert answer.status_code in (200, 410), answer.text[:1000]
        return answer.content if answer.ok else b""

    def search_studies(self, patient: Number) -> list[dict[str, Any]]:
        """Return the studies of a patient's number (QIDO-RS)."""
        return search(self.pool, self.dicomweb_url, self.token, "studies", PatientID=patient.value)

    def retrieve(self, study_instance_uid: str) -> set[str]:
        """Return the instances that WADO-RS gives of a study."""
        return set(retrieve_study(self.pool, self.dicomweb_url, self.token, study_instance_uid))


def read_key_object(body: bytes) -> pydicom.Dataset | None:
    """Read a document; None if it is no DICOM file."""
    return pydicom.dcmread(io.BytesIO(body)) if body[128:132] == b"DICM" else None


def named_in(manifest: pydicom.Dataset) -> dict[str, str]:
    """Return the instances that a manifest names, with their series."""
    return {
        str(item.ReferencedSOPInstanceUID): str(series.SeriesInstanceUID)
        for evidence in manifest.CurrentRequestedProcedureEvidenceSequence
        for series in evidence.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
