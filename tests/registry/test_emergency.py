"""Emergency openings: two steps, each recorded, the head of the unit told, every opening reviewed by another."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent, SharingAgreement
from registry.consent.blocks import Holder, register_block
from registry.emergency import (
    OwnOpening,
    StaleSecondFactor,
    active_opening,
    close_now,
    find_opening,
    list_unreviewed,
    locate,
    open_patient,
    review_opening,
)
from registry.models import CareRelation, EmergencyOpening, Notice
from registry.noted import EndedEntry, InvalidEntry, MissingRight, UnknownEntry
from registry.notices import list_notices, mark_seen
from registry.visibility import decide_study
from tests.registry.care import assert_noted, epoch_of, make_doctor, make_officer
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db

WHY = {"reason_code": "unconscious", "reason": "found unconscious, cannot be asked"}


def second_factor():
    """Stand for a check that found the second factor fresh."""


@pytest.fixture
def hospital():
    return make_department()


@pytest.fixture
def doctor(hospital):
    return make_doctor(hospital)


@pytest.fixture
def private(hospital):
    made = make_department()
    agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
    agreement.parties.add(made.unit.provider, hospital.unit.provider)
    return made


@pytest.fixture
def study(private):
    return make_study(private)


def block(study, department, **values):
    return register_block(make_doctor(department), study.person, Holder(unit_id=department.unit_id), **values)


def test_step_one_names_the_provider_and_opens_nothing(doctor, study, private):
    block(study, private)
    located = locate(doctor, study.person, **WHY, door="portal")
    assert located.providers == (private.unit.provider,)
    assert not decide_study(doctor, study).permits
    event = assert_noted("emergency_locate", "opening", located.opening, study.person)
    assert event.detail["providers"] == [private.unit.provider.hsa_id]
    assert (event.detail["reason_code"], event.detail["stated_reason"]) == tuple(WHY.values())
    assert not Notice.objects.exists()


def test_step_two_opens_the_patient_to_this_person_and_tells_the_head_at_once(
    doctor, study, private, hospital
):
    block(study, private)
    opening = locate(doctor, study.person, **WHY).opening
    before = epoch_of(study.person)
    opened = open_patient(doctor, opening, check_second_factor=second_factor)
    assert epoch_of(study.person) == before + 1
    decision = decide_study(doctor, study)
    assert (decision.rule, decision.permits, f"opening:{opening.pk}" in decision.basis) == ("13", True, True)
    assert opened.ends_at - opened.opened_at == timedelta(hours=4)
    assert active_opening(doctor, study.person) == opened
    assert not decide_study(make_doctor(hospital), study).permits
    assert not decide_study(replace(doctor, assignment_id=doctor.assignment_id + 999), study).permits
    event = assert_noted("emergency_open", "opening", opening, study.person)
    assert event.detail["hours"] == 4
    [notice] = list_notices(make_doctor(hospital))
    assert (notice.kind, notice.subject_row) == ("emergency_opening", f"opening:{opening.pk}")
    assert list_notices(make_doctor(private)) == []


def test_the_opening_ends_by_itself_and_by_hand(doctor, study, hospital):
    opening = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, opening, check_second_factor=second_factor, hours=1)
    assert decide_study(doctor, study).permits
    with pytest.raises(MissingRight):
        close_now(make_doctor(hospital, "break_glass"), opening)
    closed = close_now(doctor, opening)
    assert closed.closed_at is not None
    assert not decide_study(doctor, study).permits
    assert active_opening(doctor, study.person) is None
    assert_noted("emergency_close", "opening", opening, study.person)
    with pytest.raises(EndedEntry):
        close_now(doctor, opening)
    again = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, again, check_second_factor=second_factor, hours=8)
    EmergencyOpening.objects.filter(pk=again.pk).update(ends_at=timezone.now())
    assert not decide_study(doctor, study).permits
    with pytest.raises(EndedEntry):
        close_now(doctor, again)


def test_step_two_needs_a_fresh_second_factor(doctor, study):
    def stale():
        raise StaleSecondFactor("show the second factor again")

    opening = locate(doctor, study.person, **WHY).opening
    with pytest.raises(StaleSecondFactor):
        open_patient(doctor, opening, check_second_factor=stale)
    assert EmergencyOpening.objects.get().opened_at is None


def test_step_two_follows_step_one_by_the_same_person_soon_and_once(doctor, study, hospital):
    opening = locate(doctor, study.person, **WHY).opening
    for other in (make_doctor(hospital), replace(doctor, assignment_id=doctor.assignment_id + 999)):
        with pytest.raises(MissingRight, match="another person"):
            open_patient(other, opening, check_second_factor=second_factor)
    with pytest.raises(InvalidEntry, match="hours"):
        open_patient(doctor, opening, check_second_factor=second_factor, hours=24)
    open_patient(doctor, opening, check_second_factor=second_factor)
    with pytest.raises(EndedEntry):
        open_patient(doctor, opening, check_second_factor=second_factor)
    late = locate(doctor, study.person, **WHY).opening
    EmergencyOpening.objects.filter(pk=late.pk).update(ends_at=timezone.now())
    with pytest.raises(EndedEntry):
        open_patient(doctor, late, check_second_factor=second_factor)


def test_only_a_person_with_the_right_and_a_reason_opens(doctor, study):
    for actor in (make_officer(), replace(doctor, permissions=frozenset({"read"}))):
        with pytest.raises(MissingRight):
            locate(actor, study.person, **WHY)
    assert AuditEvent.objects.filter(action="emergency_locate", outcome="refused").count() == 2
    with pytest.raises(InvalidEntry, match="at least 10"):
        locate(doctor, study.person, reason_code="other", reason="need it")
    with pytest.raises(InvalidEntry, match="unknown reason"):
        locate(doctor, study.person, reason_code="curiosity", reason=WHY["reason"])
    assert not EmergencyOpening.objects.exists()


def test_what_an_emergency_does_not_open_is_not_named(doctor, study, private):
    block(study, private, is_absolute=True)
    assert locate(doctor, study.person, **WHY).providers == ()
    opening = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, opening, check_second_factor=second_factor)
    assert not decide_study(doctor, study).permits


def test_a_silent_block_is_not_told_from_a_missing_consent(doctor, private):
    silent, unconsented = make_study(private), make_study(private)
    block(silent, private, is_silent=True)
    found = {locate(doctor, one.person, **WHY).providers for one in (silent, unconsented)}
    assert found == {(private.unit.provider,)}


def test_every_opening_is_reviewed_by_another_of_the_unit(doctor, study, hospital, private):
    first = locate(doctor, study.person, **WHY).opening
    opening = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, opening, check_second_factor=second_factor)
    head, stranger = make_doctor(hospital), make_doctor(private)
    assert list_unreviewed(head) == [first, opening]
    assert list_unreviewed(stranger) == []
    assert list_unreviewed(make_doctor(hospital, "report")) == []
    with pytest.raises(OwnOpening):
        review_opening(doctor, opening, verdict="justified")
    with pytest.raises(MissingRight):
        review_opening(stranger, opening, verdict="justified")
    with pytest.raises(MissingRight):
        review_opening(make_doctor(hospital, "report"), opening, verdict="justified")
    with pytest.raises(InvalidEntry, match="verdict"):
        review_opening(head, opening, verdict="fine")
    with pytest.raises(InvalidEntry, match="text"):
        review_opening(head, opening, verdict="misuse")
    review = review_opening(head, opening, verdict="justified")
    assert list_unreviewed(head) == [first]
    event = assert_noted("emergency_review", "opening_review", review, study.person)
    assert (event.detail["verdict"], event.detail["opening"]) == ("justified", f"opening:{opening.pk}")


def test_a_second_account_of_the_same_person_does_not_review(hospital, study):
    number = "198001019999"
    opener, same = (make_doctor(hospital, national_number=number) for _ in range(2))
    opening = locate(opener, study.person, **WHY).opening
    with pytest.raises(OwnOpening):
        review_opening(same, opening, verdict="justified")


def test_what_waits_for_more_than_a_week_is_overdue(doctor, study, hospital):
    opening = locate(doctor, study.person, **WHY).opening
    head = make_doctor(hospital)
    assert list_unreviewed(head, overdue_only=True) == []
    EmergencyOpening.objects.update(located_at=timezone.now() - timedelta(days=8))
    assert list_unreviewed(head, overdue_only=True) == [opening]


def test_an_opening_is_found_by_its_person_and_its_reviewers_only(doctor, study, hospital, private):
    opening = locate(doctor, study.person, **WHY).opening
    for actor in (doctor, make_doctor(hospital)):
        assert find_opening(actor, opening.pk) == opening
    for actor in (make_doctor(hospital, "break_glass"), make_doctor(private)):
        with pytest.raises(UnknownEntry):
            find_opening(actor, opening.pk)
    with pytest.raises(UnknownEntry):
        find_opening(doctor, opening.pk + 1)


def test_a_notice_is_seen_once_by_its_unit(doctor, study, hospital, private):
    opening = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, opening, check_second_factor=second_factor)
    head = make_doctor(hospital)
    [notice] = list_notices(head, unseen_only=True)
    with pytest.raises(UnknownEntry):
        mark_seen(make_doctor(private), notice.pk)
    mark_seen(head, notice.pk)
    mark_seen(doctor, notice.pk)
    assert Notice.objects.get().seen_by == head.subject
    assert list_notices(head, unseen_only=True) == []


def test_an_opening_does_not_need_a_relation(doctor, study):
    CareRelation.objects.all().delete()
    opening = locate(doctor, study.person, **WHY).opening
    open_patient(doctor, opening, check_second_factor=second_factor)
    assert decide_study(doctor, study).permits
