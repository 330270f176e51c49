"""Orders, reports, visits and merges that wait, out of the journal: each line sets a row to what it was then.

A study that is not there yet is linked by a later line: every link has one. Readings of reports are not in the journal.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import F

from access.models import Department
from registry.merge_replay import MergeName, find_merge
from registry.models import (
    AwaitedStudy,
    Encounter,
    MergeRequest,
    Order,
    Patient,
    PatientIdentifier,
    Report,
    ReportVersion,
    Study,
)
from registry.reports import OUT_OF_THE_WAY
from registry.study_state import note_orders, note_reports
from repository.journal.columns import read_values
from repository.journal.files import Entry
from repository.journal.workflow import AWAITED
from repository.rebuild.rows import UnknownName, resolve_patient


def restore_workflow(entry: Entry) -> int | None:
    """Write a row as a line says; returns whose it is, None where nobody's record has changed.

    Raises
    ------
    UnknownName
        It names a patient or a department that did not come back.
    """
    return _RESTORERS[entry["kind"]](entry)


def find_order(name: list[str] | None) -> Order | None:
    """Return the order of a name: by accession number, else the one of its placer that had none until then."""
    if name is None:
        return None
    accession, issuer, placer, placer_issuer = name
    if accession:
        found = Order.objects.filter(accession_number=accession, accession_issuer=issuer).first()
        if found is not None or not placer:
            return found
    rows = Order.objects.filter(placer_order_number=placer, placer_issuer=placer_issuer, accession_number="")
    return rows.order_by("-pk").first()


def find_version(name: list[str] | None) -> ReportVersion | None:
    """Return the version of a report with this name."""
    if name is None:
        return None
    number, issuer, digest = name
    rows = ReportVersion.objects.filter(report__filler_number=number, report__issuer=issuer)
    return rows.filter(digest=bytes.fromhex(digest)).order_by("pk").first()


def _restore_visit(entry: Entry) -> int | None:
    number, issuer, _ = entry["key"]
    row = Encounter.objects.filter(number=number, issuer=issuer).first() or Encounter()
    _set(row, entry["values"])
    row.patient = _owner(row, entry["patient"])
    row.department = _department(entry["department"])
    row.save()
    return row.patient_id


def _restore_cancelled_visit(entry: Entry) -> int | None:
    number, issuer, _ = entry["key"]
    row = Encounter.objects.filter(number=number, issuer=issuer, orders=None).first()
    if row is None:
        return None
    patient_id = row.patient_id
    row.delete()
    return patient_id


def _restore_order(entry: Entry) -> int | None:
    row = find_order(entry["key"][:4]) or Order()
    told_at = entry["values"]["changed_at"]
    if row.changed_at and told_at and datetime.fromisoformat(told_at) < row.changed_at:
        return None  # an older copy of the database knows more of it already
    _set(row, entry["values"])
    row.patient = _owner(row, entry["patient"])
    row.ordering_department = _department(entry["ordering_department"])
    row.performing_department = _department(entry["performing_department"])
    row.encounter = _visit(entry["visit"])
    row.save()
    _await(row, "order", entry["awaited"])
    for study in _link(row, entry["studies"]):
        note_orders(study)
    return row.patient_id


def _restore_report(entry: Entry) -> int | None:
    number, issuer, _ = entry["key"]
    row = Report.objects.filter(filler_number=number, issuer=issuer).first() or Report()
    _set(row, entry["values"])
    row.patient = _owner(row, entry["patient"])
    row.save()
    _restore_versions(row, entry["versions"])
    orders = [order for name in entry["orders"] if (order := find_order(name)) is not None]
    row.orders.set(orders)
    _await(row, "report", entry["awaited"])
    for study in _link(row, entry["studies"]):
        note_reports(study)
    return row.patient_id


def _restore_versions(report: Report, told: Iterable[Entry]) -> None:
    """Write the versions of a chain, each known by what it says, with the numbers of their places."""
    known = {bytes(row.digest): row for row in report.versions.all()}
    report.versions.update(number=F("number") + OUT_OF_THE_WAY)
    last = 0
    for values in told:
        columns = read_values(ReportVersion, values)
        row = known.pop(columns["digest"], None)
        if row is None:
            row = ReportVersion.objects.create(report=report, **columns)
        ReportVersion.objects.filter(pk=row.pk).update(
            **columns
        )  # when it was received is set by nothing else
        last = max(last, columns["number"])
    for place, row in enumerate(sorted(known.values(), key=lambda row: row.number), last + 1):
        ReportVersion.objects.filter(pk=row.pk).update(number=place)


def _restore_request(entry: Entry) -> int | None:
    values = read_values(MergeRequest, entry["values"])
    asked = {name: value for name, value in values.items() if name not in _DECIDED}
    row = MergeRequest.objects.filter(**asked).first() or MergeRequest(**asked)
    if row.decision:
        return None
    for name in _DECIDED:
        setattr(row, name, values[name])
    if entry["merge"] is not None:
        made_at, source, message_id = entry["merge"]
        row.merge = find_merge(MergeName(datetime.fromisoformat(made_at), source, message_id))
    row.save()
    return None


_DECIDED = ("decision", "decided_at", "decided_by", "reason")


def _set(row: Encounter | Order | Report, told: Entry) -> None:
    for name, value in read_values(type(row), told).items():
        setattr(row, name, value)


def _owner(row: Encounter | Order | Report, told: Entry) -> Patient:
    """Return whose a row is: it stays with a patient who has any of the numbers, as it may have been parted since."""
    if row.pk is not None:
        for value, issuer, _ in told["numbers"]:
            if PatientIdentifier.objects.filter(value=value, issuer=issuer, patient=row.patient_id).exists():
                return row.patient
    return resolve_patient(told)


def _department(hsa_id: str | None) -> Department | None:
    if hsa_id is None:
        return None
    row = Department.objects.filter(hsa_id=hsa_id).first()
    if row is None:
        raise UnknownName(f"there is no Department {hsa_id}")
    return row


def _visit(name: list[str] | None) -> Encounter | None:
    if name is None:
        return None
    return Encounter.objects.filter(number=name[0], issuer=name[1]).first()


def _await(row: Order | Report, owner: str, told: Iterable[list[Any]]) -> None:
    for *values, hsa_id in told:
        named = dict(zip(AWAITED, values, strict=True))
        department = _department(hsa_id)
        AwaitedStudy.objects.get_or_create(**{owner: row}, **named, defaults={"department": department})


def _link(row: Order | Report, uids: list[str]) -> list[Study]:
    """Link exactly the studies that are there and this patient's; returns those whose links have changed."""
    studies = list(Study.objects.filter(study_instance_uid__in=uids, person=row.patient_id))
    before = {study.pk: study for study in row.studies.all()}
    row.studies.set(studies)
    return list((before | {study.pk: study for study in studies}).values())


_RESTORERS: dict[str, Callable[[Entry], int | None]] = {
    "visit": _restore_visit,
    "visit_cancelled": _restore_cancelled_visit,
    "order_changed": _restore_order,
    "order_kept": _restore_order,
    "report_version": _restore_report,
    "report_kept": _restore_report,
    "merge_asked": _restore_request,
}
