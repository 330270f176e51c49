"""Rows for tests of search and visibility, made straight through the models."""

from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from access.actor import Actor, Scope
from access.models import CareProvider, CareUnit, Department
from registry.fragments import render_series, render_study
from registry.models import CareRelation, Home, Instance, Patient, Segment, Series, Share, Study
from registry.names import fold_name

_numbers = count(1)

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def make_uid() -> str:
    """Return a UID that no other row of this process has."""
    return f"2.25.{next(_numbers)}"


def make_department(provider: CareProvider | None = None) -> Department:
    """Make a department with a unit, in a provider of its own unless one is given."""
    number = next(_numbers)
    provider = provider or CareProvider.objects.create(hsa_id=f"SE-P{number}", name=f"Provider {number}")
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE-U{number}", name=f"Hospital {number}")
    return Department.objects.create(unit=unit, hsa_id=f"SE-D{number}", name="Radiology")


def make_actor(department: Department) -> Actor:
    """Return a person who works in the department."""
    unit = department.unit
    return Actor(
        kind="person",
        subject="doctor",
        scope=Scope(department.pk, unit.pk, unit.provider_id),
        permissions=frozenset({"read"}),
        department_hsa_id=department.hsa_id,
    )


def make_region_actor() -> Actor:
    """Return a system that may read the whole region."""
    return Actor(
        kind="system", subject="tool", scope=Scope(region_wide=True), permissions=frozenset({"read"})
    )


def make_study(
    department: Department,
    *,
    modalities: tuple[str, ...] = ("CT",),
    instances: int = 1,
    series_values: dict[str, Any] | None = None,
    **values: Any,
) -> Study:
    """Make a study with one series per modality, its homes and its fragments; `values` are columns of Study."""
    values.setdefault("study_instance_uid", make_uid())
    values.setdefault("study_date", "20250314")
    values.setdefault("patient_name", "Åkerström^Lars")
    values.setdefault("patient_id", "191212121212")
    values.setdefault("patient_id_normal", values["patient_id"])
    now = timezone.now()
    study = Study(
        custodian=department,
        person=Patient.objects.create(patient_name=values["patient_name"]),
        patient_name_folded=fold_name(values["patient_name"]),
        referring_physician_name_folded=fold_name(values.get("referring_physician_name", "")),
        modalities_in_study=sorted(modalities),
        sop_classes_in_study=[CT_IMAGE],
        number_of_study_related_series=len(modalities),
        number_of_study_related_instances=len(modalities) * instances,
        first_instance_at=now,
        last_instance_at=now,
        visible_at=now,
        **values,
    )
    study.fragment = render_study(study)
    study.save()
    for number, modality in enumerate(modalities, 1):
        make_series(
            study, modality=modality, series_number=number, instances=instances, **(series_values or {})
        )
        make_home(study, department, modality)
    make_relation(study.person, department.unit, source="examination")
    return study


def make_relation(patient: Patient, unit: CareUnit, **values: Any) -> CareRelation:
    """Let a unit take part in a patient's care, from yesterday on for a year."""
    now = timezone.now()
    values.setdefault("source", "order")
    values.setdefault("valid_from", now - timedelta(days=1))
    values.setdefault("valid_to", now + timedelta(days=365))
    return CareRelation.objects.create(patient=patient, unit=unit, **values)


def make_share(study: Study, department: Department, **values: Any) -> Share:
    """Share a study with a department, from yesterday on without end."""
    values.setdefault("basis", "referral")
    values.setdefault("valid_from", timezone.now() - timedelta(days=1))
    for modality in study.modalities_in_study:
        make_home(study, department, modality, unit=None)
    return Share.objects.create(
        study=study, department=department, registered_at=values["valid_from"], **values
    )


def make_home(study: Study, department: Department, modality: str, **values: Any) -> Home:
    """Let a study be at home in a department."""
    values.setdefault("unit", department.unit)
    return Home.objects.create(
        study=study,
        department=department,
        modality=modality,
        study_date=study.study_date,
        study_time=study.study_time,
        **values,
    )


def make_series(study: Study, *, instances: int = 1, **values: Any) -> Series:
    """Make a series with instances; `values` are columns of Series."""
    values.setdefault("series_instance_uid", make_uid())
    series = Series(
        study=study,
        number_of_series_related_instances=instances,
        **values,
    )
    series.fragment = render_series(series, study.study_instance_uid)
    series.save()
    segment = Segment.objects.create(
        series=series, pack_key=f"packs/{next(_numbers)}.pack", metadata=b"", metadata_instances=instances
    )
    Instance.objects.bulk_create(
        Instance(
            series=series,
            segment=segment,
            sop_instance_uid=make_uid(),
            sop_class_uid=CT_IMAGE,
            offset=0,
            length=1000,
            metadata_offset=0,
            metadata_length=0,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            sha256=b"\0" * 32,
            instance_number=number,
            rows=512,
            columns=512,
            bits_allocated=16,
        )
        for number in range(1, instances + 1)
    )
    return series
