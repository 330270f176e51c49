"""Case 12: a dead destination with a long queue beside healthy ones: they do not notice, and its breaker holds it."""

import statistics
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Destination, Subscription
from repository.delivery.duties import plan_deliveries, probe_destinations, send_ready
from repository.delivery.queue.breaker import OPEN_AFTER
from repository.models import Attempt, Delivery, DeliveryItem
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import hurry, padded_source
from tests.support.processes import find_free_port
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

BACKLOG = 400
HEALTHY = 40


def queue_up(study, destination: Destination, subscription: Subscription, number: int) -> None:
    """Queue so many deliveries of a study to a destination, older than anything else."""
    now = timezone.now() - timedelta(hours=1)
    rows = [
        Delivery(
            study=study,
            destination=destination,
            generation=generation,
            subscription_ids=[subscription.pk],
            reason_code="queued",
            planned_at=now,
            not_before=now,
            deadline_at=now + timedelta(hours=24),
        )
        for generation in range(101, number + 101)
    ]
    made = Delivery.objects.bulk_create(rows, batch_size=500)
    [uid, *_] = uids_of(study)
    items = [DeliveryItem(delivery=row, sop_instance_uid=uid) for row in made]
    DeliveryItem.objects.bulk_create(items, batch_size=500)


def send_healthy(make_quiet, number: int) -> tuple[list, list[float]]:
    """Send new studies one after the other; returns them and how long each took, in seconds."""
    studies, taken = [], []
    for _ in range(number):
        studies.append(make_quiet())
        plan_deliveries()
        began = time.perf_counter()
        while send_ready("w", padded_source()):
            pass
        taken.append(time.perf_counter() - began)
    return studies, taken


def compare(region, make_quiet, system: Ward, backlog: int, healthy: int) -> tuple[float, float]:
    """Return the 95th percentile of healthy deliveries without and with a dead destination's queue, in seconds."""
    dead = Destination.objects.create(
        department=region.ward, name="dead", url=f"http://127.0.0.1:{find_free_port()}/studies"
    )
    subscription = Subscription.objects.create(
        department=region.ward, destination=dead, filter={"modality": ["XX"]}
    )
    before, alone = send_healthy(make_quiet, healthy)
    queue_up(before[0], dead, subscription, backlog)
    while Destination.objects.get(pk=dead.pk).breaker == "closed":
        assert send_ready("w", padded_source())
        hurry_one(dead)
    after, beside = send_healthy(make_quiet, healthy)
    assert_exactly(system, uids_of(*before, *after))
    of_healthy = Delivery.objects.filter(destination=region.destination)
    assert set(of_healthy.values_list("state", flat=True)) == {"delivered"}
    assert Attempt.objects.filter(delivery__destination=dead).count() == OPEN_AFTER
    assert Delivery.objects.filter(destination=dead, state="ready").count() == backlog
    return statistics.quantiles(alone, n=20)[-1], statistics.quantiles(beside, n=20)[-1]


def hurry_one(dead: Destination) -> None:
    past = timezone.now() - timedelta(hours=1)
    Delivery.objects.filter(destination=dead, state="ready").update(not_before=past)


def test_a_dead_destination_is_not_noticed_by_a_healthy_one(region, make_quiet, system: Ward) -> None:
    alone_s, beside_s = compare(region, make_quiet, system, BACKLOG, HEALTHY)
    assert beside_s < 3 * alone_s + 0.05, f"{alone_s * 1e3:.1f} ms alone, {beside_s * 1e3:.1f} ms beside"


@pytest.mark.long
def test_ten_thousand_to_a_dead_destination_are_not_noticed(region, make_quiet, system: Ward, capsys) -> None:
    alone_s, beside_s = compare(region, make_quiet, system, 10_000, 200)
    with capsys.disabled():
        print(
            f"\n95th percentile of a healthy delivery: {alone_s * 1e3:.1f} ms alone, {beside_s * 1e3:.1f} ms beside 10,000 dead"
        )
    assert beside_s < 3 * alone_s + 0.05
    hurry()
    assert probe_destinations() == 0
