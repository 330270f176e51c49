"""How the checks store, and what."""

import io

import pydicom

from tests.conformance.archive import DICOM_JSON, Archive
from tests.conformance.wire import Part, Reply, write_multipart
from tests.support.dicom import StudyFacts, make_ct

BOUNDARY = "conformance-boundary"
MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def post(
    inbox: Archive,
    body: bytes,
    content_type: str = MULTIPART,
    target: str = "/studies",
    accept: str = DICOM_JSON,
    **headers: str,
) -> Reply:
    return inbox.ask(
        target, accept, method="POST", body=body, headers={"Content-Type": content_type} | headers
    )


def parts(*files: bytes, **headers: str) -> bytes:
    return write_multipart(
        [Part({"Content-Type": "application/dicom"} | headers, file) for file in files], BOUNDARY
    )


def make(**options) -> bytes:
    return make_ct(StudyFacts(patient_id="191212121212", study_date="20010101"), **options)


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(file))


def path_of(file: bytes) -> str:
    dataset = read(file)
    return f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
