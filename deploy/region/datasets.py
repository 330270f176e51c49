"""The part of a DICOM data set that every instance of a study has, and writing data sets as PS3.10 files."""

import datetime as dt
import io
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from deploy.region.facts import Patient, Region, Study
from deploy.region.identities import PERSONAL_NUMBER_OID, format_personal_number
from deploy.region.makers import StatedIssuer
from deploy.region.organisation import RADIOLOGY, Hospital

IMPLEMENTATION_CLASS_UID = "2.25.302043790172249692526321623266752743501"
_WITHOUT_RINGS = str.maketrans("ÅÄÖåäöÉé", "AAOaaoEe")


@dataclass(frozen=True, slots=True)
class SeriesLabel:
    """What tells the series of a study apart; `role` keeps UIDs of images, reports and documents apart."""

    role: str
    number: int
    modality: str
    description: str


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """What it takes to refer to an instance of a study."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def make_code(value: str, scheme: str, meaning: str) -> Dataset:
    """Make an item of a code sequence.

    Standard: PS3.3 8.8
    """
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def make_procedure_code(study: Study) -> Dataset:
    """Make the code under which the hospital's maker knows the examination."""
    procedure = study.procedure
    return make_code(procedure.code, study.hospital.maker.coding_scheme, procedure.description)


def start_dataset(region: Region, study: Study, series: SeriesLabel, sop_class_uid: str) -> Dataset:
    """Start a data set: patient, study, series and equipment; `set_instance` must follow."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = study.hospital.specific_character_set
    dataset.SOPClassUID = sop_class_uid
    _add_patient(dataset, region, study)
    _add_study(dataset, study)
    _add_series(dataset, region, study, series)
    _add_equipment(dataset, study.hospital, series.modality)
    return dataset


def set_instance(
    dataset: Dataset, region: Region, study: Study, series: SeriesLabel, number: int
) -> InstanceReference:
    """Make the data set the `number`-th instance of its series, and return how to refer to it."""
    key = (study.hospital.code, study.accession_number, series.role, series.number, number)
    dataset.SOPInstanceUID = region.seeds.make_uid("instance", *key)
    dataset.InstanceNumber = number
    return InstanceReference(
        str(dataset.SeriesInstanceUID), str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    )


def set_date_time(dataset: Dataset, prefix: str, moment: dt.datetime) -> None:
    """Set a date and a time attribute, such as StudyDate and StudyTime for the prefix `Study`."""
    setattr(dataset, f"{prefix}Date", f"{moment:%Y%m%d}")
    setattr(dataset, f"{prefix}Time", f"{moment:%H%M%S}")


def encode_file(dataset: Dataset, transfer_syntax_uid: str, ae_title: str) -> bytes:
    """Write a data set as a PS3.10 file.

    Standard: PS3.10 7.1
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = "SAMSYN_REGION"
    meta.SourceApplicationEntityTitle = ae_title
    dataset.file_meta = meta
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _add_patient(dataset: Dataset, region: Region, study: Study) -> None:
    patient, hospital = study.patient, study.hospital
    dataset.PatientName = _write_name(region, patient, hospital)
    dataset.PatientBirthDate = f"{patient.birth_date:%Y%m%d}"
    dataset.PatientSex = patient.sex
    dataset.PatientIdentityRemoved = "NO"
    dataset.PatientComments = "SYNTETISK TESTPATIENT"
    if study.has_reserve_number:
        dataset.PatientID = patient.reserve_number_at(hospital)
        _add_issuer(dataset, hospital.code, hospital.issuer_oid)
        return
    dataset.PatientID = format_personal_number(patient.personal_number, hospital.maker.number_style)
    if hospital.maker.stated_issuer is StatedIssuer.NONE:
        return
    if hospital.maker.stated_issuer is StatedIssuer.WRONG:
        _add_issuer(dataset, hospital.code, hospital.issuer_oid)
        return
    _add_issuer(dataset, "PNR", PERSONAL_NUMBER_OID)
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = patient.local_number_at(hospital), "TEXT"
    _add_issuer(other, hospital.code, hospital.issuer_oid)
    dataset.OtherPatientIDsSequence = [other]


def _add_issuer(dataset: Dataset, name: str, oid: str) -> None:
    qualifiers = Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = oid, "ISO"
    dataset.IssuerOfPatientID = name
    dataset.IssuerOfPatientIDQualifiersSequence = [qualifiers]


def _write_name(region: Region, patient: Patient, hospital: Hospital) -> str:
    name = patient.name.to_dicom()
    stream = region.seeds.open_stream("quirk", patient.index, hospital.code)
    if region.size.with_quirks and stream.random() < 0.12:
        return name.translate(_WITHOUT_RINGS).upper()
    return name


def _add_study(dataset: Dataset, study: Study) -> None:
    dataset.StudyInstanceUID = study.study_instance_uid
    set_date_time(dataset, "Study", study.performed_at)
    set_date_time(dataset, "InstanceCreation", study.performed_at)
    dataset.StudyID = study.accession_number[-7:]
    dataset.StudyDescription = study.description
    dataset.ReferringPhysicianName = study.order.requesting_physician.to_dicom()
    dataset.ProcedureCodeSequence = [make_procedure_code(study)]
    dataset.AccessionNumber = study.accession_number
    if study.hospital.maker.stated_issuer is StatedIssuer.NATIONAL:
        issuer = Dataset()
        issuer.UniversalEntityID, issuer.UniversalEntityIDType = study.hospital.issuer_oid, "ISO"
        dataset.IssuerOfAccessionNumberSequence = [issuer]


def _add_series(dataset: Dataset, region: Region, study: Study, series: SeriesLabel) -> None:
    started_at = study.performed_at + dt.timedelta(minutes=series.number)
    dataset.Modality = series.modality
    dataset.SeriesDescription = series.description
    dataset.SeriesNumber = series.number
    dataset.SeriesInstanceUID = region.seeds.make_uid(
        "series", study.hospital.code, study.accession_number, series.role, series.number
    )
    set_date_time(dataset, "Series", started_at)
    set_date_time(dataset, "Content", started_at)


def _add_equipment(dataset: Dataset, hospital: Hospital, modality: str) -> None:
    dataset.Manufacturer = hospital.maker.name
    dataset.ManufacturerModelName = f"Modell {modality}-{hospital.maker.model_suffix}"
    dataset.SoftwareVersions = "1.0"
    dataset.DeviceSerialNumber = f"{hospital.code}-{modality}-1"
    dataset.StationName = f"{hospital.code}{modality}1"
    dataset.InstitutionName = hospital.name
    dataset.InstitutionalDepartmentName = RADIOLOGY
