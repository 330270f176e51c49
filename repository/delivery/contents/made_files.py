"""Instances that we make ourselves, about a study that is there: what all of them say of it, and their bytes.

Standard: PS3.3 A.35.4, A.45.1; PS3.10 7.1
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.timezone import localtime
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from registry.identity import is_oid
from registry.models import Study

EXPLICIT = str(ExplicitVRLittleEndian)
LONGEST_SHORT, LONGEST_LONG = 16, 64
BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class MadeInstance:
    """One instance with its bytes, as sending knows those of packs; `length` is their number."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    content: bytes = field(repr=False)
    transfer_syntax_uid: str = EXPLICIT

    @property
    def length(self) -> int:
        """Size of the file in bytes."""
        return len(self.content)


def stream_made(instance: MadeInstance, wanted: str = "") -> Iterator[bytes]:
    """Yield the file of an instance; it is Explicit VR Little Endian whatever is wanted."""
    for start in range(0, len(instance.content), BLOCK_BYTES):
        yield instance.content[start : start + BLOCK_BYTES]


def describe_study(study: Study) -> Dataset:
    """Return what an instance says of its patient and study: what the study came with."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName = study.patient_name
    data.PatientID = study.patient_id
    if study.issuer_of_patient_id:
        data.IssuerOfPatientID = study.issuer_of_patient_id[:LONGEST_LONG]
    if is_oid(study.issuer_of_patient_id):
        data.IssuerOfPatientIDQualifiersSequence = [_make_authority(study.issuer_of_patient_id)]
    data.PatientBirthDate = study.patient_birth_date[:8]
    data.PatientSex = study.patient_sex
    data.StudyInstanceUID = study.study_instance_uid
    data.StudyDate, data.StudyTime, data.StudyID = study.study_date, study.study_time, study.study_id
    data.AccessionNumber = study.accession_number[:LONGEST_SHORT]
    if is_oid(study.accession_issuer):
        data.IssuerOfAccessionNumberSequence = [_make_authority(study.accession_issuer)]
    data.StudyDescription = study.study_description[:LONGEST_LONG]
    data.ReferringPhysicianName = study.referring_physician_name
    data.Manufacturer = "Samsyn"
    return data


def set_content_time(data: Dataset, moment: datetime) -> None:
    """Say when what an instance holds was written."""
    local = localtime(moment)
    data.ContentDate, data.ContentTime = f"{local:%Y%m%d}", f"{local:%H%M%S}"
    data.TimezoneOffsetFromUTC = f"{local:%z}"


def make_code(value: str, scheme: str, meaning: str) -> Dataset:
    """Make the item of a code. Standard: PS3.3 8"""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def write_made(data: Dataset) -> MadeInstance:
    """Write an instance: the same attributes are the same bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(None, data, file_meta=meta, preamble=b"\0" * 128)
    out = io.BytesIO()
    dcmwrite(out, file, enforce_file_format=True)
    return MadeInstance(
        str(data.StudyInstanceUID),
        str(data.SeriesInstanceUID),
        str(data.SOPInstanceUID),
        str(data.SOPClassUID),
        out.getvalue(),
    )


def _make_authority(oid: str) -> Dataset:
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = oid, "ISO"
    return item
