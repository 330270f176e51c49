"""Consents, blocks and lifts: who may register them, what they leave behind, and what they change for a reader."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent, SharingAgreement, User
from registry.consent.blocks import GuardianBlock, Holder, RepeatedBlock, cancel_block, register_block
from registry.consent.consents import Recipient, register_consent, withdraw_consent
from registry.consent.lifts import AbsoluteBlock, cancel_lift, lift_block
from registry.models import Block, BlockLift, Consent, Notice
from registry.noted import EndedEntry, InvalidEntry, MissingRight
from registry.visibility import decide_study
from tests.registry.care import assert_noted, epoch_of, make_doctor, make_officer
from tests.registry.factories import make_department, make_relation, make_study

pytestmark = pytest.mark.django_db

INCAPACITY = {
    "assessed_by": "Dr Berg, consultant",
    "attitude": "relatives know of no objection",
    "necessary_care": "stroke",
}


def in_days(number: float):
    return timezone.now() + timedelta(days=number)


@pytest.fixture
def private():
    """A department of another care provider: it keeps the study."""
    return make_department()


@pytest.fixture
def hospital():
    return make_department()


@pytest.fixture
def doctor(hospital):
    return make_doctor(hospital)


@pytest.fixture
def study(private, hospital):
    """A study of the other provider; the two share documentation and the hospital takes part in the care."""
    made = make_study(private)
    agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
    agreement.parties.add(private.unit.provider, hospital.unit.provider)
    make_relation(made.person, hospital.unit)
    return made


def give_consent(actor, study, **values):
    recipient = Recipient(provider_id=actor.scope.provider_id)
    options = {"valid_to": in_days(30), "text_version": "2026-1"} | values
    return register_consent(actor, study.person, recipient, **options)


def test_a_consent_opens_what_another_provider_holds_and_its_withdrawal_closes_it(doctor, study):
    assert decide_study(doctor, study).need == "consent"
    consent = give_consent(doctor, study, door="portal")
    assert decide_study(doctor, study).permits
    event = assert_noted("consent_register", "consent", consent, study.person)
    assert (event.actor, event.door, event.detail["text_version"]) == (doctor.subject, "portal", "2026-1")
    before = epoch_of(study.person)
    ended = withdraw_consent(doctor, consent)
    assert ended.withdrawn_by == doctor.subject
    assert epoch_of(study.person) == before + 1
    assert decide_study(doctor, study).need == "consent"
    assert_noted("consent_withdraw", "consent", consent, study.person)
    with pytest.raises(EndedEntry):
        withdraw_consent(doctor, consent)


def test_a_consent_is_registered_by_those_who_may_and_for_their_own(doctor, study, private, hospital):
    nurse = replace(doctor, permissions=frozenset({"read"}))
    with pytest.raises(MissingRight):
        give_consent(nurse, study)
    refused = AuditEvent.objects.get(action="consent_register", outcome="refused")
    assert (refused.actor, refused.patient_id) == (doctor.subject, study.person_id)
    colleague, stranger = make_doctor(hospital), make_doctor(private)
    for foreign in (
        Recipient(provider_id=private.unit.provider_id),
        Recipient(unit_id=private.unit_id),
        Recipient(user_id=stranger.subject_id),
    ):
        with pytest.raises(MissingRight, match="another care provider"):
            register_consent(doctor, study.person, foreign, valid_to=in_days(1), text_version="1")
    for own in (Recipient(unit_id=hospital.unit_id), Recipient(user_id=colleague.subject_id)):
        register_consent(doctor, study.person, own, valid_to=in_days(1), text_version="1")
    assert Consent.objects.count() == 2
    assert decide_study(colleague, study).permits


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "silence"}, "unknown kind"),
        ({"valid_to": timezone.now() - timedelta(minutes=1)}, "has passed"),
        ({"valid_to": timezone.now().replace(tzinfo=None) + timedelta(days=9)}, "time zone"),
        ({"text_version": ""}, "text_version"),
        ({"kind": "incapacity"}, "basis assessed_by"),
        ({"kind": "incapacity", "basis": {**INCAPACITY, "necessary_care": ""}}, "basis necessary_care"),
        ({"kind": "incapacity", "basis": {**INCAPACITY, "colour": "red"}}, "consists of"),
        ({"basis": INCAPACITY}, "belongs to incapacity"),
    ],
)
def test_an_incomplete_consent_is_refused_by_what_is_missing(doctor, study, values, message):
    with pytest.raises(InvalidEntry, match=message):
        give_consent(doctor, study, **values)
    assert not Consent.objects.exists()


def test_a_consent_has_one_recipient(doctor, study, hospital):
    for recipient in (Recipient(), Recipient(hospital.unit.provider_id, hospital.unit_id)):
        with pytest.raises(InvalidEntry, match="one recipient"):
            register_consent(doctor, study.person, recipient, valid_to=in_days(1), text_version="1")


def test_lasting_incapacity_opens_by_its_basis_and_is_sampled(doctor, study):
    give_consent(doctor, study, kind="incapacity", basis=INCAPACITY, text_version="")
    decision = decide_study(doctor, study)
    assert (decision.permits, decision.rule) == (True, "10b")
    assert "review_sample" in decision.obligations


def test_a_block_wins_over_consent_and_is_never_edited(doctor, study, private):
    give_consent(doctor, study)
    custodian = make_doctor(private)
    block = register_block(custodian, study.person, Holder(provider_id=private.unit.provider_id))
    assert decide_study(doctor, study).need == "emergency"
    assert decide_study(custodian, study).permits
    event = assert_noted("block_register", "block", block, study.person)
    assert event.detail["asked_by"] == "patient"
    with pytest.raises(RepeatedBlock):
        register_block(custodian, study.person, Holder(provider_id=private.unit.provider_id))
    cancelled = cancel_block(custodian, block, reason="the patient took it back")
    assert (cancelled.cancelled_by, cancelled.cancel_reason) == (
        custodian.subject,
        "the patient took it back",
    )
    assert decide_study(doctor, study).permits
    event = assert_noted("block_cancel", "block", block, study.person)
    assert event.detail["stated_reason"] == "the patient took it back"
    with pytest.raises(EndedEntry):
        cancel_block(custodian, block, reason="once more")


def test_a_block_covers_the_dates_it_names(doctor, study, private):
    give_consent(doctor, study)
    custodian = make_doctor(private)
    holder = Holder(unit_id=private.unit_id)
    register_block(custodian, study.person, holder, data_from="20260101")
    assert decide_study(doctor, study).permits  # the study is of 14 March 2025
    register_block(custodian, study.person, holder, data_from="20250314", data_to="20250314")
    assert decide_study(doctor, study).need == "emergency"


def test_a_guardian_cannot_block_a_childs_data(study, private):
    with pytest.raises(GuardianBlock):
        register_block(
            make_doctor(private), study.person, Holder(unit_id=private.unit_id), asked_by="guardian"
        )
    assert not Block.objects.exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data_from": "2026-01-01"}, "YYYYMMDD"),
        ({"data_to": "20260230"}, "YYYYMMDD"),
        ({"data_from": "20260202", "data_to": "20260201"}, "after"),
        ({"asked_by": "neighbour"}, "representative"),
    ],
)
def test_a_block_that_contradicts_itself_is_refused(study, private, values, message):
    with pytest.raises(InvalidEntry, match=message):
        register_block(make_doctor(private), study.person, Holder(unit_id=private.unit_id), **values)


def test_a_block_belongs_to_the_provider_that_holds_the_data(doctor, study, private):
    for holder in (Holder(unit_id=private.unit_id), Holder(provider_id=private.unit.provider_id)):
        with pytest.raises(MissingRight):
            register_block(doctor, study.person, holder)
    with pytest.raises(InvalidEntry, match="one holder"):
        register_block(doctor, study.person, Holder())
    block = register_block(make_officer(), study.person, Holder(unit_id=private.unit_id))
    with pytest.raises(MissingRight):
        cancel_block(doctor, block, reason="not mine to cancel")
    with pytest.raises(MissingRight):
        cancel_block(make_doctor(private, "grant_consent"), block, reason="without the right")


def lift(actor, block, unit, **values):
    options = {
        "basis": "consent",
        "requested_by": "the patient",
        "reason": "operation tomorrow",
        "valid_to": in_days(6.9),
    }
    return lift_block(actor, block, unit, **{**options, **values})


@pytest.fixture
def block(study, private):
    return register_block(make_doctor(private), study.person, Holder(unit_id=private.unit_id))


def test_a_lift_opens_a_block_for_a_unit_until_it_is_cancelled(doctor, study, private, hospital, block):
    give_consent(doctor, study)
    custodian = make_doctor(private)
    lifted = lift(custodian, block, hospital.unit)
    assert decide_study(doctor, study).permits
    event = assert_noted("lift", "lift", lifted, study.person)
    assert (event.detail["block"], event.detail["basis_of_lift"]) == (f"block:{block.pk}", "consent")
    cancel_lift(doctor, lifted)  # the unit that needs it no more closes it itself
    assert decide_study(doctor, study).need == "emergency"
    assert_noted("lift_cancel", "lift", lifted, study.person)
    with pytest.raises(EndedEntry):
        cancel_lift(custodian, lifted)


def test_a_lift_for_one_person_opens_nothing_to_a_colleague(doctor, study, private, hospital, block):
    give_consent(doctor, study)
    lift(make_doctor(private), block, hospital.unit, user=User.objects.get(pk=doctor.subject_id))
    assert decide_study(doctor, study).permits
    assert decide_study(make_doctor(hospital), study).need == "emergency"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"valid_to": timezone.now() + timedelta(days=8)}, "more than 7 days"),
        ({"reason": "because"}, "reason"),
        ({"requested_by": " "}, "requested_by"),
        ({"basis": "habit"}, "unknown basis"),
    ],
)
def test_a_lift_without_what_it_needs_is_refused(private, hospital, block, values, message):
    with pytest.raises(InvalidEntry, match=message):
        lift(make_doctor(private), block, hospital.unit, **values)
    assert not BlockLift.objects.exists()


def test_by_consent_only_the_custodians_side_lifts(doctor, private, hospital, block):
    with pytest.raises(MissingRight, match="where the data are kept"):
        lift(doctor, block, hospital.unit)
    with pytest.raises(MissingRight, match="lift_block"):
        lift(make_doctor(private, "register_block"), block, hospital.unit)


def test_in_an_emergency_the_unit_lifts_for_itself_and_the_heads_are_told(doctor, private, hospital, block):
    elsewhere = make_department(hospital.unit.provider)
    with pytest.raises(MissingRight):
        lift(doctor, block, elsewhere.unit, basis="emergency")
    lifted = lift(doctor, block, hospital.unit, basis="emergency", valid_to=in_days(0.2))
    told = {notice.unit_id: notice.subject_row for notice in Notice.objects.all()}
    assert told == dict.fromkeys((private.unit_id, hospital.unit_id), f"lift:{lifted.pk}")


def test_an_absolute_or_cancelled_block_is_not_lifted(study, private, hospital):
    custodian = make_doctor(private)
    holder = Holder(unit_id=private.unit_id)
    absolute = register_block(custodian, study.person, holder, is_absolute=True)
    with pytest.raises(AbsoluteBlock):
        lift(custodian, absolute, hospital.unit)
    cancelled = register_block(custodian, study.person, holder)
    cancel_block(custodian, cancelled, reason="by mistake")
    with pytest.raises(EndedEntry, match="nothing to lift"):
        lift(custodian, cancelled, hospital.unit)
