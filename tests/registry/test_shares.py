"""Shares and marks: a granted study is in the lists of the department, with every modality, until it is withdrawn."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import User
from registry.flags import add_relative, end_flag, end_relative, set_flag
from registry.models import Home, PatientFlag, Share
from registry.noted import EndedEntry, InvalidEntry, MissingRight
from registry.shares import (
    StudyInConflict,
    forget_expired_homes,
    share_by_delivery,
    share_study,
    withdraw_share,
    write_shared_homes,
)
from registry.visibility import decide_study, visible_studies
from tests.registry.care import assert_noted, epoch_of, make_doctor
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_department()


@pytest.fixture
def sender(owner):
    return make_doctor(owner)


@pytest.fixture
def receiver():
    """A department of another provider, without agreement or relation."""
    return make_department()


@pytest.fixture
def study(owner):
    return make_study(owner, modalities=("CT", "MR"))


def homes(study, department):
    rows = Home.objects.filter(study=study, department=department, unit=None)
    return sorted(rows.values_list("modality", flat=True))


def test_a_share_opens_a_study_and_its_withdrawal_closes_it(sender, receiver, study):
    reader = make_doctor(receiver)
    assert not decide_study(reader, study).permits
    share = share_study(sender, study, receiver, basis="second_opinion", door="portal")
    assert decide_study(reader, study).rule == "12"
    assert list(visible_studies(reader)) == [study]
    assert homes(study, receiver) == ["CT", "MR"]
    event = assert_noted("share", "share", share, study.person)
    assert (event.study_instance_uid, event.detail["department"]) == (
        study.study_instance_uid,
        receiver.hsa_id,
    )
    withdrawn = withdraw_share(sender, share)
    assert withdrawn.withdrawn_at is not None
    assert not decide_study(reader, study).permits
    assert homes(study, receiver) == []
    assert_noted("share_withdraw", "share", share, study.person)
    with pytest.raises(EndedEntry):
        withdraw_share(sender, share)


def test_homes_stay_while_another_share_gives_the_study(sender, receiver, study):
    first, second = (share_study(sender, study, receiver, basis="referral") for _ in range(2))
    withdraw_share(sender, first)
    assert homes(study, receiver) == ["CT", "MR"]
    withdraw_share(sender, second)
    assert homes(study, receiver) == []


def test_a_study_is_shared_by_the_unit_that_keeps_it(sender, receiver, study):
    for actor in (make_doctor(receiver), replace(sender, permissions=frozenset({"read"}))):
        with pytest.raises(MissingRight):
            share_study(actor, study, receiver, basis="referral")
    with pytest.raises(InvalidEntry, match="unknown basis"):
        share_study(sender, study, receiver, basis="delivery")
    with pytest.raises(InvalidEntry, match="at home"):
        share_study(sender, study, study.custodian, basis="referral")
    with pytest.raises(InvalidEntry, match="passed"):
        share_study(sender, study, receiver, basis="referral", valid_to=timezone.now())
    share = share_study(sender, study, receiver, basis="referral")
    with pytest.raises(MissingRight):
        withdraw_share(make_doctor(receiver), share)


def test_a_modality_that_comes_later_reaches_the_lists(sender, receiver, study):
    share_study(sender, study, receiver, basis="referral")
    study.modalities_in_study = ["CT", "MR", "SR"]
    write_shared_homes(study)
    assert homes(study, receiver) == ["CT", "MR", "SR"]


def test_a_study_in_conflict_is_not_shared_and_leaves_the_lists(sender, receiver, study):
    share_study(sender, study, receiver, basis="referral")
    study.in_conflict = True
    study.save()
    write_shared_homes(study)
    assert homes(study, receiver) == []
    assert not decide_study(make_doctor(receiver), study).permits
    with pytest.raises(StudyInConflict):
        share_study(sender, study, receiver, basis="referral")
    study.in_conflict = False
    study.save()
    write_shared_homes(study)
    assert homes(study, receiver) == ["CT", "MR"]


def test_what_is_delivered_opens_to_systems_and_not_to_people(receiver, study):
    assert share_by_delivery(study, receiver) is True
    assert share_by_delivery(study, receiver) is False
    unit = receiver.unit
    system = Actor("system", "pacs", Scope(receiver.pk, unit.pk, unit.provider_id), frozenset({"read"}))
    assert decide_study(system, study).permits
    assert list(visible_studies(system)) == [study]
    assert not decide_study(make_doctor(receiver), study).permits
    assert epoch_of(study.person) == 1
    assert share_by_delivery(study, study.custodian) is False
    assert Share.objects.count() == 1


def test_the_homes_of_ended_shares_are_taken_out_of_the_lists(sender, receiver, study):
    share = share_study(
        sender, study, receiver, basis="referral", valid_to=timezone.now() + timedelta(days=1)
    )
    assert forget_expired_homes() == 0
    Share.objects.filter(pk=share.pk).update(valid_to=timezone.now())
    assert forget_expired_homes() == 2
    assert homes(study, receiver) == []


def test_marks_are_set_and_taken_off_by_those_who_may(sender, owner, study):
    flag = set_flag(sender, study.person, "protected_2", source="population register")
    assert_noted("flag_set", "flag", flag, study.person)
    with pytest.raises(EndedEntry):
        set_flag(sender, study.person, "protected_2")
    end_flag(sender, flag)
    assert_noted("flag_end", "flag", flag, study.person)
    with pytest.raises(EndedEntry):
        end_flag(sender, flag)
    with pytest.raises(InvalidEntry, match="unknown mark"):
        set_flag(sender, study.person, "famous")
    registrar = make_doctor(owner, "register_block")
    set_flag(registrar, study.person, "opted_out")
    with pytest.raises(MissingRight):
        set_flag(registrar, study.person, "vip")
    assert PatientFlag.objects.filter(ended_at=None).count() == 1


def test_who_is_close_to_a_patient_is_asked_for_a_reason(sender, owner, study):
    reader = make_doctor(owner, "report")
    user = User.objects.get(pk=reader.subject_id)
    assert decide_study(reader, study).permits
    with pytest.raises(MissingRight):
        add_relative(make_doctor(owner, "report"), study.person, user)
    relative = add_relative(reader, study.person, user)
    assert decide_study(reader, study).need == "reason"
    assert_noted("relative_add", "relative", relative, study.person)
    with pytest.raises(EndedEntry):
        add_relative(sender, study.person, user)
    with pytest.raises(MissingRight):
        end_relative(reader, relative)
    end_relative(sender, relative)
    assert decide_study(reader, study).permits
