"""Registration: a pack becomes rows, in the caller's one transaction.

Order of locks is the same everywhere (patient, study, series, instance), so that two stores of the
same study wait for each other instead of dying together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

from django.conf import settings

from access.models import Department
from access.prepared import Prepared, PreparedModels, Slot, prepare, prepare_models
from access.rows import insert, insert_many, update
from registry import changes, identity
from registry.conflicts import note_other_bytes
from registry.examinations import relate_from_examination
from registry.facts import StudyFacts
from registry.fragments import render_study
from registry.models import Conflict, Home, Series, Study
from registry.names import fold_name
from registry.received import CONTRADICTIONS, Outcome, ReceivedPack
from registry.register_segment import fill_blanks, register_segment, values_of
from registry.shares import write_shared_homes


@dataclass(frozen=True, slots=True)
class Registration:
    """Outcome of every instance of a pack by SOP Instance UID."""

    outcomes: dict[str, Outcome]
    study_id: int | None
    person_id: int | None
    in_conflict: bool

    @property
    def stored_any(self) -> bool:
        """True if at least one row points into the pack."""
        return Outcome.STORED in self.outcomes.values()

    @property
    def accepted_any(self) -> bool:
        """True if the sender is told of at least one instance that it is stored."""
        return any(outcome.is_accepted for outcome in self.outcomes.values())


def decide_number(facts: StudyFacts, department_id: int | None) -> identity.PatientNumber:
    """Decide the issuer of the data set's patient number by the department's rules."""
    rules = identity.rules_of(department_id)
    return identity.decide_issuer(
        facts.patient_id, facts.issuer_of_patient_id, rules, facts.patient_birth_date
    )


def is_same_patient(one: StudyFacts, other: StudyFacts, department_id: int | None) -> bool:
    """Tell whether two data sets of a source speak of one patient: by number, else by what they say of the person."""
    number, other_number = decide_number(one, department_id), decide_number(other, department_id)
    if number != other_number:
        person, other_person = (identity.find_patient(n) if n.value else None for n in (number, other_number))
        return person is not None and person == other_person
    return bool(number.value) or not identity.disagreements(one.demographics, other.demographics)


def register(pack: ReceivedPack, department: Department | None) -> Registration:
    """Upsert patient, study and series, insert the instances, render, append to the change feed.

    Must run inside `access.database.run_write`, and may run again after a deadlock.

    Parameters
    ----------
    department : Department or None
        Where the source system stands; it becomes the custodian of a new study. None for region-wide tools.
    """
    number = decide_number(pack.study, department.pk if department else None)
    study, is_new = _find_or_create_study(pack, number, department)
    if department is not None and study.custodian_id == department.pk:
        study.custodian = department
    is_emptied = not is_new and not study.number_of_study_related_instances
    refusal = None if is_new else _refusal(study, pack.study, number, department, is_emptied=is_emptied)
    if refusal is not None:
        if refusal is Outcome.OTHER_PATIENT:
            _note_strangers(study, len(_all(pack, refusal)) + pack.strangers, pack, department)
        return Registration(_all(pack, refusal), study.pk, study.person_id, study.in_conflict)
    outcomes: dict[str, Outcome] = {}
    for segment in sorted(pack.segments, key=lambda s: s.facts.series_instance_uid):
        outcomes.update(register_segment(study, pack, segment, is_new_study=is_new))
    stored = sum(outcome is Outcome.STORED for outcome in outcomes.values())
    note_other_bytes(_other_bytes(pack, outcomes), department.pk if department else None)
    if is_new and not stored:  # all of it is known elsewhere: no empty study stays behind
        study.delete()
        return Registration(outcomes, None, None, in_conflict=False)
    if is_emptied and stored:
        _begin_again(study, pack, number)
    if stored < len(outcomes) if is_new else stored:  # a new study was written as it is with all of the pack
        _complete_study(study, pack, stored)
    if stored:
        _close_on_disagreement(study, number, pack, department)
        write_homes(study)
        relate_from_examination(study)
        if not is_new:
            write_shared_homes(study)
        changes.append("store", study.study_instance_uid, _tell_stored(pack.key, outcomes))
    if pack.strangers:
        _note_strangers(study, pack.strangers, pack, department)
    return Registration(outcomes, study.pk, study.person_id, study.in_conflict)


def _tell_stored(key: str, outcomes: dict[str, Outcome]) -> dict[str, object]:
    """Say which pack it was, and what lies in it that is not stored: a rebuild from the packs must not take it."""
    left_out = sorted(uid for uid, outcome in outcomes.items() if outcome is not Outcome.STORED)
    return {"pack": key, "left_out": left_out} if left_out else {"pack": key}


def _all(pack: ReceivedPack, outcome: Outcome) -> dict[str, Outcome]:
    return {i.facts.sop_instance_uid: outcome for s in pack.segments for i in s.instances}


def _find_or_create_study(
    pack: ReceivedPack, number: identity.PatientNumber, department: Department | None
) -> tuple[Study, bool]:
    """Return the study, locked, and whether this transaction made it."""
    uid = pack.study.study_instance_uid
    if known := _study_by_uid().fetch(uid=uid):
        return known[0], False
    study = _create_study(pack, number, department)
    if study is not None:
        return study, True
    return Study.objects.select_for_update().get(study_instance_uid=uid), False


@cache
def _study_by_uid() -> PreparedModels[Study]:
    return prepare_models(Study.objects.select_for_update().filter(study_instance_uid=Slot("uid")))


def _create_study(
    pack: ReceivedPack, number: identity.PatientNumber, department: Department | None
) -> Study | None:
    """Insert a study as it is when the whole pack is in; None if a racing store made it meanwhile."""
    facts = pack.study
    person = identity.find_or_create_patient(number, facts.demographics)
    study = Study(
        **{**values_of(facts), "issuer_of_patient_id": number.issuer},
        person=person,
        custodian=department,
        patient_id_normal=number.value,
        in_conflict=not number.value,
        first_instance_at=pack.received_at,
        visible_at=pack.received_at,
    )
    count_study(study, [(s.facts.modality, len(s.instances)) for s in pack.segments])
    _derive(study, pack)
    if not insert(study, unless_known=True):
        return None
    if study.in_conflict:
        Conflict.objects.create(kind="no_identity", study=study, department=department)
    return study


def refusal_of(study_instance_uid: str, facts: StudyFacts, department: Department | None) -> Outcome | None:
    """Tell why a study would not take an instance that says this of its patient, None if it would."""
    study = Study.objects.filter(study_instance_uid=study_instance_uid).first()
    if study is None:
        return None
    number = decide_number(facts, department.pk if department else None)
    is_emptied = not study.number_of_study_related_instances
    return _refusal(study, facts, number, department, is_emptied=is_emptied)


def _refusal(
    study: Study,
    facts: StudyFacts,
    number: identity.PatientNumber,
    department: Department | None,
    *,
    is_emptied: bool,
) -> Outcome | None:
    custodian = study.custodian
    if department and custodian and custodian.unit.provider_id != department.unit.provider_id:
        return Outcome.NOT_CUSTODIAN
    if is_emptied:  # nothing in it says whose study it is
        return None
    if (number.value, number.issuer) == (study.patient_id_normal, study.issuer_of_patient_id):
        if number.value:
            return None
        known = identity.Demographics(study.patient_name, study.patient_birth_date, study.patient_sex)
        differing = identity.disagreements(known, facts.demographics)
        return Outcome.OTHER_PATIENT if differing else None
    person = identity.find_patient(number) if number.value else None
    return None if person is not None and person.pk == study.person_id else Outcome.OTHER_PATIENT


def _note_strangers(study: Study, count: int, pack: ReceivedPack, department: Department | None) -> None:
    Conflict.objects.create(
        kind="other_patient",
        study=study,
        department=department,
        detail={"instances": count, "received_at": pack.received_at.isoformat()},
    )


def _other_bytes(pack: ReceivedPack, outcomes: dict[str, Outcome]) -> list[tuple[str, bytes]]:
    """Return UID and SHA-256 of what is known with another content."""
    if CONTRADICTIONS.isdisjoint(outcomes.values()):
        return []
    sent = {i.facts.sop_instance_uid: i.sha256 for s in pack.segments for i in s.instances}
    return [(uid, sent[uid]) for uid, outcome in outcomes.items() if outcome in CONTRADICTIONS]


def _close_on_disagreement(
    study: Study, number: identity.PatientNumber, pack: ReceivedPack, department: Department | None
) -> None:
    """Leave a study to its custodian department alone when an instance describes the number's owner differently."""
    if study.in_conflict or not number.value:
        return
    is_at_hand = Study.person.is_cached(study)  # of a new study it was read or made just now
    person = study.person if is_at_hand else identity.read_patient(study.person_id)
    known = identity.Demographics(person.patient_name, person.patient_birth_date, person.patient_sex)
    received = (pack.study.demographics, *pack.described)
    differing = sorted({keyword for one in received for keyword in identity.disagreements(known, one)})
    if not differing:
        return
    study.in_conflict = True
    update(study, ("in_conflict",))
    Home.objects.filter(study=study).update(unit=None)
    Conflict.objects.create(
        kind="demographics", study=study, department=department, detail={"differs": differing}
    )


def _begin_again(study: Study, pack: ReceivedPack, number: identity.PatientNumber) -> None:
    """Let a study of which everything was removed say of itself what the pack says, also of another patient.

    What was removed stays with the patient it was of: it is not restored into a study of somebody else.
    """
    for column, value in values_of(pack.study).items():
        setattr(study, column, value)
    study.issuer_of_patient_id = number.issuer
    study.patient_id_normal = number.value
    study.person = identity.find_or_create_patient(number, pack.study.demographics)
    study.in_conflict = not number.value
    study.sop_classes_in_study = []
    update(study, ("person", "patient_id_normal", "in_conflict"))
    open_conflicts = Conflict.objects.filter(study=study, resolved_at=None)
    open_conflicts.update(resolved_at=pack.received_at, resolved_by="everything was removed")


def _complete_study(study: Study, pack: ReceivedPack, stored: int) -> None:
    """Count again what is there, and take what this pack adds if anything of it was stored."""
    count_study(study, [(modality, count) for modality, count in _series_of().fetch(study=study.pk) if count])
    moment = (study.study_date, study.study_time)
    if stored:
        fill_blanks(study, replace(pack.study, issuer_of_patient_id=study.issuer_of_patient_id))
        _derive(study, pack)
    study.fragment = render_study(study)
    update(study, _COMPLETED)
    if (study.study_date, study.study_time) != moment:  # lists are driven by what homes say
        Home.objects.filter(study=study).update(study_date=study.study_date, study_time=study.study_time)


@cache
def _series_of() -> Prepared:
    rows = Series.objects.filter(study=Slot("study"))
    return prepare(rows.values_list("modality", "number_of_series_related_instances"))


def count_study(study: Study, series: Iterable[tuple[str, int]]) -> None:
    """Fill the columns that count; `series` are modality and number of instances of each series that has any."""
    counts = list(series)
    study.modalities_in_study = sorted({modality for modality, _ in counts if modality})
    study.number_of_study_related_series = len(counts)
    study.number_of_study_related_instances = sum(count for _, count in counts)


def _derive(study: Study, pack: ReceivedPack) -> None:
    """Fill the columns that follow from others or from the moment."""
    received = {i.facts.sop_class_uid for s in pack.segments for i in s.instances}
    study.sop_classes_in_study = sorted(received | set(study.sop_classes_in_study))
    study.patient_name_folded = fold_name(study.patient_name)
    study.referring_physician_name_folded = fold_name(study.referring_physician_name)
    study.last_instance_at = pack.received_at
    study.quiet_due_at = pack.received_at + timedelta(seconds=settings.QUIET_S)
    study.state = "in_progress"
    study.fragment = render_study(study)


_COMPLETED = (
    *(name for name in StudyFacts.__slots__ if name != "study_instance_uid"),
    "modalities_in_study",
    "number_of_study_related_series",
    "number_of_study_related_instances",
    "sop_classes_in_study",
    "patient_name_folded",
    "referring_physician_name_folded",
    "last_instance_at",
    "quiet_due_at",
    "state",
    "fragment",
)
HOME_COLUMNS = ("study", "department", "unit", "modality", "study_date", "study_time")


def write_homes(study: Study) -> None:
    """Let a study be at home with its custodian for each of its modalities; rows that are there stay."""
    custodian = study.custodian
    if custodian is None:
        return
    unit_id = None if study.in_conflict else custodian.unit_id
    insert_many(
        Home,
        HOME_COLUMNS,
        [
            (study.pk, custodian.pk, unit_id, modality, study.study_date, study.study_time)
            for modality in study.modalities_in_study or [""]
        ],
    )
