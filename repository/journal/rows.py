"""Rows about access as lines of the journal: consents, blocks, lifts, marks, relations, openings, shares.

A line says how the row stands when it is written; the last line of a row counts. What a row points to is named as
any database would know it: patients by their numbers, units by HSA-id, people by user name, studies by UID, and
other rows of this kind by what tells them apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import ForeignKey, Model

from access.models import Assignment, CareProvider, CareUnit, Department, User
from registry.models import (
    Block,
    BlockLift,
    CareRelation,
    Change,
    Consent,
    EmergencyOpening,
    EmergencyReview,
    Participation,
    Patient,
    PatientFlag,
    Relative,
    Share,
    Study,
)
from repository.journal.files import Entry


@dataclass(frozen=True, slots=True)
class RowKind:
    """A table that the journal keeps; `key` are the fields that tell a row from all others in any database."""

    model: type[Model]
    key: tuple[str, ...]


ROW_KINDS = {
    "consent": RowKind(
        Consent, ("patient", "registered_at", "recipient_provider", "recipient_unit", "recipient_user")
    ),
    "block": RowKind(Block, ("patient", "registered_at", "provider", "unit")),
    "lift": RowKind(BlockLift, ("block", "registered_at", "unit", "user")),
    "flag": RowKind(PatientFlag, ("patient", "kind", "registered_at")),
    "relative": RowKind(Relative, ("patient", "user", "registered_at")),
    "relation": RowKind(CareRelation, ("patient", "unit", "user", "source", "reason", "valid_from")),
    "opening": RowKind(EmergencyOpening, ("patient", "user", "located_at")),
    "opening_review": RowKind(EmergencyReview, ("opening", "reviewer", "reviewed_at")),
    "participation": RowKind(Participation, ("study", "user", "kind")),
    "share": RowKind(Share, ("study", "department", "basis", "registered_at")),
}
"""By the kind of change. Choices of a unit are not kept: they last a day, and the access log has them."""

_KEYS = {row_kind.model: row_kind.key for row_kind in ROW_KINDS.values()}


def describe_row(change: Change, head: Entry) -> Iterator[Entry]:
    """Yield the line of a row that was written or ended; nothing if the row is gone with what it belonged to."""
    row = ROW_KINDS[change.kind].model._default_manager.filter(pk=change.detail["row"]).first()
    if row is not None:
        values = {field.name: _name(row, field.name) for field in row._meta.concrete_fields[1:]}
        yield {"kind": change.kind, **head, "values": values}


def _name(row: Model, name: str) -> Any:
    """Return the value of a field as JSON, what it points to by a name that outlives the database."""
    field = row._meta.get_field(name)
    value = getattr(row, name)
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(field, ForeignKey) or value is None:
        return value
    if type(value) in _KEYS:
        return {part: _name(value, part) for part in _KEYS[type(value)]}
    return _name_known(value)


def _name_known(value: Model) -> Any:
    match value:
        case Patient():
            return _name_patient(value)
        case CareProvider() | CareUnit() | Department():
            return value.hsa_id
        case User():
            return {"username": value.username, "hsa_id": value.hsa_id}
        case Assignment():
            return {
                "user": _name_known(value.user),
                "department": value.department.hsa_id,
                "role": value.role,
                "valid_from": value.valid_from.isoformat(),
            }
        case Study():
            return value.study_instance_uid
    raise TypeError(f"the journal has no name for a {type(value).__name__}")


def _name_patient(patient: Patient) -> dict[str, Any]:
    """Name a patient by its numbers; one without a number by its studies.

    One without studies has nothing in the packs that describes it, so the line does.
    """
    numbers = patient.identifiers.order_by("issuer", "value").values_list("value", "issuer", "is_national")
    named: dict[str, Any] = {"numbers": [list(number) for number in numbers]}
    studies = Study.objects.filter(person=patient).order_by("pk").values_list("study_instance_uid", flat=True)
    known = list(studies[:10])
    if not named["numbers"]:
        named["studies"] = known
    if not known:
        columns = ("patient_name", "patient_birth_date", "patient_sex")
        named["described"] = {column: getattr(patient, column) for column in columns}
    return named
