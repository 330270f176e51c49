"""The rows of a patient as a merge moves them, whichever table they are in; each is noted, for the undo."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, ForeignKey, Model, OuterRef, Q, QuerySet

from registry.identity import PatientNumber
from registry.merge_undo import give_back, keep_closed
from registry.models import (
    CareRelation,
    MovedRow,
    Patient,
    PatientAddress,
    PatientFlag,
    PatientIdentifier,
    PatientMerge,
    PatientTelecom,
    Relative,
    Study,
)

MERGE, LINK, MOVE = "merge", "link", "move"
EXAMINATION, EXAMINED_BEFORE = "examination", "examined_before"
_STAYING = (Patient, PatientMerge, PatientAddress, PatientTelecom)
"""What describes a patient, or tells of merges: it stays with the row that a merge leaves behind."""
_AT_ONCE = 500


def move_all(row: PatientMerge) -> list[int]:
    """Move everything of the subsumed patient to the survivor; returns the keys of the studies among it."""
    studies: list[int] = []
    for model, column in sorted(patient_columns(), key=lambda pair: pair[0]._meta.label):
        keys = _movable(row, model, column)
        _move(row, model, column, keys)
        if model is Study:
            studies = keys
    if row.kind == MERGE:
        subsume_numbers(row)
    Patient.objects.filter(pk=row.subsumed_id).update(merged_into=row.survivor_id)
    return studies


def move_one(row: PatientMerge, number: PatientNumber) -> list[int]:
    """Move a number with the studies that came under it, and a copy of what closes them; returns their keys."""
    known = PatientIdentifier.objects.filter(
        patient=row.subsumed_id, value=number.value, issuer=number.issuer
    )
    keys = Study.objects.filter(
        person=row.subsumed_id, patient_id_normal=number.value, issuer_of_patient_id=number.issuer
    ).values_list("pk", flat=True)
    studies = list(keys)
    _move(row, PatientIdentifier, "patient", list(known.values_list("pk", flat=True)))
    _move(row, Study, "person", studies)
    keep_closed(row.subsumed_id, row.survivor_id, None)
    return studies


def subsume_numbers(row: PatientMerge) -> None:
    """Let the numbers that were moved be none to register under any more."""
    moved = MovedRow.objects.filter(merge=row, table=PatientIdentifier._meta.label).values("row")
    PatientIdentifier.objects.filter(pk__in=moved, subsumed_at=None).update(subsumed_at=row.made_at)


def move_back(row: PatientMerge) -> list[int]:
    """Give the subsumed patient back what was moved; returns the keys of the studies."""
    studies = give_back(row)
    _restore_examinations(row)
    Patient.objects.filter(pk=row.subsumed_id, merged_into=row.survivor_id).update(merged_into=None)
    return studies


def patient_columns() -> Iterator[tuple[type[Model], str]]:
    """Yield every column of any app that says whose a row is: what a merge must move."""
    for relation in Patient._meta.get_fields(include_hidden=True):
        field = getattr(relation, "field", None)
        if not isinstance(field, ForeignKey) or field.model in _STAYING:
            continue
        if field.model._meta.managed and not field.model._meta.abstract:
            yield field.model, field.name


def _movable(row: PatientMerge, model: type[Model], column: str) -> list[int]:
    """Return the rows to move; a mark that the survivor has itself stays, a relation by examination is renamed."""
    rows = model._default_manager.filter(**{column: row.subsumed_id})
    ours: QuerySet[Any, Any]
    if model is PatientFlag:
        ours = PatientFlag.objects.filter(patient=row.survivor_id, kind=OuterRef("kind"), ended_at=None)
        rows = rows.exclude(Q(ended_at=None) & Exists(ours))
    elif model is Relative:
        ours = Relative.objects.filter(patient=row.survivor_id, user=OuterRef("user"), ended_at=None)
        rows = rows.exclude(Q(ended_at=None) & Exists(ours))
    elif model is CareRelation:
        ours = CareRelation.objects.filter(patient=row.survivor_id, source=EXAMINATION).values("unit")
        rows.filter(source=EXAMINATION, unit__in=list(ours.values_list("unit", flat=True))).update(
            source=EXAMINED_BEFORE
        )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _move(row: PatientMerge, model: type[Model], column: str, keys: list[int]) -> None:
    label = model._meta.label
    known = set(MovedRow.objects.filter(merge=row, table=label).values_list("row", flat=True))
    new = [key for key in keys if key not in known]
    MovedRow.objects.bulk_create(MovedRow(merge=row, table=label, row=key) for key in new)
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        model._default_manager.filter(pk__in=chunk).update(**{column: row.survivor_id})


def _restore_examinations(row: PatientMerge) -> None:
    renamed = CareRelation.objects.filter(
        pk__in=MovedRow.objects.filter(merge=row, table=CareRelation._meta.label).values("row"),
        patient=row.subsumed_id,
        source=EXAMINED_BEFORE,
    )
    for relation in renamed:
        same = CareRelation.objects.filter(patient=row.subsumed_id, unit=relation.unit_id, source=EXAMINATION)
        if not same.exists():
            relation.source = EXAMINATION
            relation.save(update_fields=["source"])
