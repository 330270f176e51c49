"""What goes back when a merge is undone: the rows of its journal, and what came since under a moved number."""

from collections.abc import Iterable

from django.apps import apps
from django.db.models import Model, Q

from registry import changes
from registry.document_patients import read_number
from registry.examinations import relate_from_examination
from registry.models import (
    Block,
    DocumentEntry,
    Folder,
    MovedRow,
    Order,
    PatientFlag,
    PatientIdentifier,
    PatientMerge,
    Removal,
    Report,
    Study,
    SubmissionSet,
)

_AT_ONCE = 500
MANIFEST_MAKERS = ("kos", "mado", "fhir")


def give_back(row: PatientMerge) -> list[int]:
    """Move rows from the survivor back to the subsumed patient; returns the keys of the studies among them."""
    survivor_id, subsumed_id = row.survivor_id, row.subsumed_id
    moved = _moved_rows(row)
    numbers = _numbers(moved)
    before = set(Study.objects.filter(person=survivor_id).values_list("pk", flat=True))
    since = _studies_since(survivor_id, numbers)
    for label, keys in sorted(moved.items()):
        _send(apps.get_model(label), sorted(keys), survivor_id, subsumed_id)
    _send(Study, since, survivor_id, subsumed_id)
    for model in (DocumentEntry, SubmissionSet, Folder):
        _send(model, _documents_since(model, survivor_id, numbers), survivor_id, subsumed_id)
    studies = sorted(before & set(Study.objects.filter(person=subsumed_id).values_list("pk", flat=True)))
    _send_along(since, survivor_id, subsumed_id)
    _send_made_here(studies, survivor_id, subsumed_id)
    keys = moved.get(PatientIdentifier._meta.label, set())
    PatientIdentifier.objects.filter(pk__in=keys, subsumed_at=row.made_at).update(subsumed_at=None)
    keep_closed(survivor_id, subsumed_id, row)
    for study in Study.objects.filter(pk__in=since).select_related("custodian"):
        relate_from_examination(study)
    return studies


def keep_closed(giver_id: int, taker_id: int, row: PatientMerge | None) -> None:
    """Let what the one closes be closed with the other too.

    Of an undone merge (`row`) it is what was registered since; all of it when only some of the data are moved.
    """
    blocks = Block.objects.filter(patient=giver_id, cancelled_at=None)
    flags = PatientFlag.objects.filter(
        Q(kind="opted_out") | Q(kind__startswith="protected"), patient=giver_id, ended_at=None
    )
    if row is not None:
        blocks = blocks.filter(registered_at__gte=row.made_at)
        flags = flags.filter(registered_at__gte=row.made_at)
    _copy(list(blocks), taker_id)
    _copy([flag for flag in flags if not _has_flag(taker_id, flag.kind)], taker_id)


def _copy(rows: Iterable[Block | PatientFlag], taker_id: int) -> None:
    for closing in rows:
        closing.pk = None
        closing._state.adding = True
        closing.patient_id = taker_id
        closing.save()
        changes.append("block" if isinstance(closing, Block) else "flag", detail={"row": closing.pk})


def _has_flag(patient_id: int, kind: str) -> bool:
    return PatientFlag.objects.filter(patient=patient_id, kind=kind, ended_at=None).exists()


def _moved_rows(row: PatientMerge) -> dict[str, set[int]]:
    moved: dict[str, set[int]] = {}
    for table, key in MovedRow.objects.filter(merge=row).values_list("table", "row"):
        moved.setdefault(table, set()).add(key)
    return moved


def _numbers(moved: dict[str, set[int]]) -> set[tuple[str, str]]:
    keys = moved.get(PatientIdentifier._meta.label, set())
    return set(PatientIdentifier.objects.filter(pk__in=keys).values_list("value", "issuer"))


def _studies_since(patient_id: int, numbers: set[tuple[str, str]]) -> list[int]:
    rows = Study.objects.filter(person=patient_id, patient_id_normal__in={value for value, _ in numbers})
    columns = rows.values_list("pk", "patient_id_normal", "issuer_of_patient_id")
    return sorted(pk for pk, value, issuer in columns if (value, issuer) in numbers)


def _documents_since(model: type[Model], patient_id: int, numbers: set[tuple[str, str]]) -> list[int]:
    """Return the rows of a patient that were sent under one of these numbers."""
    found = []
    rows = model._default_manager.filter(patient=patient_id).values_list("pk", "patient_id_as_sent")
    for pk, text in rows:
        number = read_number(text)
        if number is not None and (number.value, number.issuer) in numbers:
            found.append(pk)
    return found


def _send_along(studies: list[int], giver_id: int, taker_id: int) -> None:
    """Move what belongs to studies that came since: removals, orders and reports about nothing else."""
    Removal.objects.filter(study__in=studies, person=giver_id).update(person=taker_id)
    for model in (Order, Report):
        rows = model._default_manager.filter(patient=giver_id, studies__in=studies)
        others = model._default_manager.filter(patient=giver_id, studies__person=giver_id)
        keys = rows.exclude(pk__in=others.values("pk")).values_list("pk", flat=True)
        _send(model, sorted(set(keys)), giver_id, taker_id)


def _send_made_here(studies: list[int], giver_id: int, taker_id: int) -> None:
    """Move the documents that were made here of what went back: they tell of it, whatever the patient was called.

    Nobody sent them under a number, so that none of them would be found by that.
    """
    rows = DocumentEntry.objects.filter(patient=giver_id).filter(
        Q(study__in=studies, maker__in=MANIFEST_MAKERS)
        | Q(maker="report", report_version__report__patient=taker_id)
        | Q(maker="request", order__patient=taker_id)
    )
    keys = sorted(rows.values_list("pk", flat=True))
    sets = SubmissionSet.objects.filter(patient=giver_id, entries__in=keys).values_list("pk", flat=True)
    _send(SubmissionSet, sorted(set(sets)), giver_id, taker_id)
    _send(DocumentEntry, keys, giver_id, taker_id)


def _send(model: type[Model], keys: list[int], giver_id: int, taker_id: int) -> None:
    column = "person" if model in (Study, Removal) else "patient"
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        rows = model._default_manager.filter(pk__in=chunk, **{column: giver_id})
        rows.update(**{column: taker_id})
