"""Send now: it shares, says so in the feed and the log, follows for some days, and can be withdrawn."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Change, SendRequest, Share
from registry.noted import EndedEntry, InvalidEntry, MissingRight
from registry.send_now import (
    Sending,
    requests_that_follow,
    send_patient,
    send_study,
    share_what_follows,
    withdraw_sending,
)
from registry.shares import StudyInConflict
from registry.visibility import decide_study
from tests.registry.care import make_doctor, told_of
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_department()


@pytest.fixture
def sender(owner):
    return make_doctor(owner)


@pytest.fixture
def study(owner):
    return make_study(owner)


@pytest.fixture
def sending():
    """To a department of another provider, without agreement or relation."""
    return Sending(make_department(), "acute subdural haematoma, transfer tonight")


def add_study(study, department, **values):
    other = make_study(department, **values)
    other.person = study.person
    other.save()
    return other


def test_a_study_that_is_sent_opens_to_the_people_of_the_department(sender, study, sending):
    reader = make_doctor(sending.department)
    assert not decide_study(reader, study).permits
    request = send_study(sender, study, sending, door="portal")
    assert decide_study(reader, study).permits
    assert (request.study, request.patient, request.priority) == (study, study.person, "urgent")
    assert request.wants == ["images", "sr", "key_images", "priors", "request", "report"]
    assert [share.basis for share in request.shares.all()] == ["transfer"]
    change = Change.objects.get(kind="send")
    assert (change.study_instance_uid, change.detail) == (study.study_instance_uid, {"request": request.pk})
    event = told_of("send_now")
    assert event.detail["reason"] == sending.reason
    assert (event.patient_id, event.detail["department"]) == (study.person_id, sending.department.hsa_id)


def test_a_patient_is_sent_with_all_that_the_unit_keeps_and_nothing_of_others(owner, sender, study, sending):
    second, foreign = add_study(study, owner), add_study(study, make_department())
    disputed = add_study(study, owner, in_conflict=True)
    request = send_patient(sender, study.person, sending)
    shared = set(request.shares.values_list("study", flat=True))
    assert shared == {study.pk, second.pk}
    assert not Share.objects.filter(study__in=[foreign, disputed]).exists()
    with pytest.raises(InvalidEntry, match="keeps no study"):
        send_patient(make_doctor(make_department()), study.person, sending)


def test_what_cannot_be_sent_is_refused_and_nothing_is_written(owner, sender, study, sending):
    with pytest.raises(MissingRight):
        send_study(make_doctor(owner, "report"), study, sending)
    with pytest.raises(MissingRight):
        send_study(make_doctor(make_department()), study, sending)
    refused = AuditEvent.objects.filter(outcome="refused", action="share")
    assert refused.count() == 2
    for wrong, message in (
        (replace(sending, reason=" "), "the reason"),
        (replace(sending, priority="bulk"), "unknown priority"),
        (replace(sending, wants=("films",)), "unknown content"),
        (replace(sending, wants=()), "nothing is wanted"),
        (replace(sending, follow_days=91), "0 to 90 days"),
        (replace(sending, department=owner), "at home"),
    ):
        with pytest.raises(InvalidEntry, match=message):
            send_study(sender, study, wrong)
    study.in_conflict = True
    study.save()
    with pytest.raises(StudyInConflict):
        send_study(sender, study, sending)
    assert not SendRequest.objects.exists()
    assert not Share.objects.exists()
    assert not Change.objects.exists()


def test_what_comes_later_belongs_to_the_sending_while_it_lasts(owner, sender, study, sending):
    request = send_patient(sender, study.person, sending)
    later, foreign = add_study(study, owner), add_study(study, make_department())
    assert list(requests_that_follow(later)) == [request]
    assert not requests_that_follow(foreign).exists()
    share_what_follows(later, request, sender)
    share_what_follows(later, request, sender)
    assert request.shares.filter(study=later).count() == 1
    SendRequest.objects.update(follows_until=timezone.now() - timedelta(seconds=1))
    assert not requests_that_follow(study).exists()


def test_a_sending_is_withdrawn_once_and_its_shares_end(sender, study, sending):
    request = send_study(sender, study, sending)
    reader = make_doctor(sending.department)
    with pytest.raises(MissingRight):
        withdraw_sending(make_doctor(make_department()), request)
    withdrawn = withdraw_sending(sender, request)
    assert withdrawn.withdrawn_at is not None
    assert not decide_study(reader, study).permits
    assert not requests_that_follow(study).exists()
    assert Change.objects.filter(kind="send").count() == 2
    assert told_of("send_withdraw").study_instance_uid == study.study_instance_uid
    with pytest.raises(EndedEntry):
        withdraw_sending(sender, request)
