"""What a subscription would have brought, and sending the past."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent, CareProvider
from registry import changes
from registry.harmonise.duty import write_values
from registry.harmonise.tables import read_tables
from registry.models import Change, Destination, Study, Subscription
from registry.noted import EndedEntry, InvalidEntry, MissingRight, UnknownEntry
from registry.wishes.filter import UnknownFilter
from registry.wishes.preview import preview
from registry.wishes.replay import replay
from repository.delivery.planning.plan import plan_deliveries
from repository.models import Delivery, DeliveryItem
from tests.registry.factories import make_actor, make_department, make_study

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()


@pytest.fixture
def provider(db):
    return CareProvider.objects.create(hsa_id="SE-P", name="Region")


@pytest.fixture
def hospital(provider):
    return make_department(provider)


@pytest.fixture
def subscription(provider):
    ward = make_department(provider)
    destination = Destination.objects.create(department=ward, name="PACS", url="https://example.org/studies")
    return Subscription.objects.create(
        department=ward, destination=destination, filter={"modality_family": ["CT", "MR"]}
    )


@pytest.fixture
def keeper(subscription):
    actor = make_actor(subscription.department)
    return type(actor)(actor.kind, actor.subject, actor.scope, frozenset({"replay"}))


def make_past(department, days_ago: int, modality: str = "CT", **values) -> Study:
    day = TODAY - timedelta(days=days_ago)
    study = make_study(department, modalities=(modality,), study_date=f"{day:%Y%m%d}", **values)
    write_values([study.pk], read_tables())
    return study


def test_a_preview_counts_by_family_and_names_the_newest(hospital, subscription, django_assert_num_queries):
    studies = [make_past(hospital, number % 5, "CT") for number in range(12)]
    make_past(hospital, 1, "MR")
    make_past(hospital, 1, "DX")
    make_past(hospital, 9, "CT")
    make_past(subscription.department, 1, "CT")
    with django_assert_num_queries(2):
        found = preview(subscription)
    assert (found.days, found.count, found.families) == (7, 13, (("CT", 12), ("MR", 1)))
    assert len(found.newest) == 10
    assert found.newest[0] in {study.study_instance_uid for study in studies[::5]}
    assert preview(subscription, days=30).count == 14


def test_a_preview_of_what_waits_for_reports_counts_those_that_have_one(hospital, subscription):
    make_past(hospital, 1)
    make_past(hospital, 1, state="verified")
    subscription.from_state = "verified"
    assert preview(subscription).count == 1


def test_a_preview_of_an_unreadable_filter_says_where(subscription):
    subscription.filter = {"colour": ["red"]}
    with pytest.raises(UnknownFilter, match=r"filter\.colour"):
        preview(subscription)


def test_the_past_is_planned_when_there_is_room_and_once(hospital, subscription, keeper):
    wanted = [make_past(hospital, days) for days in (3, 5)]
    make_past(hospital, 20)
    make_past(hospital, 4, "DX")
    assert replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "new system") == 2
    assert plan_deliveries() == {"bulk"}
    rows = Delivery.objects.order_by("study")
    assert [row.study for row in rows] == wanted
    assert {row.priority for row in rows} == {"bulk"}
    assert {tuple(row.subscription_ids) for row in rows} == {(subscription.pk,)}
    assert replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "once more") == 2
    assert plan_deliveries() == frozenset()
    DeliveryItem.objects.update(state="delivered")
    Delivery.objects.update(state="delivered")
    replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "once more")
    assert plan_deliveries() == frozenset()
    assert Delivery.objects.count() == 2
    events = AuditEvent.objects.filter(action="subscription_replay").order_by("pk")
    assert events[0].detail["stated_reason"] == "new system"
    assert events[0].detail["studies"] == 2


def test_the_past_brings_what_was_given_up(hospital, subscription, keeper):
    make_past(hospital, 3)
    replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "new system")
    plan_deliveries()
    Delivery.objects.update(state="dead")
    replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "repaired")
    assert plan_deliveries() == {"bulk"}


def test_what_waits_keeps_its_priority_when_the_past_is_sent(hospital, subscription, keeper):
    study = make_past(hospital, 3)
    changes.append("study_quiet", study.study_instance_uid, {"generation": 1})
    plan_deliveries()
    replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "new system")
    plan_deliveries()
    assert Delivery.objects.get().priority == "normal"


def test_a_subscription_that_ended_meanwhile_gets_no_past(hospital, subscription, keeper):
    make_past(hospital, 3)
    replay(keeper, subscription, TODAY - timedelta(days=10), TODAY, "new system")
    Subscription.objects.update(active=False)
    assert plan_deliveries() == frozenset()


def test_only_who_may_send_again_for_the_department_sends_the_past(hospital, subscription, keeper):
    day = date(2026, 1, 1)
    with pytest.raises(MissingRight):
        replay(make_actor(subscription.department), subscription, day, day, "new system")
    stranger = make_actor(hospital)
    stranger = type(stranger)(stranger.kind, stranger.subject, stranger.scope, frozenset({"replay"}))
    with pytest.raises(UnknownEntry):
        replay(stranger, subscription, day, day, "new system")
    with pytest.raises(InvalidEntry, match="before it begins"):
        replay(keeper, subscription, day, day - timedelta(days=1), "new system")
    with pytest.raises(InvalidEntry, match="in the future"):
        replay(keeper, subscription, TODAY + timedelta(days=3), TODAY + timedelta(days=9), "new system")
    with pytest.raises(InvalidEntry, match="the reason"):
        replay(keeper, subscription, day, day, " ")
    subscription.active = False
    with pytest.raises(EndedEntry):
        replay(keeper, subscription, day, day, "new system")
    assert not Change.objects.filter(kind="replay").exists()
