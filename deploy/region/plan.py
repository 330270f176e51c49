"""Decide what a region consists of: its people, their studies, who asked for them and who reported."""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from deploy.region.exams import EXAMS, Exam
from deploy.region.facts import Order, Patient, Region, RegionSize, Study, Subscription
from deploy.region.identities import make_personal_number, pick_patient_name, pick_staff_name
from deploy.region.organisation import Hospital, make_hospitals
from deploy.region.reporting import plan_reports
from deploy.region.seeds import Seeds
from deploy.region.wording import WORDINGS

LOCAL_TIME = ZoneInfo("Europe/Stockholm")

_SAME_EXAM_AGAIN = 0.45
_AT_HOME = 0.6


@dataclass(frozen=True, slots=True)
class _Visit:
    """A study before its hospital has given it a number."""

    patient: Patient
    hospital: Hospital
    exam: Exam
    laterality: str
    is_urgent: bool
    performed_at: dt.datetime
    prior_number: int


def plan_region(size: RegionSize) -> Region:
    """Plan a region: the same size (with its seed) gives the same region.

    Raises
    ------
    NumbersExhausted
        When more patients were asked for than there are fictional personal identity numbers.
    """
    seeds = Seeds(size.seed)
    hospitals = make_hospitals(seeds, size.hospitals)
    people = _plan_patients(seeds, hospitals, size)
    visits = sorted(
        _plan_visits(seeds, hospitals, people, size), key=lambda v: (v.performed_at, v.patient.index)
    )
    patients = _mark_secrets(people, visits)
    studies = tuple(_number_studies(seeds, size, hospitals, patients, visits))
    return Region(
        size, seeds, hospitals, patients, studies, tuple(_plan_open_orders(seeds, size, patients, studies)),
        tuple(_plan_subscriptions(hospitals)),
    )  # fmt: skip


def _plan_patients(seeds: Seeds, hospitals: Sequence[Hospital], size: RegionSize) -> tuple[Patient, ...]:
    return tuple(_plan_patient(seeds, hospitals, index) for index in range(size.patients))


def _plan_patient(seeds: Seeds, hospitals: Sequence[Hospital], index: int) -> Patient:
    stream = seeds.open_stream("person", index)
    woman = index % 2 == 0
    personal_number, birth_date = make_personal_number(index // 2, woman=woman)
    name = pick_patient_name(stream, woman=woman)
    home = hospitals[int(stream.integers(len(hospitals)))]
    return Patient(
        index,
        personal_number,
        birth_date,
        "F" if woman else "M",
        name,
        home,
        has_lesion=bool(stream.random() < 0.3),
    )


def _mark_secrets(people: tuple[Patient, ...], visits: Sequence[_Visit]) -> tuple[Patient, ...]:
    """Give one in a hundred a protected identity, and let two in a hundred block a hospital they visited.

    At least one of each, so that a small region shows them too.
    """
    visited = Counter(visit.patient.index for visit in visits)
    by_visits = [people[index] for index, _ in visited.most_common()]
    blocked = {patient.index for patient in by_visits[1 : 1 + max(1, len(people) // 50)]}
    protected = {patient.index for patient in by_visits[-max(1, len(people) // 100) :]}
    where = {visit.patient.index: visit.hospital for visit in visits if visit.patient.index in blocked}
    return tuple(
        dataclasses.replace(
            person, is_protected=person.index in protected, blocked_at=where.get(person.index)
        )
        for person in people
    )


def _plan_visits(
    seeds: Seeds, hospitals: Sequence[Hospital], people: Sequence[Patient], size: RegionSize
) -> Iterator[_Visit]:
    counts = _share_studies(seeds.open_stream("counts"), size)
    for patient, count in zip(people, counts, strict=True):
        yield from _plan_history(
            seeds.open_stream("patient", patient.index), hospitals, patient, int(count), size
        )


def _share_studies(
    stream: np.random.Generator, size: RegionSize
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Share the studies among the patients: everybody has one if they suffice, and a few come often."""
    counts = np.zeros(size.patients, np.int64)
    if size.studies <= size.patients:
        counts[stream.permutation(size.patients)[: size.studies]] = 1
        return counts
    frailty = stream.pareto(1.3, size.patients) + 0.3
    more = stream.choice(size.patients, size=size.studies - size.patients, p=frailty / frailty.sum())
    return 1 + np.bincount(more, minlength=size.patients)


def _plan_history(
    stream: np.random.Generator, hospitals: Sequence[Hospital], patient: Patient, count: int, size: RegionSize
) -> Iterator[_Visit]:
    weights = np.array([exam.weight for exam in EXAMS], float)
    first_day = dt.datetime(size.until_year - size.years + 1, 1, 1, tzinfo=LOCAL_TIME)
    exam: Exam | None = None
    for prior_number, day in enumerate(np.sort(stream.integers(0, 365 * size.years, size=count))):
        if exam is None or stream.random() >= _SAME_EXAM_AGAIN:
            exam = EXAMS[int(stream.choice(len(EXAMS), p=weights / weights.sum()))]
        at_home = stream.random() < _AT_HOME
        yield _Visit(
            patient,
            patient.home if at_home else hospitals[int(stream.integers(len(hospitals)))],
            exam,
            ("R", "L")[int(stream.integers(2))] if exam.is_paired else "",
            bool(stream.random() < 0.25),
            first_day + dt.timedelta(days=int(day), seconds=int(stream.integers(6 * 3600, 22 * 3600))),
            prior_number,
        )


def _number_studies(
    seeds: Seeds,
    size: RegionSize,
    hospitals: Sequence[Hospital],
    patients: Sequence[Patient],
    visits: Sequence[_Visit],
) -> Iterator[Study]:
    in_year: Counter[tuple[str, int]] = Counter()
    in_day: Counter[tuple[str, dt.date]] = Counter()
    for visit in visits:
        code, day = visit.hospital.code, visit.performed_at.date()
        in_year[code, day.year] += 1
        in_day[code, day] += 1
        accession_number = visit.hospital.maker.format_accession(
            code, day, in_year[code, day.year], in_day[code, day]
        )
        yield _make_study(
            seeds,
            size,
            hospitals,
            dataclasses.replace(visit, patient=patients[visit.patient.index]),
            accession_number,
        )


def _make_study(
    seeds: Seeds, size: RegionSize, hospitals: Sequence[Hospital], visit: _Visit, accession_number: str
) -> Study:
    key = (visit.hospital.code, accession_number)
    order = _plan_order(seeds, hospitals, visit, accession_number)
    growth = 1 + 0.18 * visit.prior_number
    has_report = seeds.open_stream("reported", *key).random() < size.report_share
    return Study(
        study_instance_uid=seeds.make_uid("study", *key),
        accession_number=accession_number,
        patient=visit.patient,
        hospital=visit.hospital,
        exam=visit.exam,
        laterality=visit.laterality,
        performed_at=visit.performed_at,
        prior_number=visit.prior_number,
        order=order,
        reports=plan_reports(seeds, key, order, visit.performed_at, visit.prior_number) if has_report else (),
        has_pdf=bool(seeds.open_stream("pdf", *key).random() < size.pdf_share),
        has_reserve_number=size.with_quirks and bool(seeds.open_stream("reserve", *key).random() < 0.02),
        lesion_growth=growth,
    )


def _plan_order(
    seeds: Seeds, hospitals: Sequence[Hospital], visit: _Visit, accession_number: str | None
) -> Order:
    """Plan the request of a visit: mostly by the clinic it concerns, at the patient's own hospital."""
    stream = seeds.open_stream("order", visit.patient.index, visit.prior_number)
    asking = visit.patient.home if stream.random() < 0.8 else hospitals[int(stream.integers(len(hospitals)))]
    clinic = "Akutmottagningen" if visit.is_urgent else visit.exam.subscriber
    waited = dt.timedelta(minutes=int(stream.integers(20, 180)))
    if not visit.is_urgent:
        waited = dt.timedelta(days=int(stream.integers(2, 40)), minutes=int(stream.integers(0, 300)))
    return Order(
        placer_order_number=f"B{visit.patient.index:06d}-{visit.prior_number:03d}",
        accession_number=accession_number,
        patient=visit.patient,
        exam=visit.exam,
        laterality=visit.laterality,
        question=WORDINGS[visit.exam.kind].question,
        is_urgent=visit.is_urgent,
        ordered_at=visit.performed_at - waited,
        requesting_department=asking.get_department(clinic),
        requesting_hospital=asking,
        requesting_physician=pick_staff_name(stream),
        performing_hospital=visit.hospital,
    )


def _plan_open_orders(
    seeds: Seeds, size: RegionSize, patients: Sequence[Patient], studies: Sequence[Study]
) -> Iterator[Order]:
    """Plan a follow-up that has been asked for and not been made yet, for about one patient in six."""
    latest = {study.patient.index: study for study in studies}
    end = dt.datetime(size.until_year, 12, 31, 12, tzinfo=LOCAL_TIME)
    for index, last in sorted(latest.items()):
        if seeds.open_stream("open order", index).random() < 1 / 6:
            visit = _Visit(
                patients[index], last.hospital, last.exam, last.laterality, False, end, last.prior_number + 1
            )
            yield _plan_order(seeds, (last.hospital,), visit, None)


def _plan_subscriptions(hospitals: Sequence[Hospital]) -> Iterator[Subscription]:
    """Let every clinic that examinations concern subscribe to them for the patients of its own hospital."""
    for hospital in hospitals:
        for department in hospital.departments:
            wanted = [exam for exam in EXAMS if exam.subscriber == department.name]
            if wanted:
                kinds = tuple(exam.kind for exam in wanted)
                yield Subscription(
                    department, hospital, kinds, tuple(sorted({exam.modality for exam in wanted}))
                )
