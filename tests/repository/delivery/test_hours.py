"""Hours of subscriptions and of destinations, as the claim keeps to them."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from registry.models import Destination, Subscription
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue import schedule
from repository.delivery.queue.limits import rate_at, slots_at
from repository.delivery.queue.opening import open_windows, review_windows
from repository.delivery.queue.schedule import claim
from repository.models import Delivery


def hours(begin: timedelta, end: timedelta, **limits) -> list[dict]:
    """Return hours of every day around now, as a row holds them."""
    now = timezone.localtime()
    return [{"days": list(range(7)), "from": f"{now + begin:%H:%M}", "to": f"{now + end:%H:%M}", **limits}]


OPEN = (timedelta(hours=-1), timedelta(hours=1))
LATER = (timedelta(hours=3), timedelta(hours=5))


@pytest.fixture
def planned(region, make_quiet) -> Delivery:
    make_quiet()
    plan_deliveries()
    return Delivery.objects.get()


def test_waits_for_the_hours_of_its_subscription(region, planned):
    Subscription.objects.update(window=hours(*LATER))
    assert claim("w") is None
    row = Delivery.objects.get()
    assert (row.state, row.reason_code) == ("waiting_window", "outside_hours")
    wait = row.not_before - timezone.now()
    assert timedelta(hours=2, minutes=58) < wait < timedelta(hours=3)
    assert row.deadline_at - planned.deadline_at > timedelta(hours=2, minutes=58)
    assert open_windows() == 0
    Delivery.objects.update(not_before=timezone.now())
    Subscription.objects.update(window=hours(*OPEN))
    assert open_windows() == 1
    assert claim("w") is not None


def test_inside_its_hours_it_goes(region, planned):
    Subscription.objects.update(window=hours(*OPEN))
    assert claim("w") is not None


def test_of_several_subscriptions_one_that_wants_it_now_is_enough(region, planned):
    Subscription.objects.update(window=hours(*LATER))
    other = Subscription.objects.create(department=region.ward, destination=region.destination)
    Delivery.objects.update(subscription_ids=[region.subscription.pk, other.pk])
    assert claim("w") is not None


def test_the_first_of_several_hours_counts(region, planned):
    Subscription.objects.update(window=hours(timedelta(hours=6), timedelta(hours=7)))
    other = Subscription.objects.create(
        department=region.ward, destination=region.destination, window=hours(*LATER)
    )
    Delivery.objects.update(subscription_ids=[region.subscription.pk, other.pk])
    assert claim("w") is None
    assert Delivery.objects.get().not_before - timezone.now() < timedelta(hours=3)


def test_hours_that_are_changed_let_go_what_waited_for_the_old_ones(region, planned):
    Subscription.objects.update(window=hours(*LATER))
    claim("w")
    Subscription.objects.update(window=hours(timedelta(hours=6), timedelta(hours=7)))
    assert review_windows() == 0
    assert Delivery.objects.get().not_before - timezone.now() > timedelta(hours=5)
    Subscription.objects.update(window=[])
    assert review_windows() == 1
    assert claim("w") is not None


def test_many_that_wait_do_not_keep_one_that_may_go(region, make_quiet, monkeypatch):
    monkeypatch.setattr(schedule, "CLOSED_AT_ONCE", 2)
    for _ in range(5):
        make_quiet()
    plan_deliveries()
    last = Delivery.objects.order_by("-pk").first()
    Subscription.objects.update(window=hours(*LATER))
    other = Subscription.objects.create(department=region.ward, destination=region.destination)
    Delivery.objects.filter(pk=last.pk).update(subscription_ids=[other.pk], turn_of=None)
    leases = [claim("w") for _ in range(3)]
    assert [lease.delivery_id for lease in leases if lease] == [last.pk]


def test_nothing_goes_where_the_hours_of_the_destination_allow_no_request(region, planned):
    Destination.objects.update(windows=hours(*OPEN, max_parallel=0))
    assert claim("w") is None
    Destination.objects.update(windows=hours(*LATER, max_parallel=0))
    assert claim("w") is not None


def test_limits_of_the_hours_hold_instead_of_the_destinations():
    now = datetime.fromisoformat("2026-06-01T12:00:00+02:00")
    day = {"days": [0], "from": "08:00", "to": "16:00"}
    row = Destination(max_parallel=4, max_mbit=10.0, windows=[{**day, "max_parallel": 1, "max_mbit": 2}])
    assert (slots_at(row, now), rate_at(row, now)) == (1, 250_000)
    evening = now + timedelta(hours=6)
    assert (slots_at(row, evening), rate_at(row, evening)) == (4, 1_250_000)
    row.windows = [day]
    assert (slots_at(row, now), rate_at(row, now)) == (4, 1_250_000)
    row.max_mbit, row.consecutive_failures = None, 4
    assert (slots_at(row, now), rate_at(row, now)) == (1, None)
