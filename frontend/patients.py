"""Patients that a search finds, and only those with a study the actor may see."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.actor import Actor
from frontend.people import Banner, format_date, read_banner
from frontend.query import Query
from frontend.studies import StudyRow, make_row, name_hospital, with_row_facts
from registry.models import Home, Patient, PatientIdentifier, Study
from registry.visibility import visible_studies

MAX_PATIENTS = 50
RECENT_STUDIES = 12


@dataclass(frozen=True, slots=True)
class PatientHit:
    """One line of the results: the patient, and the latest of the studies that may be seen."""

    banner: Banner
    hospitals: tuple[str, ...]
    latest: str
    study_count: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave; `cut` says that there were more than the page shows."""

    hits: tuple[PatientHit, ...]
    cut: bool = False


def find_patients(actor: Actor, query: Query) -> Found:
    """Find the patients of a query among the studies the actor may see, the latest study first."""
    if query.reading in ("empty", "short"):
        return Found(())
    visible = visible_studies(actor).filter(person=OuterRef("pk"))
    rows = list(
        _match(actor, query).filter(Exists(visible)).order_by("patient_name_folded", "pk")[: MAX_PATIENTS + 1]
    )
    return Found(_make_hits(actor, rows[:MAX_PATIENTS]), cut=len(rows) > MAX_PATIENTS)


def list_recent(actor: Actor) -> tuple[StudyRow, ...]:
    """List the newest studies of the own department that are open to the actor."""
    homes = Home.objects.filter(department=actor.scope.department_id)
    newest = homes.order_by("-study_date", "-study_time", "-study_id").values_list("study_id", flat=True)
    ids = list(dict.fromkeys(newest[: RECENT_STUDIES * 3]))
    studies = with_row_facts(visible_studies(actor).filter(pk__in=ids))
    rows = studies.order_by("-study_date", "-study_time", "-pk")[:RECENT_STUDIES]
    return tuple(make_row(study) for study in rows)


def _match(actor: Actor, query: Query) -> QuerySet[Patient]:
    if query.reading == "national":
        return _having_number(query.number)
    if query.reading == "name":
        return _named(query.words, query.birth_year)
    accession = visible_studies(actor).filter(accession_number=query.text).values("person")
    numbers = PatientIdentifier.objects.filter(value=query.text).values("patient")
    return Patient.objects.filter(Q(pk__in=accession) | Q(pk__in=numbers))


def _having_number(number: str) -> QuerySet[Patient]:
    return Patient.objects.filter(
        pk__in=PatientIdentifier.objects.filter(value=number, is_national=True).values("patient")
    )


def _named(words: tuple[str, ...], birth_year: str) -> QuerySet[Patient]:
    """Patients each of whose typed words begins a word of the name, in any order."""
    rows = Patient.objects.filter(patient_birth_date__startswith=birth_year)
    for word in words:
        rows = rows.filter(
            Q(patient_name_folded__startswith=word)
            | Q(patient_name_folded__contains=f"^{word}")
            | Q(patient_name_folded__contains=f" {word}")
            | Q(patient_name_folded__contains=f"-{word}")
        )
    return rows


def _make_hits(actor: Actor, patients: list[Patient]) -> tuple[PatientHit, ...]:
    studies = visible_studies(actor).filter(person__in=patients).defer("fragment")
    studies = studies.select_related("person", "custodian__unit").prefetch_related("person__identifiers")
    by_patient: dict[int, list[Study]] = defaultdict(list)
    for study in studies.order_by("-study_date", "-study_time", "-pk"):
        by_patient[study.person_id].append(study)
    return tuple(_make_hit(rows) for rows in by_patient.values())


def _make_hit(studies: list[Study]) -> PatientHit:
    latest = studies[0]
    return PatientHit(
        banner=read_banner(latest.person),
        hospitals=tuple(dict.fromkeys(name_hospital(study) for study in studies)),
        latest=f"{format_date(latest.study_date)} {latest.study_description}".strip(),
        study_count=len(studies),
    )
