"""Who goes next: a fair share for every subscription, age, and clocks that are set back."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Destination, Subscription
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue.ageing import age_deliveries, heal_after_jump
from repository.delivery.queue.schedule import claim, sweep_leases
from repository.models import Attempt, Delivery
from tests.registry.factories import make_department


def finish(lease) -> int:
    """End a claimed delivery as if it had been sent; return whose turn it took."""
    rows = Delivery.objects.filter(pk=lease.delivery_id)
    rows.update(state="delivered")
    Attempt.objects.update(slot_until=None)
    return rows.get().turn_of


def claim_all(number: int) -> list[int]:
    return [finish(lease) for _ in range(number) if (lease := claim("w")) is not None]


@pytest.fixture
def shared(region, make_quiet) -> tuple[Subscription, Subscription]:
    """Two subscriptions of one destination: twenty of the first are ready before six of the second."""
    other = Subscription.objects.create(
        department=region.ward, destination=region.destination, filter={"modality": ["MR"]}
    )
    for modality, number in (("CT", 20), ("MR", 6)):
        for _ in range(number):
            make_quiet(modalities=(modality,))
    plan_deliveries()
    return region.subscription, other


def test_a_subscription_with_much_waiting_does_not_keep_another_waiting(shared):
    many, few = shared
    assert Counter(claim_all(12)) == {many.pk: 6, few.pk: 6}


def test_shares_go_by_weight(shared):
    many, few = shared
    Subscription.objects.filter(pk=many.pk).update(weight=3)
    assert Counter(claim_all(12)) == {many.pk: 9, few.pk: 3}


def test_who_had_nothing_to_send_has_saved_no_turns_up(region, shared):
    many, few = shared
    later = Delivery.objects.filter(turn_of=few.pk)
    later.update(not_before=timezone.now() + timedelta(hours=1))
    assert Counter(claim_all(10)) == {many.pk: 10}
    later.update(not_before=timezone.now() - timedelta(hours=1))
    assert Counter(claim_all(6)) == {many.pk: 3, few.pk: 3}


def test_urgent_goes_first_whosever_turn_it_is(shared):
    many, _few = shared
    urgent = Delivery.objects.filter(turn_of=many.pk).order_by("-pk")[:3]
    Delivery.objects.filter(pk__in=[row.pk for row in urgent]).update(priority="urgent", priority_rank=0)
    assert claim_all(3) == [many.pk] * 3


def test_what_a_person_sent_takes_no_turn(shared):
    Delivery.objects.filter(pk=Delivery.objects.order_by("pk")[0].pk).update(turn_of=None)
    assert claim_all(3)[0] is None


def test_other_destinations_keep_their_own_counts(region, shared):
    stranger = make_department(region.ward.unit.provider)
    Destination.objects.create(department=stranger, name="PACS", url="http://127.0.0.1:9/studies")
    assert len(claim_all(4)) == 4


@pytest.mark.parametrize(
    ("priority", "rank", "minutes", "expected"),
    [
        ("bulk", 3, 29, 3),
        ("bulk", 3, 31, 2),
        ("bulk", 2, 31, 2),
        ("bulk", 2, 61, 1),
        ("prior", 2, 14, 2),
        ("prior", 2, 16, 1),
        ("bulk", 1, 9999, 1),
        ("normal", 1, 9999, 1),
    ],
)
def test_what_waited_long_moves_up_and_never_to_the_urgent(
    region, make_quiet, priority, rank, minutes, expected
):
    make_quiet()
    plan_deliveries()
    Delivery.objects.update(
        priority=priority, priority_rank=rank, not_before=timezone.now() - timedelta(minutes=minutes)
    )
    age_deliveries()
    row = Delivery.objects.get()
    assert (row.priority, row.priority_rank) == (priority, expected)


def test_what_a_clock_set_back_would_keep_waiting_goes_now(region, make_quiet):
    make_quiet()
    make_quiet()
    plan_deliveries()
    Destination.objects.update(max_parallel=4)
    lease = claim("dead")
    assert lease is not None
    ahead = timezone.now() + timedelta(hours=1)
    Delivery.objects.update(not_before=ahead, planned_at=ahead)
    Delivery.objects.exclude(lease_until=None).update(lease_until=ahead)
    Attempt.objects.update(started_at=ahead, slot_until=ahead)
    Destination.objects.update(breaker="open", open_until=ahead)
    assert claim("w") is None
    assert heal_after_jump() == 4
    assert sweep_leases() == 1
    Destination.objects.update(breaker="closed", open_until=None)
    assert claim("w") is not None
    assert claim("w") is not None
    assert heal_after_jump() == 0
