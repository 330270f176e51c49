"""The latest version of a study's report as a structured report: Comprehensive where it measures."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, ExplicitVRLittleEndian

from deploy.region.datasets import (
    InstanceReference,
    SeriesLabel,
    encode_file,
    make_code,
    make_procedure_code,
    set_date_time,
    set_instance,
    start_dataset,
)
from deploy.region.facts import Region, ReportState, ReportVersion, Study

_SERIES = SeriesLabel("report", 90, "SR", "Utlåtande")


def build_report(
    region: Region, study: Study, images: Sequence[InstanceReference]
) -> tuple[InstanceReference, bytes]:
    """Build the report of a study that has one.

    Standard: PS3.16 TID 2000
    """
    version = study.reports[-1]
    is_measured = version.long_axis_mm is not None and study.exam.modality in ("CT", "MR")
    sop_class_uid = ComprehensiveSRStorage if is_measured else BasicTextSRStorage
    dataset = start_dataset(region, study, _SERIES, sop_class_uid)
    reference = set_instance(dataset, region, study, _SERIES, 1)
    set_date_time(dataset, "Content", version.reported_at)
    _add_status(dataset, study, version)
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.ReferencedRequestSequence = [make_referenced_request(study)]
    dataset.PerformedProcedureCodeSequence = [make_procedure_code(study)]
    dataset.CurrentRequestedProcedureEvidenceSequence = [make_evidence(study, images)]
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [make_code("18748-4", "LN", "Diagnostic imaging report")]
    dataset.ContentTemplateSequence = [make_template("2000")]
    dataset.ContentSequence = _write_content(study, version, images, is_measured=is_measured)
    return reference, encode_file(dataset, ExplicitVRLittleEndian, study.hospital.ae_title)


def make_evidence(study: Study, instances: Iterable[InstanceReference]) -> Dataset:
    """Make the item that lists instances of a study by series; those of one series must be neighbours.

    Standard: PS3.3 C.17.2
    """
    evidence = Dataset()
    evidence.StudyInstanceUID = study.study_instance_uid
    evidence.ReferencedSeriesSequence = []
    for series_instance_uid, members in groupby(instances, key=lambda item: item.series_instance_uid):
        series = Dataset()
        series.ReferencedSOPSequence = [make_reference(member) for member in members]
        series.SeriesInstanceUID = series_instance_uid
        evidence.ReferencedSeriesSequence.append(series)
    return evidence


def make_reference(instance: InstanceReference) -> Dataset:
    """Make the item that refers to one instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def make_referenced_request(study: Study) -> Dataset:
    """Make the item that says which order a document answers."""
    item = Dataset()
    item.StudyInstanceUID = study.study_instance_uid
    item.ReferencedStudySequence = []
    item.AccessionNumber = study.accession_number
    item.PlacerOrderNumberImagingServiceRequest = study.order.placer_order_number
    item.FillerOrderNumberImagingServiceRequest = study.accession_number
    item.RequestedProcedureID = study.accession_number
    item.RequestedProcedureDescription = study.procedure.description
    item.RequestedProcedureCodeSequence = [make_procedure_code(study)]
    return item


def make_template(template_identifier: str) -> Dataset:
    """Make the item that names the template of a document."""
    item = Dataset()
    item.MappingResource, item.TemplateIdentifier = "DCMR", template_identifier
    return item


def make_content_item(
    relationship: str, value_type: str, name: Dataset | None, **attributes: object
) -> Dataset:
    """Make an item of a content tree; `attributes` are its value and children, by DICOM keyword."""
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    if name is not None:
        item.ConceptNameCodeSequence = [name]
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _add_status(dataset: Dataset, study: Study, version: ReportVersion) -> None:
    is_signed = version.state is not ReportState.PRELIMINARY
    dataset.CompletionFlag = "COMPLETE" if is_signed else "PARTIAL"
    dataset.VerificationFlag = "VERIFIED" if is_signed else "UNVERIFIED"
    if is_signed:
        observer = Dataset()
        observer.VerifyingOrganization = study.hospital.name
        observer.VerificationDateTime = f"{version.reported_at:%Y%m%d%H%M%S}"
        observer.VerifyingObserverName = version.reader.to_dicom()
        observer.VerifyingObserverIdentificationCodeSequence = []
        dataset.VerifyingObserverSequence = [observer]


def _write_content(
    study: Study, version: ReportVersion, images: Sequence[InstanceReference], *, is_measured: bool
) -> list[Dataset]:
    language = make_code("121049", "DCM", "Language of Content Item and Descendants")
    observer = make_code("121008", "DCM", "Person Observer Name")
    priority = "akut" if study.order.is_urgent else "planerad"
    history = f"Frågeställning: {study.order.question} Prioritet: {priority}."
    impression = _make_section("121072", "Impressions", "121073", "Impression", version.impression)
    if is_measured:
        impression.ContentSequence.append(_make_measurement(version.long_axis_mm or 0.0))
    key_image = make_reference(images[len(images) // 2])
    return [
        make_content_item(
            "HAS CONCEPT MOD", "CODE", language,
            ConceptCodeSequence=[make_code("sv-SE", "RFC5646", "Swedish (Sweden)")],
        ),
        make_content_item("HAS OBS CONTEXT", "PNAME", observer, PersonName=version.reader.to_dicom()),
        _make_section("121060", "History", "121060", "History", history),
        _make_section("121070", "Findings", "121071", "Finding", version.findings),
        impression,
        make_content_item("CONTAINS", "IMAGE", None, ReferencedSOPSequence=[key_image]),
    ]  # fmt: skip


def _make_section(title_code: str, title: str, name_code: str, name: str, text: str) -> Dataset:
    content = make_content_item("CONTAINS", "TEXT", make_code(name_code, "DCM", name), TextValue=text)
    return make_content_item(
        "CONTAINS", "CONTAINER", make_code(title_code, "DCM", title),
        ContinuityOfContent="SEPARATE", ContentSequence=[content],
    )  # fmt: skip


def _make_measurement(long_axis_mm: float) -> Dataset:
    value = Dataset()
    value.MeasurementUnitsCodeSequence = [make_code("mm", "UCUM", "millimeter")]
    value.NumericValue = long_axis_mm
    name = make_code("103339001", "SCT", "Long Axis")
    return make_content_item("CONTAINS", "NUM", name, MeasuredValueSequence=[value])
