"""Rows about access out of the journal: written where they are missing, brought up to date where they are older."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import DateTimeField, ForeignKey, Model
from django.utils import timezone

from access.models import Assignment, CareProvider, CareUnit, Department, User
from registry.models import (
    BlockLift,
    CareRelation,
    EmergencyReview,
    Participation,
    Patient,
    PatientIdentifier,
    Share,
    Study,
)
from registry.names import fold_name
from registry.shares import write_shared_homes
from repository.journal.files import Entry
from repository.journal.rows import ROW_KINDS


class UnknownName(LookupError):
    """The journal names something that neither the packs nor the journal brought back."""


def restore_row(entry: Entry) -> int | None:
    """Write one row as a line says; returns the patient about whose access it decides, None if nothing is written.

    People who are not there come back as accounts that are switched off, so that it is known who it was.

    Raises
    ------
    UnknownName
    """
    row = _restore(entry)
    return None if row is None else _patient_of(row)


def _restore(entry: Entry) -> Model | None:
    """Write one row; None where nothing is to be written."""
    model, told = ROW_KINDS[entry["kind"]].model, entry["values"]
    if model is CareRelation and _has_run_out(told):
        return None
    values = {name: _resolve(model, name, value) for name, value in told.items()}
    if model is CareRelation and told["source"] == "examination":
        return _restore_examination(values)
    row = _find(model, {name: values[name] for name in ROW_KINDS[entry["kind"]].key})
    if row is None:
        row = model(**values)
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    if isinstance(row, Share):
        write_shared_homes(row.study)
    return row


def _has_run_out(told: dict[str, Any]) -> bool:
    """Tell whether a declaration of one person is over: it says nothing about access any more."""
    return bool(told["user"]) and datetime.fromisoformat(told["valid_to"]) <= timezone.now()


def _restore_examination(values: dict[str, Any]) -> CareRelation:
    """End the relation that the packs brought back, unless the patient was examined again since it was ended."""
    key = {name: values[name] for name in ("patient", "unit", "source")}
    row = CareRelation.objects.filter(**key).first()
    if row is None:
        return CareRelation.objects.create(**values)
    if row.valid_to <= values["valid_to"]:
        row.ended_at = values["ended_at"]
        row.valid_to = values["valid_to"]
        row.save(update_fields=["ended_at", "valid_to"])
    return row


def _find(model: type[Model], key: dict[str, Any]) -> Model | None:
    empty = {f"{name}__isnull": True for name, value in key.items() if value is None}
    given = {name: value for name, value in key.items() if value is not None}
    return model._default_manager.filter(**given, **empty).first()


def _resolve(model: type[Model], name: str, told: Any) -> Any:
    """Return the value of a field: what the line names, found again."""
    field = model._meta.get_field(name)
    if told is None:
        return None
    if isinstance(field, DateTimeField):
        return datetime.fromisoformat(told)
    if not isinstance(field, ForeignKey):
        return told
    target = field.remote_field.model
    for row_kind in ROW_KINDS.values():
        if target is row_kind.model:
            row = _find(target, {part: _resolve(target, part, told[part]) for part in row_kind.key})
            if row is None:
                raise UnknownName(f"the {target.__name__} that it belongs to is not there")
            return row
    return _RESOLVERS[target](told)


def _resolve_by_hsa_id(model: type[CareProvider | CareUnit | Department]) -> Callable[[str], Model]:
    def resolve(hsa_id: str) -> Model:
        row = model._default_manager.filter(hsa_id=hsa_id).first()
        if row is None:
            raise UnknownName(f"there is no {model.__name__} {hsa_id}")
        return row

    return resolve


def resolve_patient(told: dict[str, Any]) -> Patient:
    """Return the patient whom a line names by numbers or studies; one who is not there is made as it is described.

    Raises
    ------
    UnknownName
    """
    for value, issuer, _ in told["numbers"]:
        known = PatientIdentifier.objects.filter(value=value, issuer=issuer).select_related("patient").first()
        if known is not None:
            return known.patient
    study = Study.objects.filter(study_instance_uid__in=told.get("studies", [])).order_by("pk").first()
    if study is not None:
        return study.person
    if not told["numbers"]:
        raise UnknownName("its patient has no number and no study that is there")
    described = told.get("described", {})
    patient = Patient.objects.create(
        patient_name_folded=fold_name(described.get("patient_name", "")), **described
    )
    PatientIdentifier.objects.bulk_create(
        PatientIdentifier(patient=patient, value=value, issuer=issuer, is_national=is_national)
        for value, issuer, is_national in told["numbers"]
    )
    return patient


def _resolve_study(uid: str) -> Study:
    study = Study.objects.select_related("custodian__unit").filter(study_instance_uid=uid).first()
    if study is None:
        raise UnknownName(f"there is no study {uid}")
    return study


def _resolve_user(told: dict[str, str]) -> User:
    user = User.objects.filter(username=told["username"]).first()
    if user is None and told["hsa_id"]:
        user = User.objects.filter(hsa_id=told["hsa_id"]).order_by("pk").first()
    if user is None:
        user = User(username=told["username"], hsa_id=told["hsa_id"], is_active=False)
        user.set_unusable_password()
        user.save()
    return user


def _resolve_assignment(told: dict[str, Any]) -> Assignment:
    """Return the assignment; one that is not there comes back ended, and without rights."""
    began = datetime.fromisoformat(told["valid_from"])
    user = _resolve_user(told["user"])
    department = Department.objects.filter(hsa_id=told["department"]).first()
    if department is None:
        raise UnknownName(f"there is no Department {told['department']}")
    known = Assignment.objects.filter(
        user=user, department=department, role=told["role"], valid_from=began
    ).first()
    if known is not None:
        return known
    group, _ = Group.objects.get_or_create(name="rebuilt, without rights")
    return Assignment.objects.create(
        user=user, department=department, group=group, role=told["role"], valid_from=began, valid_to=began
    )


_RESOLVERS: dict[type[Model], Callable[[Any], Model]] = {
    Patient: resolve_patient,
    Study: _resolve_study,
    User: _resolve_user,
    Assignment: _resolve_assignment,
    CareProvider: _resolve_by_hsa_id(CareProvider),
    CareUnit: _resolve_by_hsa_id(CareUnit),
    Department: _resolve_by_hsa_id(Department),
}


def _patient_of(row: Any) -> int:
    """Return the key of the patient whose access a row decides about."""
    match row:
        case BlockLift():
            return row.block.patient_id
        case EmergencyReview():
            return row.opening.patient_id
        case Participation() | Share():
            return row.study.person_id
    key: int = row.patient_id
    return key
