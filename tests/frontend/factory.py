"""A small region in rows: two care providers, three hospitals, people and studies. Everything is invented."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import zstandard
from django.utils import timezone

from access.models import Assignment, CareProvider, CareUnit, Department, User
from registry.models import (
    ActiveChoice,
    CareRelation,
    Destination,
    Home,
    Instance,
    Order,
    Patient,
    PatientIdentifier,
    Report,
    ReportVersion,
    Segment,
    Series,
    Study,
)
from registry.names import fold_name
from repository.models import Delivery
from tests.support.dicom import PERSONAL_NUMBER_OID, make_uid
from tests.support.people import READS, give_assignment

PASSWORD = "correct horse battery"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EMPTY_DOCUMENT = b"{}"
SR_DOCUMENT = "1.2.840.10008.5.1.4.1.1.88.11"


@dataclass(frozen=True, slots=True)
class Region:
    """The organisation: two hospitals of one care provider, one of another."""

    lund: Department
    ystad: Department
    private: Department


def make_region() -> Region:
    """Make the organisation."""
    public = CareProvider.objects.create(hsa_id="SE-P1", name="Region Mellansjö")
    other = CareProvider.objects.create(hsa_id="SE-P2", name="Bildkliniken Fyren AB")
    return Region(
        _make_department(public, "U1", "Åstads universitetssjukhus", "Ortopedkliniken"),
        _make_department(public, "U2", "Östermåla lasarett", "Röntgenavdelningen"),
        _make_department(other, "U3", "Bildkliniken Fyren", "Röntgenavdelningen"),
    )


def make_person(department: Department | None, username: str = "maria", **values: Any) -> User:
    """Make a person, with one assignment when a department is given."""
    user = User.objects.create_user(
        username, password=PASSWORD, first_name="Maria", last_name="Nilsson", **values
    )
    if department is not None:
        assign(user, department)
    return user


def assign(
    user: User, department: Department, role: str = "Läkare", permissions: Collection[str] = READS
) -> Assignment:
    """Give a person an assignment that began yesterday."""
    return give_assignment(user, department, role, permissions)


def make_patient(
    name: str = "Åkesson^Märta", number: str = "195103051230", national: bool = True, **values: Any
) -> Patient:
    """Make a patient with one number."""
    defaults = {"patient_birth_date": "19510305", "patient_sex": "F"} | values
    row = Patient.objects.create(patient_name=name, patient_name_folded=fold_name(name), **defaults)
    issuer = PERSONAL_NUMBER_OID if national else "1.2.752.1.1"
    PatientIdentifier.objects.create(patient=row, value=number, issuer=issuer, is_national=national)
    return row


def make_study(patient: Patient, department: Department, modality: str = "CT", **values: Any) -> Study:
    """Make a study that is at home with a department, without series."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "study_instance_uid": make_uid(),
        "study_date": "20261102",
        "study_time": "101500",
        "study_description": "DT thorax",
        "accession_number": "A1",
        "modalities_in_study": [modality],
        "first_instance_at": now,
        "last_instance_at": now,
        "visible_at": now,
        "number_of_study_related_instances": 1,
        "patient_name": patient.patient_name,
        "patient_name_folded": patient.patient_name_folded,
    } | values
    study = Study.objects.create(person=patient, custodian=department, **defaults)
    Home.objects.create(
        study=study,
        department=department,
        unit=department.unit,
        modality=modality,
        study_date=study.study_date,
        study_time=study.study_time,
    )
    CareRelation.objects.get_or_create(
        patient=patient,
        unit=department.unit,
        source="examination",
        defaults={"valid_from": now - timedelta(days=1), "valid_to": now + timedelta(days=365)},
    )
    return study


def choose_unit(user: User, patient: Patient, department: Department) -> None:
    """Let a person have chosen to read what another unit holds of a patient."""
    now = timezone.now()
    ActiveChoice.objects.create(
        patient=patient,
        assignment=user.assignments.get(),
        unit=department.unit,
        valid_from=now - timedelta(hours=1),
        valid_to=now + timedelta(hours=23),
    )


def make_series(study: Study, frames: tuple[int | None, ...] = (None, None, None), **values: Any) -> Series:
    """Make a series with one instance for each number of frames (None: an image without the attribute)."""
    defaults = {"modality": "CT", "series_number": 1, "series_description": "Axial"} | values
    row = Series.objects.create(study=study, series_instance_uid=make_uid(), **defaults)
    segment = Segment.objects.create(series=row, pack_key=make_uid(), metadata=b"", metadata_instances=0)
    for number, count in enumerate(frames, start=1):
        _make_instance(row, segment, number, number_of_frames=count, rows=64, columns=64)
    row.number_of_series_related_instances = len(frames)
    row.save()
    study.number_of_study_related_series += 1
    study.number_of_study_related_instances += len(frames)
    study.save()
    return row


def make_document_series(study: Study) -> Series:
    """Make a series that holds a structured report and no picture."""
    row = Series.objects.create(study=study, series_instance_uid=make_uid(), modality="SR", series_number=9)
    segment = Segment.objects.create(
        series=row, pack_key=make_uid(), metadata=zstandard.compress(EMPTY_DOCUMENT), metadata_instances=1
    )
    _make_instance(row, segment, 1, sop_class_uid=SR_DOCUMENT, metadata_length=len(EMPTY_DOCUMENT))
    row.number_of_series_related_instances = 1
    row.save()
    study.number_of_study_related_instances += 1
    study.save()
    return row


def make_report(study: Study, *versions: tuple[str, str]) -> Report:
    """Make a report from (status, text) pairs, oldest first."""
    row = Report.objects.create(patient=study.person, filler_number=make_uid(), issuer="1.2.752.1.1")
    row.studies.add(study)
    for number, (status, text) in enumerate(versions, start=1):
        authored_at = timezone.now() - timedelta(hours=24 - number)
        ReportVersion.objects.create(
            report=row, number=number, status=status, text=text, author="Berg^Anna", authored_at=authored_at
        )
    return row


def make_order(study: Study, department: Department, question: str) -> Order:
    """Make the request that led to a study."""
    row = Order.objects.create(
        patient=study.person,
        accession_number=study.accession_number,
        accession_issuer=make_uid(),
        ordering_department=department,
        question=question,
        urgency="urgent",
        requester="Ek^Olle",
    )
    row.studies.add(study)
    return row


def make_delivery(
    study: Study, department: Department, state: str = "delivered", reason: str = ""
) -> Delivery:
    """Make a delivery of a study to a system of a department."""
    name = f"PACS {department.unit.name}"
    destination, _created = Destination.objects.get_or_create(
        department=department, name=name, url="http://127.0.0.1:1/studies"
    )
    now = timezone.now()
    return Delivery.objects.create(
        study=study,
        destination=destination,
        generation=1,
        state=state,
        reason=reason,
        planned_at=now,
        not_before=now,
        deadline_at=now + timedelta(days=1),
        delivered_at=now if state == "delivered" else None,
    )


def _make_department(provider: CareProvider, code: str, unit: str, name: str) -> Department:
    row = CareUnit.objects.create(provider=provider, hsa_id=f"SE-{code}", name=unit)
    return Department.objects.create(unit=row, hsa_id=f"SE-{code}-D", name=name)


def _make_instance(series: Series, segment: Segment, number: int, **values: Any) -> Instance:
    places = dict.fromkeys(("offset", "length", "metadata_offset", "metadata_length"), 0)
    defaults: dict[str, Any] = {"sop_class_uid": CT_IMAGE, "instance_number": number} | places | values
    return Instance.objects.create(
        sop_instance_uid=make_uid(), series=series, segment=segment, sha256=b"\0" * 32, **defaults
    )
