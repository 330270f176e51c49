"""Which studies an order or a report is about: by Study Instance UID, or by accession number and its issuer.

Either may come first. An order or a report keeps what it names in `AwaitedStudy`, and is linked to what is
there; a reader of the change feed links what comes later, and what came at the same moment. Nothing is ever
linked across two persons: where a number says so, the link waits until somebody has found them to be one.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from access.database import run_write
from access.models import Department
from registry import changes
from registry.models import (
    AwaitedStudy,
    Change,
    ChangeCursor,
    Hl7Source,
    Order,
    Report,
    Series,
    Study,
)
from registry.study_state import newest_of, note_orders, note_reports
from registry.workflow_changes import keep_report, tell_order, tell_report

log = logging.getLogger(__name__)

READER = "linking"
CHUNK = 100
STUDY_CHANGES = "store", "patient_"
"""How the kinds of changes begin that make a study new, or another person's."""


@dataclass(frozen=True, slots=True)
class Accession:
    """An accession number; `issuer` is the OID of its issuer, or empty where nobody said it."""

    number: str
    issuer: str = ""


def await_studies(
    about: Order | Report,
    study_instance_uids: Iterable[str],
    accessions: Iterable[Accession],
    department: Department | None,
) -> bool:
    """Keep what an order or a report names, in the transaction that writes it; tells whether any of it is new."""
    wanted = [{"study_instance_uid": uid} for uid in study_instance_uids if uid]
    wanted += [
        {"accession_number": each.number, "accession_issuer": each.issuer}
        for each in accessions
        if each.number
    ]
    owner: dict[str, Any] = {"order" if isinstance(about, Order) else "report": about}
    made = [
        AwaitedStudy.objects.get_or_create(**owner, **names, defaults={"department": department})[1]
        for names in wanted
    ]
    return any(made)


def link_order(order: Order) -> list[Study]:
    """Link an order to the studies that are there, and to the reports that name it; returns the new ones."""
    found = [study for study in _find_studies(order) if _add_order(order, study)]
    for report in _find_reports(order):
        if not report.orders.filter(pk=order.pk).exists():
            report.orders.add(order)
            keep_report(report)
        link_report(report)
    return found


def link_report(report: Report) -> list[Study]:
    """Link a report to the studies that are there, those of its orders included; returns the new ones."""
    ordered = Study.objects.filter(orders__reports=report, person=report.patient_id).distinct()
    return [study for study in (*_find_studies(report), *ordered) if _add_report(report, study)]


def link_study(study: Study) -> None:
    """Link a study to the orders and reports that name it, and to none that are another person's any more."""
    _part(study)
    for awaited in _find_awaited(study):
        if awaited.order is not None:
            _add_order(awaited.order, study)
        if awaited.report is not None:
            _add_report(awaited.report, study)
    for report in Report.objects.filter(orders__studies=study, patient=study.person_id).distinct():
        _add_report(report, study)


def relink(about: Order | Report) -> None:
    """Take back an order's or a report's links to what is another person's now, and link what is this one's."""
    other = about.orders if isinstance(about, Report) else about.reports
    other.remove(*other.exclude(patient=about.patient_id))
    for study in about.studies.exclude(person=about.patient_id):
        _part(study)
    if isinstance(about, Order):
        link_order(about)
    else:
        link_report(about)


def link_changes() -> int:
    """Link what the change feed brought since last time; a duty. Returns how many changes were read."""
    ChangeCursor.objects.get_or_create(reader=READER)
    count = 0
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHUNK)
        if not read:
            return count
        if run_write(lambda: _link_chunk(cursor, read)):  # noqa: B023 (called at once)
            count += len(read)


def _link_chunk(cursor: int, read: list[Change]) -> bool:
    # Moving the cursor first makes it the lock: of two readers the second finds it moved and writes nothing.
    moved = ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=read[-1].position)
    if not moved:
        return False
    uids = {
        row.study_instance_uid
        for row in read
        if row.kind.startswith(STUDY_CHANGES) and row.study_instance_uid
    }
    for study in Study.objects.filter(study_instance_uid__in=sorted(uids)).order_by("pk"):
        link_study(study)
    for order in Order.objects.filter(pk__in=_keys(read, "order_changed", "order")).order_by("pk"):
        link_order(order)
    for report in Report.objects.filter(pk__in=_keys(read, "report_version", "report")).order_by("pk"):
        link_report(report)
    return True


def _keys(read: Iterable[Change], kind: str, name: str) -> list[int]:
    return sorted({int(row.detail[name]) for row in read if row.kind == kind and name in row.detail})


def _part(study: Study) -> None:
    """Take back links that a merge had made right and its undoing made wrong."""
    orders, reports = (
        study.orders.exclude(patient=study.person_id),
        study.reports.exclude(patient=study.person_id),
    )
    for order in orders:
        study.orders.remove(order)
        tell_order(order, study.study_instance_uid)
    for report in reports:
        study.reports.remove(report)
        note_reports(study)
        tell_report(report, study.study_instance_uid)


def _add_order(order: Order, study: Study) -> bool:
    if order.studies.filter(pk=study.pk).exists():
        return False
    order.studies.add(study)
    note_orders(study)
    tell_order(order, study.study_instance_uid)
    return True


def _add_report(report: Report, study: Study) -> bool:
    if report.studies.filter(pk=study.pk).exists():
        return False
    report.studies.add(study)
    note_reports(study)
    newest = newest_of(list(report.versions.all()))
    version = {"version": newest.pk, "is_newest": True} if newest else {}
    tell_report(report, study.study_instance_uid, **version)
    return True


def _find_studies(about: Order | Report) -> list[Study]:
    """Return the studies of the same person that an order or a report names."""
    awaited = list(about.awaited.all())
    uids = [row.study_instance_uid for row in awaited if row.study_instance_uid]
    numbers = [row.accession_number for row in awaited if row.accession_number]
    rows = Study.objects.filter(Q(study_instance_uid__in=uids) | Q(accession_number__in=numbers))
    found = {study.pk: study for study in rows}
    for study_id in _requested_in_series(about.patient_id, numbers):
        found.setdefault(study_id, Study.objects.get(pk=study_id))
    fitting = [study for study in found.values() if any(_fits(row, study) for row in awaited)]
    return [study for study in fitting if _is_same_person(about, study)]


def _requested_in_series(patient_id: int, numbers: list[str]) -> set[int]:
    """Return the person's studies in which the request of a series has one of the accession numbers."""
    if not numbers:
        return set()
    rows = Series.objects.filter(study__person=patient_id).exclude(request_attributes_sequence=[])
    pairs = rows.values_list("study_id", "request_attributes_sequence")
    return {
        study_id for study_id, items in pairs if any(each.number in numbers for each in _read_requests(items))
    }


def _find_awaited(study: Study) -> list[AwaitedStudy]:
    numbers = [each.number for each in accessions_of(study)]
    rows = AwaitedStudy.objects.filter(
        Q(study_instance_uid=study.study_instance_uid) | Q(accession_number__in=numbers)
    ).select_related("order", "report")
    return [
        row
        for row in rows
        if _fits(row, study) and all(_is_same_person(each, study) for each in (row.order, row.report) if each)
    ]


def _find_reports(order: Order) -> list[Report]:
    """Return the reports that came before the order they name."""
    if not order.accession_number:
        return []
    rows = AwaitedStudy.objects.filter(
        report__patient=order.patient_id,
        accession_number=order.accession_number,
        accession_issuer=order.accession_issuer,
    ).select_related("report")
    known = set(order.reports.values_list("pk", flat=True))
    return [row.report for row in rows if row.report is not None and row.report_id not in known]


def _is_same_person(about: Order | Report, study: Study) -> bool:
    if about.patient_id == study.person_id:
        return True
    log.warning(
        "study %s is not linked to %s %s: it is another person's",
        study.study_instance_uid,
        type(about).__name__.lower(),
        about.pk,
    )
    return False


def _fits(awaited: AwaitedStudy, study: Study) -> bool:
    """Tell whether a study is one that is awaited.

    Where both sides name the issuer of the accession number it must be the same. Where the study names none,
    the number is its custodian's, who are known by the sources of their messages.
    """
    if awaited.study_instance_uid:
        return awaited.study_instance_uid == study.study_instance_uid
    return any(
        each.number == awaited.accession_number and _is_issued_alike(awaited, each.issuer, study)
        for each in accessions_of(study)
    )


def _is_issued_alike(awaited: AwaitedStudy, issuer: str, study: Study) -> bool:
    if issuer and awaited.accession_issuer:
        return issuer == awaited.accession_issuer
    if awaited.department_id is not None and awaited.department_id == study.custodian_id:
        return True
    sources = Hl7Source.objects.filter(active=True).exclude(accession_issuer="")
    if issuer:
        return sources.filter(department=awaited.department_id, accession_issuer=issuer).exists()
    if awaited.accession_issuer:
        return sources.filter(
            department=study.custodian_id, accession_issuer=awaited.accession_issuer
        ).exists()
    return awaited.department_id is None


def accessions_of(study: Study) -> list[Accession]:
    """Return the accession numbers of a study: its own, and those in the requests of its series."""
    found = [Accession(study.accession_number, study.accession_issuer)] if study.accession_number else []
    rows = Series.objects.filter(study=study).exclude(request_attributes_sequence=[])
    for items in rows.values_list("request_attributes_sequence", flat=True):
        found += [each for each in _read_requests(items) if each not in found]
    return found


def _read_requests(items: object) -> list[Accession]:
    """Read the items of a Request Attributes Sequence (DICOM JSON)."""
    found = []
    for item in items if isinstance(items, list) else []:
        number = _first(item, "00080050")
        if isinstance(number, str) and number.strip():
            issuer = _first(_first(item, "00080051") or {}, "00400032")
            found.append(Accession(number.strip(), issuer if isinstance(issuer, str) else ""))
    return found


def _first(item: object, tag: str) -> object:
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
