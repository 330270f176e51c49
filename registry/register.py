"""Registration: a pack becomes rows, in the caller's one transaction.

Order of locks is the same everywhere (patient, study, series, instance), so that two stores of the
same study wait for each other instead of dying together.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings

from access.models import Department
from registry import changes, identity
from registry.facts import InstanceFacts, SeriesFacts, StudyFacts
from registry.fragments import render_series, render_study
from registry.models import Conflict, Home, Instance, Segment, Series, Study
from registry.names import fold_name, fold_text


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """One instance of a received pack; offsets and lengths are bytes, see `Instance`."""

    facts: InstanceFacts
    series_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    length: int
    sha256: bytes
    pixel_offset: int | None
    frame_table: bytes | None
    bulk_table: bytes | None
    metadata_offset: int
    metadata_length: int


@dataclass(frozen=True, slots=True)
class ReceivedSegment:
    """The instances of one series in one pack, with their metadata document (zstd)."""

    facts: SeriesFacts
    metadata: bytes
    has_bulk_uris: bool
    instances: tuple[ReceivedInstance, ...]


@dataclass(frozen=True, slots=True)
class ReceivedPack:
    """What one request brought of one study, bytes durable under `key`."""

    key: str
    study: StudyFacts
    segments: tuple[ReceivedSegment, ...]
    received_at: datetime


class Outcome(Enum):
    """What became of one instance."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    OTHER_BYTES = "other bytes"
    OTHER_PATIENT = "other patient"
    NOT_CUSTODIAN = "not custodian"
    OTHER_SERIES = "other series"


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


def decide_number(facts: StudyFacts, department_id: int | None) -> identity.PatientNumber:
    """Decide the issuer of the data set's patient number by the department's rules."""
    rules = identity.rules_of(department_id)
    return identity.decide_issuer(
        facts.patient_id, facts.issuer_of_patient_id, rules, facts.patient_birth_date
    )


def register(pack: ReceivedPack, department: Department | None) -> Registration:
    """Upsert patient, study and series, insert the instances, render, append to the change feed.

    Must run inside `access.database.run_write`, and may run again after a deadlock.

    Parameters
    ----------
    department : Department or None
        Where the source system stands; it becomes the custodian of a new study. None for region-wide tools.
    """
    number = decide_number(pack.study, department.pk if department else None)
    study = Study.objects.select_for_update().filter(study_instance_uid=pack.study.study_instance_uid).first()
    if study is None:
        study = _create_study(pack, number, department)
        study = Study.objects.select_for_update().get(pk=study.pk)
    refusal = _refusal(study, pack.study, number, department)
    if refusal is not None:
        _note_conflict(study, refusal, pack, department)
        return Registration(_all(pack, refusal), study.pk, study.person_id, study.in_conflict)
    outcomes: dict[str, Outcome] = {}
    for segment in sorted(pack.segments, key=lambda s: s.facts.series_instance_uid):
        outcomes.update(_register_segment(study, pack.key, segment))
    if Outcome.STORED in outcomes.values():
        _complete_study(study, pack, department)
    for uid, outcome in outcomes.items():
        if outcome is Outcome.OTHER_BYTES:
            Conflict.objects.create(
                kind="other_bytes", study=study, department=department, sop_instance_uid=uid
            )
    return Registration(outcomes, study.pk, study.person_id, study.in_conflict)


def _all(pack: ReceivedPack, outcome: Outcome) -> dict[str, Outcome]:
    return {i.facts.sop_instance_uid: outcome for s in pack.segments for i in s.instances}


def _create_study(pack: ReceivedPack, number: identity.PatientNumber, department: Department | None) -> Study:
    facts = pack.study
    person = identity.find_or_create_patient(number, facts.demographics)
    known = identity.Demographics(person.patient_name, person.patient_birth_date, person.patient_sex)
    differing = identity.disagreements(known, facts.demographics)
    values = asdict(facts)
    values["issuer_of_patient_id"] = number.issuer
    study = Study(
        **values,
        person=person,
        custodian=department,
        patient_id_normal=number.value,
        patient_name_folded=fold_name(facts.patient_name),
        referring_physician_name_folded=fold_name(facts.referring_physician_name),
        study_description_folded=fold_text(facts.study_description),
        in_conflict=bool(differing) or not number.value,
        first_instance_at=pack.received_at,
        last_instance_at=pack.received_at,
        visible_at=pack.received_at,
    )
    Study.objects.bulk_create([study], ignore_conflicts=True)  # a racing store of the same study is no error
    study = Study.objects.get(study_instance_uid=facts.study_instance_uid)
    if study.in_conflict and not study.conflicts.exists():
        kind = "demographics" if number.value else "no_identity"
        Conflict.objects.create(
            kind=kind, study=study, department=department, detail={"differs": list(differing)}
        )
    return study


def _refusal(
    study: Study, facts: StudyFacts, number: identity.PatientNumber, department: Department | None
) -> Outcome | None:
    custodian = study.custodian
    if department and custodian and custodian.unit.provider_id != department.unit.provider_id:
        return Outcome.NOT_CUSTODIAN
    if (number.value, number.issuer) == (study.patient_id_normal, study.issuer_of_patient_id):
        if number.value:
            return None
        known = identity.Demographics(study.patient_name, study.patient_birth_date, study.patient_sex)
        differing = identity.disagreements(known, facts.demographics)
        return Outcome.OTHER_PATIENT if differing else None
    person = identity.find_patient(number) if number.value else None
    return None if person is not None and person.pk == study.person_id else Outcome.OTHER_PATIENT


def _note_conflict(study: Study, refusal: Outcome, pack: ReceivedPack, department: Department | None) -> None:
    if refusal is Outcome.OTHER_PATIENT:
        Conflict.objects.create(
            kind="other_patient",
            study=study,
            department=department,
            detail={"instances": len(_all(pack, refusal)), "received_at": pack.received_at.isoformat()},
        )


def _register_segment(study: Study, pack_key: str, segment: ReceivedSegment) -> dict[str, Outcome]:
    uids = [i.facts.sop_instance_uid for i in segment.instances]
    outcomes = _known_outcomes(study, segment)
    fresh = [i for i in segment.instances if i.facts.sop_instance_uid not in outcomes]
    if not fresh:
        return outcomes
    series = _upsert_series(study, segment.facts)
    row = Segment.objects.create(
        series=series,
        pack_key=pack_key,
        metadata=segment.metadata,
        metadata_instances=len(segment.instances),
        has_bulk_uris=segment.has_bulk_uris,
    )
    fresh.sort(key=lambda i: i.facts.sop_instance_uid)
    Instance.objects.bulk_create([_instance_row(i, series, row) for i in fresh], ignore_conflicts=True)
    stored = set(Instance.objects.filter(segment=row).values_list("sop_instance_uid", flat=True))
    if len(stored) < len(fresh):  # a racing store was first: compare again with what it wrote
        outcomes = _known_outcomes(study, segment)
    outcomes.update(dict.fromkeys(stored, Outcome.STORED))
    if stored:
        _complete_series(series, segment.facts, len(stored))
    else:
        row.delete()
    return {uid: outcomes[uid] for uid in uids}


def _known_outcomes(study: Study, segment: ReceivedSegment) -> dict[str, Outcome]:
    by_uid = {i.facts.sop_instance_uid: i for i in segment.instances}
    outcomes: dict[str, Outcome] = {}
    uids = list(by_uid)
    for start in range(0, len(uids), 500):
        known = Instance.objects.filter(sop_instance_uid__in=uids[start : start + 500]).values_list(
            "sop_instance_uid", "sha256", "series__study_id", "series__series_instance_uid"
        )
        for uid, sha256, study_id, series_uid in known:
            same = bytes(sha256) == by_uid[uid].sha256 and study_id == study.pk
            elsewhere = study_id == study.pk and series_uid != by_uid[uid].series_instance_uid
            outcomes[uid] = (
                Outcome.DUPLICATE if same else Outcome.OTHER_SERIES if elsewhere else Outcome.OTHER_BYTES
            )
    return outcomes


def _instance_row(received: ReceivedInstance, series: Series, segment: Segment) -> Instance:
    facts = received.facts
    return Instance(
        sop_instance_uid=facts.sop_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        instance_number=facts.instance_number,
        rows=facts.rows,
        columns=facts.columns,
        bits_allocated=facts.bits_allocated,
        number_of_frames=facts.number_of_frames,
        timezone_offset_from_utc=facts.timezone_offset_from_utc,
        series=series,
        segment=segment,
        offset=received.offset,
        length=received.length,
        metadata_offset=received.metadata_offset,
        metadata_length=received.metadata_length,
        pixel_offset=received.pixel_offset,
        transfer_syntax_uid=received.transfer_syntax_uid,
        frame_table=received.frame_table,
        bulk_table=received.bulk_table,
        sha256=received.sha256,
    )


def _upsert_series(study: Study, facts: SeriesFacts) -> Series:
    known = Series.objects.filter(study=study, series_instance_uid=facts.series_instance_uid).first()
    if known is not None:
        return known
    return Series.objects.create(
        study=study, series_description_folded=fold_text(facts.series_description), **asdict(facts)
    )


def _complete_series(series: Series, facts: SeriesFacts, added: int) -> None:
    series.number_of_series_related_instances += added
    _fill_blanks(series, asdict(facts))
    series.series_description_folded = fold_text(series.series_description)
    series.fragment = render_series(series, series.study.study_instance_uid)
    series.save()


def _complete_study(study: Study, pack: ReceivedPack, department: Department | None) -> None:
    facts = replace(pack.study, issuer_of_patient_id=study.issuer_of_patient_id)
    _fill_blanks(study, asdict(facts))
    rows = study.series.values_list("modality", "number_of_series_related_instances")
    study.modalities_in_study = sorted({modality for modality, _ in rows if modality})
    study.number_of_study_related_series = len(rows)
    study.number_of_study_related_instances = sum(count for _, count in rows)
    received = {i.facts.sop_class_uid for s in pack.segments for i in s.instances}
    study.sop_classes_in_study = sorted(received | set(study.sop_classes_in_study))
    study.patient_name_folded = fold_name(study.patient_name)
    study.referring_physician_name_folded = fold_name(study.referring_physician_name)
    study.study_description_folded = fold_text(study.study_description)
    study.last_instance_at = pack.received_at
    study.quiet_due_at = pack.received_at + timedelta(seconds=settings.QUIET_S)
    study.state = "in_progress"
    study.fragment = render_study(study)
    study.save()
    _write_homes(study)
    changes.append("store", study.study_instance_uid, {"pack": pack.key})


def _fill_blanks(row: Study | Series, values: dict[str, object]) -> None:
    for column, value in values.items():
        if value not in ("", None, []) and getattr(row, column) in ("", None, []):
            setattr(row, column, value)


def _write_homes(study: Study) -> None:
    custodian = study.custodian
    if custodian is None:
        return
    unit = None if study.in_conflict else custodian.unit
    Home.objects.bulk_create(
        [
            Home(
                study=study,
                department=custodian,
                unit=unit,
                provider_id=unit.provider_id if unit else None,
                modality=modality,
                study_date=study.study_date,
                study_time=study.study_time,
            )
            for modality in study.modalities_in_study or [""]
        ],
        ignore_conflicts=True,
    )
