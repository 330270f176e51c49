"""Reading on behalf of another provider: only what was assigned and its priors, until the report is final and n days more."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.epochs import raise_access_epoch
from access.models import SharingAgreement
from registry.linking import link_report
from registry.models import Change, Report, Share
from registry.noted import InvalidEntry
from registry.reports import ReportDraft, take_version
from registry.search import Paging, search
from registry.shares import share_study
from registry.visibility import UnknownStudy, decide_study, permitted_study
from tests.registry.care import epoch_of, make_doctor
from tests.registry.factories import make_department, make_share, make_study

pytestmark = pytest.mark.django_db
DAYS = 14


@pytest.fixture
def owner():
    return make_department()


@pytest.fixture
def sender(owner):
    return make_doctor(owner)


@pytest.fixture
def private():
    return make_department()


@pytest.fixture
def agreement(owner, private):
    row = SharingAgreement.objects.create(
        name="Läsning",
        kind=SharingAgreement.PROCESSOR,
        commissioner=owner.unit.provider,
        days_after_final=DAYS,
    )
    row.parties.set([owner.unit.provider, private.unit.provider])
    raise_access_epoch()
    return row


@pytest.fixture
def study(owner):
    return make_study(owner)


def may_read(reader, study) -> bool:
    """Ask at once for the one study, by a list with its key and by a list without any; all say the same."""
    listed = study.pk in [row.pk for row in search("study", [], Paging(50), reader).rows]
    try:
        permitted_study(reader, study.study_instance_uid)
    except UnknownStudy:
        assert not listed
        return False
    assert listed
    return True


def report(study, status="final", *, days_ago=0, number="R1"):
    when = timezone.now() - timedelta(days=days_ago)
    draft = ReportDraft(
        study.person,
        number,
        status,
        when,
        text=f"{status} {when}",
        study_instance_uids=(study.study_instance_uid,),
    )
    take_version(draft)
    study.refresh_from_db()


def test_it_takes_an_agreement_in_which_the_custodian_commissions(sender, study, private, owner):
    for kind, commissioner in (("cohesive", None), ("processor_on_behalf", private.unit.provider)):
        other = SharingAgreement.objects.create(name="Other", kind=kind, commissioner=commissioner)
        other.parties.set([owner.unit.provider, private.unit.provider])
        with pytest.raises(InvalidEntry, match="no agreement lets"):
            share_study(sender, study, private, basis="reading")
    neighbour = make_department(owner.unit.provider)
    assert share_study(sender, study, neighbour, basis="reading").valid_to is None


def test_only_what_is_assigned_is_read(sender, study, private, agreement, owner):
    reader, other = make_doctor(private), make_study(owner)
    other.person = study.person
    other.save()
    share_study(sender, study, private, basis="reading")
    assert may_read(reader, study)
    assert not may_read(reader, other)
    share_study(sender, other, private, basis="prior")
    assert may_read(reader, other)


def test_it_ends_so_many_days_after_the_final_report(sender, study, private, agreement):
    reader = make_doctor(private)
    share = share_study(sender, study, private, basis="reading")
    report(study, "preliminary")
    share.refresh_from_db()
    assert share.valid_to is None
    epoch = epoch_of(study.person)
    report(study)
    share.refresh_from_db()
    assert share.valid_to == max(study.final_at, share.valid_from) + timedelta(days=DAYS)
    assert epoch_of(study.person) > epoch
    assert Change.objects.filter(kind="share", detail={"row": share.pk}).count() == 2
    assert may_read(reader, study)
    end = share.valid_to
    report(study, "corrected")
    share.refresh_from_db()
    assert share.valid_to == end


def test_a_report_that_was_final_long_ago_closes_study_and_priors_at_the_next_request(
    sender, study, private, agreement, owner
):
    reader, prior = make_doctor(private), make_study(owner)
    prior.person = study.person
    prior.save()
    share = make_share(study, private, basis="reading", valid_from=timezone.now() - timedelta(days=60))
    make_share(prior, private, basis="prior", valid_from=timezone.now() - timedelta(days=60))
    assert may_read(reader, study)
    assert may_read(reader, prior)
    report(study, days_ago=DAYS + 1)
    assert not may_read(reader, study)
    assert not may_read(reader, prior)
    assert decide_study(reader, study).rule == "2"
    assert not decide_study(reader, study, "deliver").permits
    share.refresh_from_db()
    assert share.valid_to < timezone.now()


def test_an_end_that_comes_sooner_stays(sender, study, private, agreement):
    soon = timezone.now() + timedelta(days=2)
    share = share_study(sender, study, private, basis="reading", valid_to=soon)
    report(study)
    share.refresh_from_db()
    assert share.valid_to == soon


def test_what_is_assigned_after_the_final_report_is_read_for_as_many_days(sender, study, private, agreement):
    report(study, days_ago=100)
    share = share_study(sender, study, private, basis="reading")
    assert share.valid_to == share.valid_from + timedelta(days=DAYS)
    assert may_read(make_doctor(private), study)


def test_a_report_that_comes_before_its_study_ends_it_too(sender, study, private, agreement):
    share = make_share(study, private, basis="reading", valid_from=timezone.now() - timedelta(days=60))
    study_uid, study.study_instance_uid = study.study_instance_uid, "1.2.3"
    study.save()
    report_draft = ReportDraft(
        study.person,
        "R9",
        "final",
        timezone.now() - timedelta(days=DAYS + 1),
        text="x",
        study_instance_uids=(study_uid,),
    )
    take_version(report_draft)
    share.refresh_from_db()
    assert share.valid_to is None
    study.study_instance_uid = study_uid
    study.save()
    link_report(Report.objects.get())
    share.refresh_from_db()
    assert share.valid_to < timezone.now()


def test_an_agreement_that_ends_closes_what_was_assigned_under_it(sender, study, private, agreement, owner):
    reader, prior = make_doctor(private), make_study(owner)
    prior.person = study.person
    prior.save()
    share_study(sender, study, private, basis="reading")
    share_study(sender, prior, private, basis="prior")
    assert decide_study(reader, study, "deliver").permits
    agreement.valid_to = timezone.now()
    agreement.save()
    raise_access_epoch()
    for each in (study, prior):
        assert not may_read(reader, each)
        assert not decide_study(reader, each, "deliver").permits
    assert Share.objects.filter(valid_to=None).count() == 2


def test_a_referral_is_no_reading(sender, study, private, agreement):
    share = share_study(sender, study, private, basis="referral")
    report(study, days_ago=100)
    share.refresh_from_db()
    assert share.valid_to is None
    assert may_read(make_doctor(private), study)
