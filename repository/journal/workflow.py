"""Orders, reports with their versions, visits, and merges that wait for a person, as lines of the journal.

Each line says how it all stood when it was written, and is done again at its own time, as what it names was then:
the patient by the numbers that it had at the change, before a merge that followed. Of lines about one row with
nothing between them the last is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import Any

from access.models import Department
from registry.models import (
    AwaitedStudy,
    Change,
    DocumentEntry,
    Encounter,
    MergeRequest,
    Order,
    Patient,
    Report,
)
from registry.orders import name_order
from registry.reports import name_version
from repository.journal.columns import plain_columns, plain_values
from repository.journal.files import Entry

WORKFLOW_KINDS = (
    "visit",
    "visit_cancelled",
    "order_changed",
    "order_kept",
    "report_version",
    "report_kept",
    "merge_asked",
)
_DESCRIBED = ("patient_name", "patient_birth_date", "patient_sex", "postal_code")
_IN_CHANGE = ("position", "at", "study", "key", "first_at")


def describe_workflow(change: Change, head: Entry) -> Iterator[Entry]:
    """Yield the line of a change; nothing if the row is gone, or nobody said whose it was."""
    told = _DESCRIBERS[change.kind](change.detail)
    if told is not None:
        yield {"kind": change.kind, **head, **told, "key": [*told["key"], head["at"]]}


def drop_repeated(entries: Sequence[Entry]) -> list[Entry]:
    """Leave out lines that the next one repeats: a change is told once for each study that it is about."""
    repeated = (
        entry["kind"] in WORKFLOW_KINDS and _said(entry) == _said(following)
        for entry, following in pairwise(entries)
    )
    return [entry for entry, is_repeated in zip_longest(entries, repeated) if not is_repeated]


def name_made_of(entry: DocumentEntry) -> Entry:
    """Name the order or the version of a report that a document was made of."""
    version = entry.report_version
    return {
        "order": name_order(entry.order) if entry.order else None,
        "report_version": name_version(version) if version else None,
    }


def _said(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in _IN_CHANGE}


def _describe_visit(detail: dict[str, Any]) -> Entry | None:
    row = Encounter.objects.select_related("patient", "department").filter(pk=detail["visit"]).first()
    if row is None:
        return None
    return {
        "key": [row.number, row.issuer],
        "patient": _name_patient(row.patient, detail["numbers"]),
        "values": plain_values(row),
        "department": _name_department(row.department),
    }


def _describe_cancelled_visit(detail: dict[str, Any]) -> Entry:
    return {"key": [detail["number"], detail["issuer"]]}


def _describe_order(detail: dict[str, Any]) -> Entry | None:
    rows = Order.objects.select_related(
        "patient", "encounter", "ordering_department", "performing_department"
    )
    row = rows.filter(pk=detail["order"]).first()
    if row is None or "numbers" not in detail:
        return None
    return {
        "key": name_order(row),
        "patient": _name_patient(row.patient, detail["numbers"]),
        "values": plain_values(row),
        "ordering_department": _name_department(row.ordering_department),
        "performing_department": _name_department(row.performing_department),
        "visit": [row.encounter.number, row.encounter.issuer] if row.encounter else None,
        "studies": _name_studies(row),
        "awaited": _name_awaited(row),
    }


def _describe_report(detail: dict[str, Any]) -> Entry | None:
    row = Report.objects.select_related("patient").filter(pk=detail["report"]).first()
    if row is None or "numbers" not in detail:
        return None
    return {
        "key": [row.filler_number, row.issuer],
        "patient": _name_patient(row.patient, detail["numbers"]),
        "values": plain_values(row),
        "versions": [plain_values(version) for version in row.versions.order_by("number")],
        "orders": [name_order(order) for order in row.orders.order_by("pk")],
        "studies": _name_studies(row),
        "awaited": _name_awaited(row),
    }


def _describe_request(detail: dict[str, Any]) -> Entry | None:
    row = MergeRequest.objects.select_related("merge").filter(pk=detail["request"]).first()
    if row is None:
        return None
    made = row.merge
    return {
        "key": [row.kind, row.survivor_value, row.survivor_issuer, row.subsumed_value, row.subsumed_issuer],
        "values": plain_values(row),
        "merge": [made.made_at.isoformat(), made.source, made.message_id] if made else None,
    }


def _name_patient(patient: Patient, numbers: list[list[Any]]) -> Entry:
    described = {column: getattr(patient, column) for column in _DESCRIBED}
    return {"numbers": numbers, "described": described}


def _name_department(department: Department | None) -> str | None:
    return department.hsa_id if department else None


def _name_studies(row: Order | Report) -> list[str]:
    return list(row.studies.order_by("study_instance_uid").values_list("study_instance_uid", flat=True))


def _name_awaited(row: Order | Report) -> list[list[str | None]]:
    rows = row.awaited.select_related("department").order_by("pk")
    return [[*(getattr(one, name) for name in AWAITED), _name_department(one.department)] for one in rows]


AWAITED = tuple(plain_columns(AwaitedStudy))
_DESCRIBERS: dict[str, Callable[[dict[str, Any]], Entry | None]] = {
    "visit": _describe_visit,
    "visit_cancelled": _describe_cancelled_visit,
    "order_changed": _describe_order,
    "order_kept": _describe_order,
    "report_version": _describe_report,
    "report_kept": _describe_report,
    "merge_asked": _describe_request,
}
