"""Which documents, reports and orders an actor may see: decided as the studies they are about.

What is about no study belongs to a department and is decided as a study of that department would be. Unknown
and invisible are the same `UnknownDocument`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Prefetch, QuerySet

from access import audit
from access.actor import Actor
from access.models import Department
from access.policy import Decision
from registry.access_facts import StudyPlace
from registry.models import DocumentEntry, Encounter, Order, Report, Study
from registry.models.document import APPROVED
from registry.visibility import NO_PATIENT, UNKNOWN, decide_places, place_of

NO_STUDY = 0
Row = TypeVar("Row")
PLACED_STUDIES = Study.objects.select_related("custodian__unit")


class UnknownDocument(LookupError):
    """No such document, or none that the actor may see: the same answer for both."""


@dataclass(frozen=True, slots=True)
class PermittedDocument:
    """A document that was permitted, and why."""

    entry: DocumentEntry
    decision: Decision


def with_places(entries: QuerySet[DocumentEntry]) -> QuerySet[DocumentEntry]:
    """Select with entries what the decision needs, so that it costs no query an entry."""
    return entries.select_related(
        "study__custodian__unit", "department__unit", "report_version__report"
    ).prefetch_related(Prefetch("report_version__report__studies", PLACED_STUDIES))


def visible_documents(actor: Actor, entries: Iterable[DocumentEntry]) -> list[DocumentEntry]:
    """Return those of the entries that the actor may see, in their order; one query a patient (see `with_places`)."""
    rows = list(entries)
    decisions = decide_documents(actor, rows)
    return [entry for entry, decision in zip(rows, decisions, strict=True) if decision.permits]


def decide_documents(actor: Actor, entries: Sequence[DocumentEntry]) -> list[Decision]:
    """Decide about each entry, in their order; what refuses one of a report's studies refuses the report."""
    reader = actor.on_behalf_of or actor
    places = [_places_of_entry(reader, entry) for entry in entries]
    decided = iter(decide_places(actor, [place for item in places for place in item]))
    return [_strictest([next(decided) for _ in item]) for item in places]


def permitted_document(actor: Actor, unique_id: str, *, door: str) -> PermittedDocument:
    """Return a document by its unique id and record the reading, or the refusal.

    Of several entries with one unique id the one that is permitted, approved and newest is taken. Call it
    before the first byte is sent.

    Raises
    ------
    UnknownDocument
        There is none, or the actor may not see it: at the same cost.
    UnrecordedAccess
        The access log cannot be written; nothing may be sent.
    """
    entries = list(
        with_places(DocumentEntry.objects.filter(unique_id=unique_id)).order_by("-registered_at", "-pk")
    )
    entries.sort(key=lambda entry: entry.status != APPROVED)
    decisions = decide_documents(actor, entries) if entries else []
    if not entries:
        decide_places(actor, [StudyPlace(NO_STUDY, NO_PATIENT, None, None, "")])
    for entry, decision in zip(entries, decisions, strict=True):
        if decision.permits:
            record_document_reading(actor, PermittedDocument(entry, decision), door=door)
            return PermittedDocument(entry, decision)
    refused = decisions[0] if decisions else UNKNOWN
    audit.record(
        actor,
        "read",
        outcome="refused",
        door=door,
        study_instance_uid=_study_uid(entries[0]) if entries else "",
        patient_id=entries[0].patient_id if entries else None,
        rule=refused.rule,
        reason=refused.reason,
        detail={"document": unique_id[:128]},
    )
    raise UnknownDocument("no such document")


def record_document_reading(actor: Actor, document: PermittedDocument, *, door: str) -> None:
    """Record that a permitted document is read; call it before the first byte."""
    entry, decision = document.entry, document.decision
    version = {"report_version": entry.report_version_id} if entry.report_version_id else {}
    audit.record(
        actor,
        "read",
        door=door,
        study_instance_uid=_study_uid(entry),
        patient_id=entry.patient_id,
        rule=decision.rule,
        reason=decision.reason,
        basis=decision.basis,
        may_spool=decision.may_spool,
        detail={"document": entry.unique_id} | version,
    )


def visible_reports(actor: Actor, reports: QuerySet[Report]) -> list[tuple[Report, Decision]]:
    """Return the reports whose studies the actor may see all of, in their order, with the decision."""
    rows = reports.prefetch_related(
        Prefetch("studies", PLACED_STUDIES),
        Prefetch("orders", Order.objects.select_related("performing_department__unit")),
    )
    places: list[_About] = []
    for report in rows:
        departments = [order.performing_department for order in report.orders.all()]
        places.append(_about(actor, report.patient_id, list(report.studies.all()), departments))
    return _permitted(actor, list(rows), places)


def visible_orders(actor: Actor, orders: QuerySet[Order]) -> list[tuple[Order, Decision]]:
    """Return the orders that the actor may see, in their order, with the decision.

    An order belongs to those who placed it too: without studies to the ordering department first.
    """
    rows = orders.select_related("ordering_department__unit", "performing_department__unit").prefetch_related(
        Prefetch("studies", PLACED_STUDIES)
    )
    places: list[_About] = []
    for order in rows:
        departments = [order.ordering_department, order.performing_department]
        places.append(_about(actor, order.patient_id, list(order.studies.all()), departments))
    return _permitted(actor, list(rows), places)


def visible_encounters(actor: Actor, encounters: QuerySet[Encounter]) -> list[tuple[Encounter, Decision]]:
    """Return the visits that the actor may see, in their order, with the decision: as their department's.

    A visit to a place that nobody knows is nobody's.
    """
    rows = list(encounters.select_related("department__unit"))
    dates = [f"{row.started_at:%Y%m%d}" if row.started_at else "" for row in rows]
    about = [
        _About((_place_of_department(row.patient_id, row.department, date),))
        for row, date in zip(rows, dates, strict=True)
    ]
    return _permitted(actor, rows, about)


@dataclass(frozen=True, slots=True)
class _About:
    """What has to be permitted: all of the places, or with `any_of` one of them."""

    places: tuple[StudyPlace, ...]
    any_of: bool = False


def _about(
    actor: Actor, patient_id: int, studies: Sequence[Study], departments: Sequence[Department | None]
) -> _About:
    reader = actor.on_behalf_of or actor
    if studies:
        return _About(tuple(place_of(reader, study) for study in studies))
    known = [department for department in departments if department is not None]
    places = tuple(_place_of_department(patient_id, department) for department in known)
    return _About(places or (_place_of_department(patient_id, None),), any_of=True)


def _permitted(actor: Actor, rows: Sequence[Row], about: Sequence[_About]) -> list[tuple[Row, Decision]]:
    decided = iter(decide_places(actor, [place for item in about for place in item.places]))
    found = []
    for row, item in zip(rows, about, strict=True):
        decisions = [next(decided) for _ in item.places]
        permits = [decision for decision in decisions if decision.permits]
        if permits and (item.any_of or len(permits) == len(decisions)):
            found.append((row, permits[0]))
    return found


def _strictest(decisions: Sequence[Decision]) -> Decision:
    """Return the decision that does not permit if there is one, else the first."""
    return next((decision for decision in decisions if not decision.permits), decisions[0])


def _places_of_entry(reader: Actor, entry: DocumentEntry) -> list[StudyPlace]:
    """Return every study that an entry is about, or the place of its department if it is about none."""
    studies = [entry.study] if entry.study is not None else []
    if entry.report_version is not None:
        others = entry.report_version.report.studies.all()
        studies += [study for study in others if study.pk != entry.study_id]
    if studies:
        return [place_of(reader, study) for study in studies]
    date = (entry.service_start_time_from or entry.creation_time_from)[:8]
    return [_place_of_department(entry.patient_id, entry.department, date)]


def _place_of_department(patient_id: int, department: Department | None, date: str = "") -> StudyPlace:
    """Return a place that no share, delivery or participation points to; without date every block covers it."""
    unit = department.unit if department else None
    return StudyPlace(
        NO_STUDY, patient_id, unit.pk if unit else None, unit.provider_id if unit else None, date
    )


def _study_uid(entry: DocumentEntry) -> str:
    return entry.study.study_instance_uid if entry.study else ""
