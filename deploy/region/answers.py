"""The right answers about a region: one row a study, and who should receive it."""

import csv
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deploy.region.build import count_instances, count_series
from deploy.region.facts import Order, Patient, Region, Study, Subscription
from deploy.region.identities import PERSONAL_NUMBER_OID, format_personal_number
from deploy.region.makers import StatedIssuer
from deploy.region.organisation import Hospital


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """What is true of a study, and what its files say; `true_personal_number` is who the patient is."""

    study_instance_uid: str
    accession_number: str
    true_personal_number: str
    patient_id: str
    issuer_oid: str
    study_date: str
    study_time: str
    hospital: str
    custodian_hsa_id: str
    exam_kind: str
    study_description: str
    modalities: str
    body_region: str
    series: int
    instances: int
    specific_character_set: str
    transfer_syntax_uid: str
    prior_number: int
    recipients: str
    is_protected: bool
    blocked_at: str
    report_state: str
    report: str


def find_recipients(region: Region, study: Study) -> tuple[Subscription, ...]:
    """Find the subscriptions that a study should be delivered for."""
    return tuple(subscription for subscription in region.subscriptions if subscription.wants(study))


def answer_study(region: Region, study: Study) -> StudyAnswer:
    """Answer everything about one study."""
    patient, hospital = study.patient, study.hospital
    report = study.reports[-1] if study.reports else None
    patient_id, issuer_oid = _identify(study)
    return StudyAnswer(
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        true_personal_number=patient.personal_number,
        patient_id=patient_id,
        issuer_oid=issuer_oid,
        study_date=f"{study.performed_at:%Y%m%d}",
        study_time=f"{study.performed_at:%H%M%S}",
        hospital=hospital.code,
        custodian_hsa_id=hospital.departments[0].hsa_id,
        exam_kind=study.exam.kind,
        study_description=study.description,
        modalities="\\".join(_list_modalities(region, study)),
        body_region=study.exam.body_region,
        series=count_series(region, study),
        instances=count_instances(region, study),
        specific_character_set=hospital.specific_character_set,
        transfer_syntax_uid=hospital.transfer_syntax_uid,
        prior_number=study.prior_number,
        recipients=" ".join(s.department.hsa_id for s in find_recipients(region, study)),
        is_protected=patient.is_protected,
        blocked_at=patient.blocked_at.code if patient.blocked_at else "",
        report_state=report.state.value if report else "",
        report=report.impression if report else "",
    )


def write_answers(region: Region, folder: Path) -> None:
    """Write `expected.csv` (one row a study) and `region.json` (everything else) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "expected.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(StudyAnswer)]
        writer.writerow(names)
        for study in region.studies:
            answer = answer_study(region, study)
            writer.writerow([getattr(answer, name) for name in names])
    document = {
        "seed": region.size.seed,
        "hospitals": [_describe_hospital(hospital) for hospital in region.hospitals],
        "patients": [_describe_patient(patient) for patient in region.patients],
        "subscriptions": [_describe_subscription(item) for item in region.subscriptions],
        "open_orders": [_describe_order(order) for order in region.open_orders],
    }
    (folder / "region.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")


def _identify(study: Study) -> tuple[str, str]:
    patient, hospital = study.patient, study.hospital
    if study.has_reserve_number:
        return patient.reserve_number_at(hospital), hospital.issuer_oid
    issuer_oid = {
        StatedIssuer.NATIONAL: PERSONAL_NUMBER_OID,
        StatedIssuer.NONE: "",
        StatedIssuer.WRONG: hospital.issuer_oid,
    }[hospital.maker.stated_issuer]
    return format_personal_number(patient.personal_number, hospital.maker.number_style), issuer_oid


def _list_modalities(region: Region, study: Study) -> list[str]:
    added = (("SR", bool(study.reports)), ("DOC", study.has_pdf), ("KO", region.size.with_manifests))
    return sorted([study.exam.modality, *(modality for modality, is_there in added if is_there)])


def _describe_hospital(hospital: Hospital) -> dict[str, Any]:
    return {
        "code": hospital.code,
        "hsa_id": hospital.hsa_id,
        "name": hospital.name,
        "town": hospital.town,
        "provider": {"hsa_id": hospital.provider.hsa_id, "name": hospital.provider.name},
        "maker": hospital.maker.name,
        "issuer_oid": hospital.issuer_oid,
        "departments": [{"hsa_id": item.hsa_id, "name": item.name} for item in hospital.departments],
    }


def _describe_patient(patient: Patient) -> dict[str, Any]:
    return {
        "personal_number": patient.personal_number,
        "name": patient.name.to_dicom(),
        "birth_date": patient.birth_date.isoformat(),
        "sex": patient.sex,
        "home": patient.home.code,
        "is_protected": patient.is_protected,
        "blocked_at": patient.blocked_at.code if patient.blocked_at else "",
    }


def _describe_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "department": subscription.department.hsa_id,
        "exam_kinds": subscription.exam_kinds,
        "modalities": subscription.modalities,
        "patient_home": subscription.hospital.code,
    }


def _describe_order(order: Order) -> dict[str, Any]:
    return {
        "placer_order_number": order.placer_order_number,
        "personal_number": order.patient.personal_number,
        "exam_kind": order.exam.kind,
        "ordered_at": order.ordered_at.isoformat(),
        "requesting_department": order.requesting_department.hsa_id,
        "performing_hospital": order.performing_hospital.code,
    }
