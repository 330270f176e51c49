"""Which studies an actor may see: every door takes its rows from here, and nobody else filters studies.

A list is a union of ways to studies, each driven by an index and filtered by `registry.permitted`; a read of
one study selects it by key, reads the patient's record and asks `access.policy`. Unknown and invisible are the
same `UnknownStudy`, by the same queries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from access.actor import Actor
from access.models import AccessEpoch
from access.policy import Action, Decision, Options, decide
from access.prepared import Prepared, Slot, prepare
from registry.access_facts import StudyPlace, facts_of, own_units_of
from registry.access_rows import PatientRecord, read_record
from registry.foreign_rows import add_foreign
from registry.models import Home, Instance, RemovedInstance, Series, Study
from registry.permitted import written
from registry.removed import GONE
from registry.terms import Terms, make_terms

DECISION_S = 30.0
MOST_DECISIONS = 20_000
NO_PATIENT = 0
NOWHERE = StudyPlace(NO_PATIENT, NO_PATIENT, None, None, "")
UNKNOWN = Decision("deny", "1", "unknown", is_silent=True)


class UnknownStudy(LookupError):
    """No such study, or none that the actor may see: the same answer for both.

    `decision` and `person_id` are for the access log only.
    """

    def __init__(self, message: str, decision: Decision = UNKNOWN, person_id: int | None = None) -> None:
        super().__init__(message)
        self.decision = decision
        self.person_id = person_id


class RemovedStudy(UnknownStudy):
    """It was there, in sight of the actor, and was deleted or rejected; also of a series or an instance."""


@dataclass(frozen=True, slots=True)
class VisibleStudy:
    """A study that was permitted: what a retrieve needs of its row, and why it was permitted."""

    pk: int
    study_instance_uid: str
    person_id: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Kept:
    place: StudyPlace
    patient_epoch: int
    access_epoch: int
    until: datetime
    decision: Decision


_kept: dict[tuple[Actor, str], _Kept] = {}
_last_hidden = NO_PATIENT
"""The patient of the study that was hidden last from anybody: as many rows are read where there is no study at all."""


def visible_studies(actor: Actor) -> QuerySet[Study]:
    """Return the studies the actor may see, for reads scoped by a key (patient, UID, accession number)."""
    reader = reader_of(actor)
    if reader is None:
        return Study.objects.none()
    if reader.scope.region_wide:
        return Study.objects.filter(number_of_study_related_instances__gt=0)
    return Study.objects.filter(written("key", terms_of(reader)))


def reader_of(actor: Actor) -> Actor | None:
    """Return whose rights count for reading: the person a system asks for, else the actor; None without the right."""
    if not actor.may("read"):
        return None
    reader = actor.on_behalf_of or actor
    is_for_care = reader.kind != "person" or reader.purpose == "care"
    return reader if reader.may("read") and is_for_care else None


def terms_of(reader: Actor) -> Terms:
    """Return what the conditions of lists speak of."""
    return make_terms(reader, options(), timezone.now())


def options() -> Options:
    """Return what the region decided where the law leaves room."""
    return Options(
        opt_out_spares_provider=settings.OPT_OUT_SPARES_PROVIDER,
        choice_between_units=settings.CHOICE_BETWEEN_UNITS,
    )


def permitted_study(actor: Actor, study_instance_uid: str) -> VisibleStudy:
    """Return what a retrieve needs of one study: the row and the decision.

    Raises
    ------
    RemovedStudy
        It was removed, and the actor might have seen it.
    UnknownStudy
        It does not exist or the actor may not see it.
    """
    now = timezone.now()
    rows = _study_by_uid().fetch(uid=study_instance_uid, department=_department_of(actor))
    if not rows:
        # As much is read and decided as for a study that is hidden: the two take the same time.
        _decide(actor, "read", NOWHERE, _read_as_much(actor, now))
        raise UnknownStudy("no such study")
    pk, person_id, unit_id, provider_id, date, conflict, count, at_home, patient_epoch, access_epoch = rows[0]
    key = (actor, study_instance_uid)
    place = StudyPlace(pk, person_id, unit_id, provider_id, date, bool(conflict), bool(at_home))
    kept = _kept.get(key)
    # A store that finds a conflict changes the study and no epoch: what was kept was about another place.
    is_same = kept and (kept.place, kept.patient_epoch, kept.access_epoch) == (
        place,
        patient_epoch,
        access_epoch,
    )
    if kept and is_same and count and kept.until > now:
        return VisibleStudy(pk, study_instance_uid, person_id, kept.decision)
    record = _read_record(actor, person_id, now)
    decision = _decide(actor, "read", place, record)
    if not decision.permits:
        global _last_hidden
        _last_hidden = person_id
        raise UnknownStudy("no such study", decision, person_id)
    if not count:
        raise RemovedStudy("this study was removed", decision, person_id)
    _keep(key, _Kept(place, patient_epoch, access_epoch, _end(decision, record, now), decision))
    return VisibleStudy(pk, study_instance_uid, person_id, decision)


def explain_absence(actor: Actor, study_instance_uid: str) -> UnknownStudy:
    """Return the error for a study that cannot be reached: removed for those who might have seen it, else unknown."""
    try:
        permitted_study(actor, study_instance_uid)
    except UnknownStudy as error:
        return error
    return UnknownStudy("no such study")


def explain_absence_in(
    study_id: int, series_instance_uid: str | None, sop_instance_uid: str | None = None
) -> UnknownStudy:
    """Return the error for a series or instance that a permitted study does not hold: removed or unknown."""
    if sop_instance_uid is not None:
        gone = RemovedInstance.objects.filter(GONE, series__study=study_id, sop_instance_uid=sop_instance_uid)
        if series_instance_uid is not None:
            gone = gone.filter(series__series_instance_uid=series_instance_uid)
        if gone.exists():
            return RemovedStudy("this instance was removed")
    elif Series.objects.filter(study=study_id, series_instance_uid=series_instance_uid).exists():
        return RemovedStudy("this series was removed")
    return UnknownStudy("no such series or instance in this study")


def may_see(actor: Actor, study: Study) -> bool:
    """Tell whether the actor may see the study; nobody sees one with nothing left in it."""
    return study.number_of_study_related_instances > 0 and decide_study(actor, study).permits


def decide_study(actor: Actor, study: Study, action: Action = "read") -> Decision:
    """Decide about one study of which the row is there, whether or not anything is left in it."""
    return decide_studies(actor, [study], action)[study.pk]


def decide_studies(actor: Actor, studies: Iterable[Study], action: Action = "read") -> dict[int, Decision]:
    """Decide about studies by their keys; one query a patient, and their custodians' units."""
    reader = actor.on_behalf_of or actor
    places = [place_of(reader, study) for study in studies]
    return dict(zip((place.pk for place in places), decide_places(actor, places, action), strict=True))


def decide_places(actor: Actor, places: Iterable[StudyPlace], action: Action = "read") -> list[Decision]:
    """Decide about places, in their order: of studies, or of what belongs to a department; one query a patient."""
    now = timezone.now()
    records: dict[int, PatientRecord] = {}
    decisions = []
    for place in places:
        record = records.get(place.person_id)
        if record is None:
            record = records[place.person_id] = _read_record(actor, place.person_id, now)
        decisions.append(_decide(actor, action, place, record))
    return decisions


def is_in_relation(actor: Actor, patient_id: int) -> bool:
    """Tell whether the actor's unit, or the person, takes part in the patient's care, or opened it in an emergency."""
    reader = reader_of(actor)
    if reader is None:
        return False
    record = _read_record(reader, patient_id, timezone.now())
    own_units = own_units_of(reader)
    return any(e.one in own_units for e in record.of("relation")) or any(record.of("opening"))


def place_of(reader: Actor, study: Study) -> StudyPlace:
    """Return where a study belongs; select `custodian__unit` with it."""
    unit = study.custodian.unit if study.custodian else None
    is_at_home = (
        study.in_conflict and Home.objects.filter(study=study, department=reader.scope.department_id).exists()
    )
    return StudyPlace(
        study.pk,
        study.person_id,
        unit.pk if unit else None,
        unit.provider_id if unit else None,
        study.study_date,
        study.in_conflict,
        is_at_home,
    )


def series_of(study_id: int, series_instance_uid: str | None = None) -> QuerySet[Series]:
    """Return the series of a study that was permitted, in order of number; those with something left in them."""
    rows = Series.objects.filter(study=study_id, number_of_series_related_instances__gt=0)
    if series_instance_uid is not None:
        rows = rows.filter(series_instance_uid=series_instance_uid)
    return rows.order_by("series_number", "pk")


def instances_of(study: Study) -> QuerySet[Instance]:
    """Return the instances of a study that was permitted."""
    return Instance.objects.filter(series__study=study)


def _read_record(actor: Actor, person_id: int, now: datetime) -> PatientRecord:
    reader = actor.on_behalf_of or actor
    if reader.scope.region_wide:  # nothing about the patient matters to it
        return PatientRecord((), None)
    return add_foreign(read_record(reader, person_id, now), person_id, now)


def _read_as_much(actor: Actor, now: datetime) -> PatientRecord:
    """Read what is read for a study that is hidden, of the patient of the last one that was.

    No service of others is asked about somebody whom nobody asked for.
    """
    reader = actor.on_behalf_of or actor
    return PatientRecord((), None) if reader.scope.region_wide else read_record(reader, _last_hidden, now)


def _decide(actor: Actor, action: Action, place: StudyPlace, record: PatientRecord) -> Decision:
    reader = actor.on_behalf_of or actor
    facts = facts_of(reader, place, record)
    return decide(actor, action, facts, options())


def _end(decision: Decision, record: PatientRecord, now: datetime) -> datetime:
    """Return how long a decision is kept: until a row begins or ends, and never long."""
    ends = [now + timedelta(seconds=DECISION_S)]
    ends += [moment for moment in (decision.expires_at, record.changes_at) if moment is not None]
    return min(ends)


def _keep(key: tuple[Actor, str], kept: _Kept) -> None:
    if len(_kept) >= MOST_DECISIONS:
        _kept.clear()
    _kept[key] = kept


def _department_of(actor: Actor) -> int:
    return (actor.on_behalf_of or actor).scope.department_id or NO_PATIENT


@cache
def _study_by_uid() -> Prepared:
    """Select where a study belongs and the epochs under which a decision about it can be kept."""
    at_home = Exists(Home.objects.filter(study=OuterRef("pk"), department=Slot("department")))
    epoch = Subquery(AccessEpoch.objects.filter(pk=1).values("value"))
    return prepare(
        Study.objects.filter(study_instance_uid=Slot("uid")).values_list(
            "pk",
            "person_id",
            "custodian__unit_id",
            "custodian__unit__provider_id",
            "study_date",
            "in_conflict",
            "number_of_study_related_instances",
            at_home,
            "person__access_epoch",
            epoch,
        )
    )
