"""Small valid DICOM files and multipart bodies, made on the spot.

Everything is invented. The patient's number is one of the personal numbers that the Swedish Tax Agency
publishes for tests.
"""

import io
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

EXPLICIT = str(ExplicitVRLittleEndian)
IMPLICIT = str(ImplicitVRLittleEndian)
BIG_ENDIAN = str(ExplicitVRBigEndian)
DEFLATED = str(DeflatedExplicitVRLittleEndian)
RLE = str(RLELossless)
CT = str(CTImageStorage)

PERSONAL_NUMBER = "191212121212"
PERSONAL_NUMBER_OID = "1.2.752.129.2.1.3.1"
"""The assigning authority of Swedish personal numbers."""


def make_uid() -> str:
    """Return a UID nobody has used: random, 128 bits below 2.25."""
    return str(generate_uid(prefix=None))


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the instances of one study have in common; every field is what the attribute of its name holds."""

    study_instance_uid: str = field(default_factory=make_uid)
    patient_id: str = PERSONAL_NUMBER
    issuer_oid: str | None = PERSONAL_NUMBER_OID
    patient_name: str = "Tolvansson^Tolvan"
    patient_birth_date: str = "19121212"
    patient_sex: str = "M"
    study_date: str = "20260302"
    study_time: str = "101500"
    accession_number: str = "A1"
    study_description: str = "DT buk"
    modality: str = "CT"
    character_set: str = "ISO_IR 192"


def make_ct(
    study: StudyFacts | None = None,
    *,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
    sop_class_uid: str = CT,
    series_number: int = 1,
    instance_number: int = 1,
    rows: int = 8,
    columns: int = 8,
    number_of_frames: int = 1,
    transfer_syntax_uid: str = EXPLICIT,
    seed: int = 0,
    change: Dataset | None = None,
    **facts: str | None,
) -> bytes:
    """Build one CT instance as a PS3.10 file.

    Parameters
    ----------
    study
        The study it belongs to; without one, a study of its own.
    transfer_syntax_uid
        One of the constants of this module.
    seed
        Decides the pixels; same arguments and seed make the same bytes when all UIDs are given.
    change
        Elements that replace or join those made here.
    facts
        Fields of `StudyFacts` to replace, for example `patient_id="..."`.

    Returns
    -------
    bytes
        The whole file, from preamble to pixel data of `number_of_frames * rows * columns` 16-bit values.
    """
    study = replace(study or StudyFacts(), **facts)  # type: ignore[arg-type]
    dataset = _describe_study(study)
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = sop_instance_uid or make_uid()
    dataset.SeriesInstanceUID = series_instance_uid or make_uid()
    dataset.SeriesNumber = series_number
    dataset.InstanceNumber = instance_number
    dataset.SeriesDescription = "Axial"
    dataset.BodyPartExamined = "ABDOMEN"
    dataset.Manufacturer = "Samsyn tests"
    dataset.FrameOfReferenceUID = dataset.SeriesInstanceUID
    dataset.ImagePositionPatient = [0, 0, instance_number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.7, 0.7]
    dataset.RescaleIntercept = -1024
    dataset.RescaleSlope = 1
    dataset.WindowCenter = 40
    dataset.WindowWidth = 400
    if number_of_frames > 1:
        dataset.NumberOfFrames = number_of_frames
    _add_pixels(dataset, (number_of_frames, rows, columns), transfer_syntax_uid, seed)
    if change is not None:
        dataset.update(change)
    return write_file(dataset, transfer_syntax_uid)


def make_series(study: StudyFacts, number_of_instances: int, **options: object) -> tuple[bytes, ...]:
    """Build the instances of one CT series, numbered from 1; `options` are those of `make_ct`."""
    options.setdefault("series_instance_uid", make_uid())
    return tuple(
        make_ct(study, instance_number=number, seed=number, **options)  # type: ignore[arg-type]
        for number in range(1, number_of_instances + 1)
    )


def write_file(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """Write a data set as a PS3.10 file with its file meta information, in the given transfer syntax."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_uid
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    target = io.BytesIO()
    file = FileDataset(target, dataset, preamble=b"\0" * 128, file_meta=meta)
    dcmwrite(target, file, enforce_file_format=True)
    return target.getvalue()


def _describe_study(study: StudyFacts) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = study.character_set
    dataset.StudyInstanceUID = study.study_instance_uid
    dataset.StudyID = "1"
    dataset.StudyDate = dataset.SeriesDate = study.study_date
    dataset.StudyTime = dataset.SeriesTime = study.study_time
    dataset.AccessionNumber = study.accession_number
    dataset.StudyDescription = study.study_description
    dataset.ReferringPhysicianName = "Remittent^Rut"
    dataset.Modality = study.modality
    dataset.PatientName = study.patient_name
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = study.patient_birth_date
    dataset.PatientSex = study.patient_sex
    if study.issuer_oid is not None:
        qualifiers = Dataset()
        qualifiers.UniversalEntityID = study.issuer_oid
        qualifiers.UniversalEntityIDType = "ISO"
        dataset.IssuerOfPatientIDQualifiersSequence = [qualifiers]
    return dataset


def _add_pixels(dataset: Dataset, shape: tuple[int, int, int], transfer_syntax_uid: str, seed: int) -> None:
    """Fill the image pixel module with 12-bit noise, cheap to make at any size."""
    _, dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    generator = np.random.Generator(np.random.SFC64(seed))
    pixels = generator.integers(0, 4096, size=shape, dtype=np.uint16)
    if transfer_syntax_uid == RLE:
        frames = [RLELosslessEncoder.encode(frame, **_describe_encoding(shape)) for frame in pixels]
        dataset.PixelData = encapsulate(frames)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif transfer_syntax_uid == BIG_ENDIAN:
        dataset.PixelData = pixels.astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
    else:
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"


def _describe_encoding(shape: tuple[int, int, int]) -> dict[str, object]:
    return {
        "rows": shape[1],
        "columns": shape[2],
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_representation": 0,
        "number_of_frames": 1,
    }


def iterate_large_ct(
    study: StudyFacts, size_bytes: int, *, chunk_bytes: int = 1 << 18, **options: object
) -> Iterator[bytes]:
    """Yield a multi-frame CT of about `size_bytes` in pieces, without ever holding it whole.

    The frames are 512 x 512, their pixels one repeated pattern; sizes up to 4 GiB fit the element's length.
    """
    frame_bytes = 512 * 512 * 2
    number_of_frames = max(size_bytes // frame_bytes, 2)
    extent = Dataset()
    extent.Rows = extent.Columns = 512
    extent.NumberOfFrames = number_of_frames
    small = make_ct(study, rows=2, columns=2, number_of_frames=2, change=extent, **options)  # type: ignore[arg-type]
    stub_bytes = 2 * 2 * 2 * 2
    total_bytes = number_of_frames * frame_bytes
    yield small[: -stub_bytes - 4] + total_bytes.to_bytes(4, "little")
    values = np.frombuffer(secrets.token_bytes(chunk_bytes), np.uint16) & 0x0FFF
    pattern = values.tobytes()
    for _ in range(total_bytes // chunk_bytes):
        yield pattern
    yield pattern[: total_bytes % chunk_bytes]


def make_boundary() -> str:
    """Return a multipart boundary that occurs nowhere else."""
    return f"tests-{secrets.token_hex(16)}"


def content_type(boundary: str) -> str:
    """Return the Content-Type of a Store request whose body `multipart_body` made.

    Standard: PS3.18 8.7.3.5
    """
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


def multipart_body(instances: Iterable[bytes], boundary: str) -> bytes:
    """Return the body of a Store request that carries these PS3.10 files."""
    return b"".join(iterate_multipart([iter([instance]) for instance in instances], boundary))


def iterate_multipart(instances: Iterable[Iterator[bytes]], boundary: str) -> Iterator[bytes]:
    """Yield the body of a Store request piece by piece, each instance itself given in pieces."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    for instance in instances:
        yield head
        yield from instance
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
