"""Patients that a search finds: those with a study the actor may see, or of whom the actor may know something.

What is found is told apart from what is not by nothing that is hidden: a patient with silent blocks only, or with
nothing but what another provider keeps without an agreement, is as unknown as one who does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.actor import Actor
from access.policy import Decision
from frontend.care_state import protected_among
from frontend.people import Banner, format_date, read_banner
from frontend.query import Query
from frontend.studies import StudyRow, make_row, name_hospital, with_row_facts
from registry.explained import explain_patient
from registry.models import Home, Order, Patient, PatientFlag, PatientIdentifier, Study
from registry.visibility import decide_studies, is_in_relation, visible_studies

MAX_PATIENTS = 50
MAX_EXPLAINED = 100
MAX_ACCESSIONS = 20
RECENT_STUDIES = 12


@dataclass(frozen=True, slots=True)
class PatientHit:
    """One line of the results: the patient, and the latest of the studies that may be seen.

    Of a patient with protected identity the line says no place.
    """

    banner: Banner
    hospitals: tuple[str, ...]
    latest: str
    study_count: int
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave; `cut` says that there were more than the page shows."""

    hits: tuple[PatientHit, ...]
    cut: bool = False


def find_patients(actor: Actor, query: Query) -> Found:
    """Find the patients of a query; by name those with a study the actor may see come first."""
    if query.reading in ("empty", "short") or is_own_number(actor, query):
        return Found(())
    if query.reading == "name":
        return _find_by_name(actor, query)
    patients = list(_having_number(actor, query).prefetch_related("identifiers").order_by("pk"))
    protected = protected_among(patient.pk for patient in patients)
    hits = _explained_hits(actor, patients, protected)
    return Found(tuple(islice(hits, MAX_PATIENTS)))


def is_own_number(actor: Actor, query: Query) -> bool:
    """Tell whether somebody searches for the own record: it opens to nobody at work, whether it exists or not."""
    return query.reading == "national" and bool(query.number) and query.number == actor.national_number


def find_numbered(actor: Actor, query: Query) -> list[Patient]:
    """Find patients by exactly this number, whatever the actor may see of them: for those who keep what they decide.

    Nobody finds themselves.
    """
    if is_own_number(actor, query):
        return []
    numbers = PatientIdentifier.objects.filter(value=query.number or query.text)
    if query.reading == "national":
        numbers = numbers.filter(is_national=True)
    rows = Patient.objects.filter(pk__in=numbers.values("patient"))
    return list(rows.prefetch_related("identifiers").order_by("pk")[:MAX_PATIENTS])


def list_recent(actor: Actor) -> tuple[StudyRow, ...]:
    """List the newest studies at home with the own department or ordered by it, as far as they open to the actor.

    No protected identity is among them.
    """
    protected = PatientFlag.objects.filter(
        patient=OuterRef("person"), kind__startswith="protected", ended_at__isnull=True
    )
    keys = _newest_at_home(actor) | _newest_ordered(actor)
    studies = with_row_facts(visible_studies(actor).filter(~Exists(protected), pk__in=keys))
    rows = studies.order_by("-study_date", "-study_time", "-pk")[:RECENT_STUDIES]
    return tuple(make_row(study) for study in rows)


def _newest_at_home(actor: Actor) -> set[int]:
    homes = Home.objects.filter(department=actor.scope.department_id)
    newest = homes.order_by("-study_date", "-study_time", "-study_id").values_list("study_id", flat=True)
    return set(newest[: RECENT_STUDIES * 3])


def _newest_ordered(actor: Actor) -> set[int]:
    orders = Order.objects.filter(ordering_department=actor.scope.department_id).order_by("-pk")
    keys = list(orders.values_list("pk", flat=True)[: RECENT_STUDIES * 3])
    return set(Study.objects.filter(orders__in=keys).values_list("pk", flat=True))


def _find_by_name(actor: Actor, query: Query) -> Found:
    named = _named(query.words, query.birth_year)
    visible = visible_studies(actor).filter(person=OuterRef("pk"))
    ordered = named.order_by("patient_name_folded", "pk")
    rows = list(ordered.filter(Exists(visible))[: MAX_PATIENTS + 1])
    hits = list(_visible_hits(actor, rows[:MAX_PATIENTS]))
    cut = len(rows) > MAX_PATIENTS
    if query.birth_year and not cut:
        others = ordered.exclude(pk__in=[row.pk for row in rows]).prefetch_related("identifiers")
        candidates = list(others[: MAX_EXPLAINED + 1])
        room = MAX_PATIENTS - len(hits)
        explained = list(islice(_explained_hits(actor, candidates[:MAX_EXPLAINED], frozenset()), room + 1))
        hits += explained[:room]
        # That there are more names than were looked at is said only beside something that was found.
        cut = len(explained) > room or (len(candidates) > MAX_EXPLAINED and bool(hits))
    return Found(tuple(hits), cut=cut)


def _having_number(actor: Actor, query: Query) -> QuerySet[Patient]:
    if query.reading == "national":
        numbers = PatientIdentifier.objects.filter(value=query.number, is_national=True)
        return Patient.objects.filter(pk__in=numbers.values("patient"))
    known = PatientIdentifier.objects.filter(value=query.text).values("patient")
    return Patient.objects.filter(Q(pk__in=_of_accession(actor, query.text)) | Q(pk__in=known))


def _of_accession(actor: Actor, text: str) -> list[int]:
    """Return whose studies have an accession number, as far as that may be known.

    A number that leads to somebody says that there is such a study: of another provider's, or of what is blocked,
    it says nothing.
    """
    rows = Study.objects.filter(accession_number=text, number_of_study_related_instances__gt=0)
    studies = list(rows.select_related("custodian__unit").defer("fragment")[:MAX_ACCESSIONS])
    decisions = decide_studies(actor, studies)
    return [study.person_id for study in studies if _may_lead_to(actor, study, decisions[study.pk])]


def _may_lead_to(actor: Actor, study: Study, decision: Decision) -> bool:
    if decision.permits or decision.need in ("choice", "reason"):
        return True
    is_of_own_provider = (
        study.custodian is not None and study.custodian.unit.provider_id == actor.scope.provider_id
    )
    return decision.need == "relation" and is_of_own_provider


def _named(words: tuple[str, ...], birth_year: str) -> QuerySet[Patient]:
    """Patients each of whose typed words begins a word of the name, in any order; never a protected identity."""
    protected = PatientFlag.objects.filter(
        patient=OuterRef("pk"), kind__startswith="protected", ended_at__isnull=True
    )
    rows = Patient.objects.filter(~Exists(protected), patient_birth_date__startswith=birth_year)
    for word in words:
        rows = rows.filter(
            Q(patient_name_folded__startswith=word)
            | Q(patient_name_folded__contains=f"^{word}")
            | Q(patient_name_folded__contains=f" {word}")
            | Q(patient_name_folded__contains=f"-{word}")
        )
    return rows


def _visible_hits(actor: Actor, patients: list[Patient]) -> Iterable[PatientHit]:
    """Make the lines of patients with studies that may be seen, the latest study first; two queries."""
    studies = visible_studies(actor).filter(person__in=patients).defer("fragment")
    studies = studies.select_related("person", "custodian__unit").prefetch_related("person__identifiers")
    by_patient: dict[int, list[Study]] = {}
    for study in studies.order_by("-study_date", "-study_time", "-pk"):
        by_patient.setdefault(study.person_id, []).append(study)
    return (_make_hit(rows[0].person, rows) for rows in by_patient.values())


def _explained_hits(
    actor: Actor, patients: Iterable[Patient], protected: frozenset[int]
) -> Iterable[PatientHit]:
    """Make the lines of patients of whom the actor may know something; a few queries each."""
    for patient in patients:
        explained = explain_patient(actor, patient.pk)
        if explained.is_anything or is_in_relation(actor, patient.pk):
            permitted = [study for study, _decision in explained.permitted]
            yield _make_hit(patient, permitted, is_protected=patient.pk in protected)


def _make_hit(patient: Patient, studies: list[Study], *, is_protected: bool = False) -> PatientHit:
    latest = studies[0] if studies and not is_protected else None
    return PatientHit(
        banner=read_banner(patient),
        hospitals=() if is_protected else tuple(dict.fromkeys(name_hospital(study) for study in studies)),
        latest=f"{format_date(latest.study_date)} {latest.study_description}".strip() if latest else "",
        study_count=0 if is_protected else len(studies),
        is_protected=is_protected,
    )
