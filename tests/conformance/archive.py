"""What the archive under test holds: a handful of studies, known element by element and pixel by pixel."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.conformance.wire import Part, Reply, Wire, write_multipart
from tests.support.dicom import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    StudyFacts,
    make_ct,
    make_uid,
    write_file,
)
from tests.support.pixel_files import make_image
from tests.support.pixel_files import write_file as write_image
from tests.support.samsyn import SamsynServer

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.11"
PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n" + b"% padding\n" * 200 + b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
DICOM_JSON = "application/dicom+json"
STUDY_KEYWORDS = """
StudyInstanceUID StudyDate StudyTime StudyID AccessionNumber StudyDescription PatientName PatientID PatientBirthDate
PatientSex IssuerOfPatientIDQualifiersSequence ReferringPhysicianName SpecificCharacterSet
"""
IMAGE_KEYWORDS = """
PixelData Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PhotometricInterpretation
PixelSpacing WindowCenter WindowWidth RescaleSlope RescaleIntercept ImagePositionPatient ImageOrientationPatient
FrameOfReferenceUID
"""


@dataclass(frozen=True, slots=True)
class Known:
    """One instance that is in the archive, as the file it was sent as."""

    name: str
    file: bytes
    dataset: Dataset = field(repr=False)
    encoded: Any = field(default=None, repr=False)

    @property
    def pixels(self) -> npt.NDArray[Any]:
        """Its pixels: what was given to the encoder, where pydicom has no decoder."""
        pixels: npt.NDArray[Any] = self.dataset.pixel_array if self.encoded is None else self.encoded
        return pixels

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID."""
        return str(self.dataset.SOPInstanceUID)

    @property
    def study_path(self) -> str:
        """Its study below the base."""
        return f"/studies/{self.dataset.StudyInstanceUID}"

    @property
    def series_path(self) -> str:
        """Its series below the base."""
        return f"{self.study_path}/series/{self.dataset.SeriesInstanceUID}"

    @property
    def path(self) -> str:
        """The instance below the base."""
        return f"{self.series_path}/instances/{self.dataset.SOPInstanceUID}"


@dataclass(slots=True)
class Archive:
    """A running server, what it holds, and a connection to it."""

    wire: Wire
    server: SamsynServer
    token: str
    known: dict[str, Known] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Known:
        """Return an instance by its name here."""
        return self.known[name]

    def ask(self, target: str, accept: str | None = None, **options: Any) -> Reply:
        """Send one request with the token and return the answer."""
        return self.wire.ask(target, accept, **options)

    def store(self, files: list[bytes], target: str = "/studies", accept: str = DICOM_JSON) -> Reply:
        """Store files in one request."""
        boundary = "conformance-7b1d"
        parts = [Part({"Content-Type": "application/dicom"}, file) for file in files]
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        body = write_multipart(parts, boundary)
        return self.ask(target, accept, method="POST", body=body, headers={"Content-Type": kind})

    def instances_of(self, study_path: str) -> list[Known]:
        """Return what is known below a study."""
        return [known for known in self.known.values() if known.study_path == study_path]


def make_known() -> Iterator[Known]:
    """Make the instances: a plain CT study, one of many encodings, one of documents."""
    ct = StudyFacts(
        patient_name="Åkesson^Östen^^Dr", study_description="DT buk å ä ö", accession_number="ACC/1 2"
    )
    first, second = make_uid(), make_uid()
    for number in (1, 2, 3):
        change = Dataset()
        change.RequestAttributesSequence = [_request("SPS1", "RP1")]
        yield _read(
            f"ct{number}",
            make_ct(ct, series_instance_uid=first, instance_number=number, seed=number, change=change),
        )
    change = Dataset()
    change.Modality, change.SeriesDescription = "PT", "Static"
    change.add_new(0x00091001, "LO", "private value")
    change.add_new(0x00090010, "LO", "SAMSYN TESTS")
    yield _read(
        "pt", make_ct(ct, series_instance_uid=second, series_number=2, rows=32, columns=32, change=change)
    )
    yield from _make_encodings()
    yield from _make_documents(ct)


def _request(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return item


def _make_encodings() -> Iterator[Known]:
    """One study, another patient, a series for each way to encode pixels."""
    study = StudyFacts(
        patient_id="197001012388",
        patient_name="Svensson^Karin",
        patient_sex="F",
        study_date="20250115",
        study_time="080000",
        accession_number="B-2",
        study_description="MR hjärna",
        modality="MR",
    )
    for name, syntax in (
        ("implicit", IMPLICIT),
        ("big_endian", BIG_ENDIAN),
        ("deflated", DEFLATED),
        ("rle", RLE),
    ):
        yield _read(name, make_ct(study, transfer_syntax_uid=syntax, seed=7, rows=16, columns=16))
    yield _read("multiframe", make_ct(study, number_of_frames=5, rows=16, columns=16, seed=8))
    yield _read(
        "rle_multiframe", make_ct(study, number_of_frames=3, transfer_syntax_uid=RLE, rows=16, columns=16)
    )
    colour = np.indices((24, 32)).sum(axis=0).astype(np.uint8)
    rgb = np.stack([colour * 4, 255 - colour * 4, colour], axis=-1)
    yield _image("rgb", study, rgb[None], EXPLICIT)
    grey = (np.indices((32, 48)).sum(axis=0) * 30).astype(np.uint16)
    described = {"Rows": 32, "Columns": 48, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
    deep = described | {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
    flat = described | {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    yield _image(
        "jpeg", study, [imagecodecs.jpeg8_encode((grey >> 4).astype(np.uint8))], JPEG_BASELINE, **flat
    )
    yield _image("jpeg_ls", study, [imagecodecs.jpegls_encode(grey)], JPEG_LS, grey, **deep)
    yield _image(
        "jpeg_2000",
        study,
        [imagecodecs.jpeg2k_encode(grey, codecformat="j2k", reversible=True)],
        JPEG_2000,
        grey,
        **deep,
    )
    yield _image("htj2k", study, [imagecodecs.htj2k_encode(grey, reversible=True)], HTJ2K, grey, **deep)


def _image(
    name: str, study: StudyFacts, frames: Any, syntax: str, encoded: Any = None, **attributes: Any
) -> Known:
    image = make_image(frames, syntax, **attributes)
    template = pydicom.dcmread(io.BytesIO(make_ct(study)))
    for keyword in STUDY_KEYWORDS.split():
        setattr(image, keyword, template.get(keyword))
    image.Modality, image.SeriesNumber, image.InstanceNumber = "OT", 9, 1
    return _read(name, write_image(image), encoded)


def _make_documents(images: StudyFacts) -> Iterator[Known]:
    """A third study of the first patient: a report, a PDF."""
    study = StudyFacts(
        patient_name=images.patient_name,
        study_date="20260303",
        accession_number="C3",
        study_description="Svar",
    )
    report = _document(study, SR_CLASS, "SR")
    report.CompletionFlag, report.VerificationFlag, report.ValueType = "COMPLETE", "UNVERIFIED", "CONTAINER"
    report.ContinuityOfContent = "SEPARATE"
    report.ConceptNameCodeSequence = [_code("18748-4", "LN", "Diagnostic imaging report")]
    text = Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.ConceptNameCodeSequence = [_code("121071", "DCM", "Finding")]
    text.TextValue = "Inga fynd <script>alert(1)</script> & å ä ö"
    report.ContentSequence = Sequence([text])
    yield _read("sr", write_file(report, EXPLICIT))
    document = _document(study, PDF_CLASS, "DOC")
    document.MIMETypeOfEncapsulatedDocument, document.DocumentTitle = "application/pdf", "Svar"
    document.BurnedInAnnotation, document.ConversionType = "NO", "WSD"
    document.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)
    document.EncapsulatedDocumentLength = len(PDF)
    yield _read("pdf", write_file(document, EXPLICIT))


def _document(study: StudyFacts, sop_class: str, modality: str) -> Dataset:
    dataset = pydicom.dcmread(io.BytesIO(make_ct(study, sop_class_uid=sop_class)))
    for keyword in IMAGE_KEYWORDS.split():
        delattr(dataset, keyword)
    dataset.Modality = modality
    plain = Dataset()
    plain.update(dataset)
    return plain


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _read(name: str, file: bytes, encoded: Any = None) -> Known:
    return Known(name, file, pydicom.dcmread(io.BytesIO(file)), encoded)
