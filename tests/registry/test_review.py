"""The review of the access log: what is drawn and why, what is found, who signs, what is late."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from access import audit
from access.models import AuditEvent, User
from registry.flags import add_relative, set_flag
from registry.models import LogReview, LogReviewItem
from registry.noted import EndedEntry, InvalidEntry, MissingRight, UnknownEntry
from registry.relations import declare_relation
from registry.review.detectors import Access, Known, Rule, draw
from registry.review.findings import (
    OwnAccess,
    UnfinishedReview,
    find_review,
    list_outside_reads,
    list_reviews,
    note_finding,
    sign_off,
)
from registry.review.samples import draw_due_reviews, draw_review
from tests.registry.care import make_doctor, make_patient
from tests.registry.factories import make_department, make_study

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOON = datetime(2026, 3, 10, 11, tzinfo=UTC)
QUIET = Rule(seed="s", random_percent=0, random_least=0)


def reads(count, subject="eva", *, first_id=1, at=NOON, basis=("relation:1",), patients=None):
    """Make accesses to as many patients, a minute after each other."""
    return [
        Access(
            first_id + n,
            at + timedelta(minutes=n),
            subject,
            (patients or range(1, count + 1))[n],
            frozenset(basis),
        )
        for n in range(count)
    ]


def test_the_same_seed_draws_the_same_and_another_seed_something_else():
    log = reads(500)
    rule = Rule(seed="one", random_percent=4, random_least=3)
    drawn = draw(log, Known(STOCKHOLM), rule)
    assert len(drawn) == 20
    assert drawn == draw(log[::-1], Known(STOCKHOLM), rule)
    assert drawn != draw(log, Known(STOCKHOLM), Rule(seed="two", random_percent=4, random_least=3))
    assert set(map(tuple, drawn.values())) == {("random",)}
    assert len(draw(log[:2], Known(STOCKHOLM), rule)) == 2


@pytest.mark.parametrize("mark", ["protected_1", "protected_3", "vip", "staff"])
def test_everyone_who_reads_a_marked_patient_is_drawn_once(mark):
    log = reads(3, patients=[7, 7, 8]) + reads(1, "per", first_id=10, patients=[7])
    known = Known(STOCKHOLM, marks={7: [(mark, NOON - timedelta(days=1), None)]})
    assert draw(log, known, QUIET) == {1: [mark.split("_")[0]], 10: [mark.split("_")[0]]}


def test_a_mark_counts_while_it_stands():
    log = reads(1, at=NOON)
    for since, until in ((NOON + timedelta(hours=1), None), (NOON - timedelta(days=2), NOON)):
        assert draw(log, Known(STOCKHOLM, marks={1: [("vip", since, until)]}), QUIET) == {}


def test_relatives_and_the_same_surname_are_drawn():
    log = reads(3)
    known = Known(
        STOCKHOLM,
        patient_surnames={1: "lind", 2: "ek", 3: ""},
        reader_surnames={"eva": "lind"},
        relatives=frozenset({("eva", 2)}),
    )
    assert draw(log, known, QUIET) == {1: ["same_surname"], 2: ["relative"]}
    nameless = Known(STOCKHOLM, patient_surnames={3: ""}, reader_surnames={"eva": ""})
    assert draw(log, nameless, QUIET) == {}


def test_a_part_of_the_declared_relations_is_drawn_at_least_one():
    log = reads(50, basis=("relation:9",))
    known = Known(STOCKHOLM, self_declared=frozenset({"relation:9"}))
    assert len(draw(log, known, QUIET)) == 10
    assert draw(log[:1], known, QUIET) == {1: ["self_declared"]}
    assert draw(log, Known(STOCKHOLM), QUIET) == {}


def test_many_patients_in_one_night_are_drawn_across_midnight():
    evening = datetime(2026, 3, 10, 22, 50, tzinfo=STOCKHOLM)
    log = reads(21, at=evening - timedelta(minutes=1) + timedelta(minutes=50))
    assert {tuple(reasons) for reasons in draw(log, Known(STOCKHOLM), QUIET).values()} == {("night_volume",)}
    assert draw(log[:20], Known(STOCKHOLM), QUIET) == {}
    assert draw(reads(21, at=NOON), Known(STOCKHOLM), QUIET) == {}
    two_nights = reads(11, at=evening) + reads(11, at=evening + timedelta(days=1), first_id=50)
    assert draw(two_nights, Known(STOCKHOLM), QUIET) == {}


def test_many_patients_without_a_relation_are_drawn():
    log = reads(11, basis=("share:4",))
    assert len(draw(log, Known(STOCKHOLM), QUIET)) == 11
    assert draw(log[:10], Known(STOCKHOLM), QUIET) == {}
    assert draw(reads(11), Known(STOCKHOLM), QUIET) == {}


def read(who, study, **values):
    """Record that somebody read a study, in the period that is reviewed below."""
    event = audit.record(
        who,
        "read",
        study_instance_uid=study.study_instance_uid,
        patient_id=study.person_id,
        basis=values.pop("basis", ()),
    )
    moment = values.pop("at", timezone.now() - timedelta(days=3))
    AuditEvent.objects.filter(pk=event).update(recorded_at=moment, **values)
    return event


@pytest.fixture
def department(db):
    return make_department()


@pytest.fixture
def head(department):
    return make_doctor(department)


@pytest.fixture
def doctor(department):
    return make_doctor(department, "report")


@pytest.fixture
def period():
    now = timezone.now()
    return now - timedelta(days=10), now - timedelta(days=1)


def test_a_sample_is_drawn_from_what_the_units_people_read(department, head, doctor, period):
    study = make_study(department)
    stranger = make_doctor(make_department())
    own = read(doctor, study)
    behalf = read(doctor, study, actor="pacs", actor_kind="system", on_behalf_of=doctor.subject)
    read(stranger, study)
    read(doctor, study, at=timezone.now())
    read(doctor, study, outcome="refused")
    read(doctor, study, actor="pacs", actor_kind="system")
    review = draw_review(head, department.unit, *period)
    items = LogReviewItem.objects.filter(review=review)
    assert {(item.event_id, item.subject) for item in items} == {
        (own, doctor.subject),
        (behalf, doctor.subject),
    }
    assert review.events == 2
    assert len(review.rule["seed"]) == 32
    event = AuditEvent.objects.get(action="review_draw")
    assert event.detail == {"row": f"log_review:{review.pk}", "unit": department.unit.hsa_id, "items": 2}
    with pytest.raises(EndedEntry, match="before"):
        draw_review(head, department.unit, *period)


def test_what_the_registry_knows_goes_into_the_draw(department, head, doctor, period):
    marked, close, declared, plain = (make_study(department) for _ in range(4))
    set_flag(head, marked.person, "vip")
    marked.person.flags.update(registered_at=period[0])
    add_relative(doctor, close.person, User.objects.get(pk=doctor.subject_id))
    relation = declare_relation(doctor, declared.person, reason="covers the ward tonight")
    named = make_patient(name=f"{User.objects.get(pk=doctor.subject_id).last_name}^Olle")
    same = make_study(department)
    same.person = named
    same.save()
    expected = {
        read(doctor, marked): ["vip"],
        read(doctor, close): ["relative"],
        read(doctor, declared, basis=(f"relation:{relation.pk}",)): ["self_declared"],
        read(doctor, same): ["same_surname"],
    }
    read(doctor, plain)
    review = draw_review(head, department.unit, *period, rule=QUIET)
    assert {item.event_id: item.reasons for item in review.items.all()} == expected


def test_a_review_is_drawn_by_those_who_review_the_unit(department, head, doctor, period):
    for actor in (doctor, make_doctor(make_department())):
        with pytest.raises(MissingRight):
            draw_review(actor, department.unit, *period)
    for wrong in ((period[1], period[0]), (period[0], timezone.now() + timedelta(days=1))):
        with pytest.raises(InvalidEntry):
            draw_review(head, department.unit, *wrong)
    with pytest.raises(InvalidEntry, match="92 days"):
        draw_review(head, department.unit, period[1] - timedelta(days=100), period[1])


def test_a_review_is_signed_when_everything_is_judged_by_somebody_else(department, head, doctor, period):
    study = make_study(department)
    read(doctor, study)
    read(head, study)
    review = draw_review(head, department.unit, *period)
    theirs, own = review.items.order_by("event_id")
    with pytest.raises(OwnAccess):
        note_finding(head, own, finding="justified")
    with pytest.raises(MissingRight):
        note_finding(doctor, own, finding="justified")
    with pytest.raises(InvalidEntry, match="finding"):
        note_finding(head, theirs, finding="fine")
    with pytest.raises(InvalidEntry, match="text"):
        note_finding(head, theirs, finding="question")
    noted = note_finding(head, theirs, finding="question", text="asked for the reason")
    assert (noted.found_by, noted.finding) == (head.subject, "question")
    with pytest.raises(UnfinishedReview, match="1 accesses"):
        sign_off(head, review, summary="nothing found")
    colleague = make_doctor(department)
    note_finding(colleague, own, finding="justified")
    with pytest.raises(MissingRight):
        sign_off(make_doctor(make_department()), review, summary="nothing found")
    signed = sign_off(head, review, summary="one question, answered")
    assert (signed.signed_by, signed.signed_at is not None) == (head.subject, True)
    for late in (
        lambda: sign_off(head, review, summary="once more"),
        lambda: note_finding(head, theirs, finding="justified"),
    ):
        with pytest.raises(EndedEntry):
            late()
    actions = AuditEvent.objects.filter(action__startswith="review_", outcome="success").exclude(
        action="review_draw"
    )
    assert sorted(actions.values_list("action", flat=True)) == ["review_finding"] * 2 + ["review_sign"]


def test_a_review_that_is_late_is_listed_to_its_unit_only(department, head, doctor, period):
    review = draw_review(head, department.unit, *period)
    assert list_reviews(head, overdue_only=True) == []
    LogReview.objects.update(due_at=timezone.now() - timedelta(days=1))
    assert list_reviews(head, overdue_only=True) == [review]
    stranger = make_doctor(make_department())
    assert list_reviews(stranger) == list_reviews(doctor) == []
    assert find_review(head, review.pk) == review
    for actor in (stranger, doctor):
        with pytest.raises(UnknownEntry):
            find_review(actor, review.pk)
    sign_off(head, review, summary="nothing was read")
    assert list_reviews(head, overdue_only=True) == []
    assert list_reviews(head) == [review]


def test_last_month_is_drawn_for_every_unit_that_read(department, doctor):
    make_department()
    read(doctor, make_study(department), at=datetime(2026, 2, 20, tzinfo=UTC))
    now = datetime(2026, 3, 5, 9, tzinfo=STOCKHOLM)
    assert draw_due_reviews(now) == 1
    review = LogReview.objects.get()
    assert review.period_from == datetime(2026, 2, 1, tzinfo=STOCKHOLM)
    assert review.period_to == datetime(2026, 3, 1, tzinfo=STOCKHOLM)
    assert (review.unit, review.items.count()) == (department.unit, 1)
    assert draw_due_reviews(now) == 0


def test_a_unit_sees_who_outside_read_what_it_keeps(department, head, doctor, period):
    study = make_study(department)
    outside = read(make_doctor(make_department()), study)
    read(doctor, study)
    read(make_doctor(make_department()), make_study(make_department()))
    assert [event.pk for event in list_outside_reads(head, *period)] == [outside]
    assert AuditEvent.objects.get(action="audit_read").detail["rows"] == 1
    with pytest.raises(MissingRight):
        list_outside_reads(doctor, *period)
