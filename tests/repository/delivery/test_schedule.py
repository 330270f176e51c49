"""Claims, leases, slots and the breaker."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from access.audit import UnrecordedAccess
from registry.models import Destination
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue import breaker, lease
from repository.delivery.queue.deadlines import expire_overdue
from repository.delivery.queue.lease import LostLease
from repository.delivery.queue.schedule import (
    MAX_LOST_LEASES,
    Lease,
    claim,
    return_leases_of,
    sweep_leases,
)
from repository.delivery.receivers.failure import Failure
from repository.models import Attempt, Delivery, DeliveryItem
from tests.repository.delivery.conftest import run_side_by_side

PAST = timedelta(hours=-1)


@pytest.fixture
def deliveries(region, make_quiet):
    """Six planned deliveries to one destination with two slots."""
    for _ in range(6):
        make_quiet()
    plan_deliveries()
    return Delivery.objects.order_by("pk")


def let_lease_expire() -> None:
    then = timezone.now() + PAST
    Delivery.objects.exclude(lease_until=None).update(lease_until=then)


def let_slots_expire() -> None:
    Attempt.objects.exclude(slot_until=None).update(slot_until=timezone.now() + PAST)


def wait_over() -> None:
    Delivery.objects.update(not_before=timezone.now() + PAST)


def test_keeps_the_last_slot_of_a_destination_for_urgent_ones(deliveries):
    first = claim("w")
    assert first is not None
    assert claim("w") is None
    Delivery.objects.filter(pk=deliveries.last().pk).update(priority="urgent", priority_rank=0)
    urgent = claim("w")
    assert urgent is not None
    assert urgent.delivery_id == deliveries.last().pk
    assert claim("w") is None


def test_claims_the_most_urgent_first(deliveries):
    Delivery.objects.filter(pk=deliveries[4].pk).update(priority="urgent", priority_rank=0)
    lease_ = claim("w")
    assert lease_ is not None
    assert lease_.delivery_id == deliveries[4].pk


def test_claims_only_what_its_queue_holds(deliveries):
    assert claim("w", ("urgent", "bulk")) is None
    assert claim("w", ("normal",)) is not None


@pytest.mark.parametrize(
    "columns",
    [
        {"active": False},
        {"breaker": "open"},
        {"open_until": timezone.now() + timedelta(days=9999)},
    ],
)
def test_claims_nothing_for_a_destination_that_is_off(deliveries, columns):
    Destination.objects.update(**columns)
    assert claim("w") is None


def test_an_expired_lease_is_swept_and_its_slot_stays_taken(deliveries):
    held = claim("w")
    assert held is not None
    assert sweep_leases() == 0
    let_lease_expire()
    assert sweep_leases() == 1
    assert sweep_leases() == 0
    delivery = Delivery.objects.get(pk=held.delivery_id)
    assert (delivery.state, delivery.lease_token, delivery.reason_code) == ("ready", "", "lease_lost")
    assert Attempt.objects.get().error_class == "lease_lost"
    assert claim("w") is None, "the dead worker's request may still run at the receiver"
    let_slots_expire()
    assert claim("w") is not None


def test_a_dead_process_gives_back_at_once(deliveries):
    held = claim("embedded-1-1")
    assert held is not None
    assert return_leases_of("embedded-") == 1
    again = claim("embedded-2-1")
    assert again is not None
    assert again.token != held.token


@pytest.mark.parametrize(
    "write",
    [
        lambda held: lease.begin(held),
        lambda held: lease.renew(held),
        lambda held: lease.record_items(held, ["1.2"], {}, 10),
        lambda held: lease.record_items(held, ["1.2"], {}, 10, is_end=True),
        lambda held: lease.forget_items(held, ["1.2"]),
        lambda held: lease.complete(held),
        lambda held: lease.stop(held, "awaiting_basis", "no_basis"),
        lambda held: lease.fail(held, Failure("retry", "no_connection", "gone")),
    ],
    ids=["begin", "renew", "record_items", "record_last_items", "forget_items", "complete", "stop", "fail"],
)
def test_a_lost_lease_writes_nothing(deliveries, write):
    held = claim("w")
    assert held is not None
    Delivery.objects.filter(pk=held.delivery_id).update(lease_token="another's")
    DeliveryItem.objects.filter(delivery_id=held.delivery_id).update(sop_instance_uid="1.2")

    def everything() -> list:
        rows = [list(model.objects.order_by("pk").values()) for model in (Delivery, DeliveryItem, Attempt)]
        return [*rows, list(Destination.objects.values())]

    before = everything()
    with pytest.raises(LostLease):
        write(held)
    assert everything() == before


def test_a_study_that_kills_its_worker_every_time_is_given_up(deliveries):
    Delivery.objects.exclude(pk=deliveries.first().pk).delete()
    for _ in range(MAX_LOST_LEASES):
        assert claim("w") is not None
        let_lease_expire()
        let_slots_expire()
        assert sweep_leases() == 1
    assert claim("w") is None
    assert (Delivery.objects.get().state, Delivery.objects.get().reason_code) == ("dead", "worker_died")


def test_nothing_is_sent_after_its_deadline(deliveries):
    Delivery.objects.update(deadline_at=timezone.now() + PAST)
    assert claim("w") is None
    assert expire_overdue() == 6
    assert set(Delivery.objects.values_list("state", "reason_code")) == {("dead", "deadline_passed")}


def test_five_failures_in_a_row_open_the_breaker_and_a_probe_closes_it_on_trial(deliveries):
    for number in range(breaker.OPEN_AFTER):
        wait_over()
        held = claim("w")
        assert held is not None, number
        lease.fail(held, Failure("retry", "no_connection", "refused"))
    wait_over()
    destination = Destination.objects.get()
    assert (destination.breaker, destination.last_error) == ("open", "refused")
    assert claim("w") is None
    assert breaker.due_probes() == []
    Destination.objects.update(open_until=timezone.now() + PAST)
    assert breaker.due_probes() == [destination.pk]
    assert breaker.claim_probe(destination.pk)
    assert not breaker.claim_probe(destination.pk)
    breaker.note_probe(destination.pk, "")
    held = claim("w")
    assert held is not None
    assert claim("w", ("urgent", "normal")) is None, "one at a time while on trial"
    lease.fail(held, Failure("retry", "no_connection", "refused"))
    assert Destination.objects.get().breaker == "open"


def test_waits_longer_from_probe_to_probe(region):
    waits = []
    for _ in range(6):
        Destination.objects.update(breaker="closed")
        before = timezone.now()
        breaker.note_fault(region.destination.pk, "401")
        until = Destination.objects.get().open_until
        assert until is not None
        waits.append(round((until - before).total_seconds(), -1))
    assert waits == [30, 60, 120, 240, 300, 300]


def test_a_success_forgets_the_failures(deliveries):
    for _ in range(3):
        wait_over()
        held = claim("w")
        assert held is not None
        lease.fail(held, Failure("retry", "no_connection", "refused"))
    wait_over()
    held = claim("w")
    assert held is not None
    lease.begin(held)
    uid = DeliveryItem.objects.get(delivery_id=held.delivery_id).sop_instance_uid
    lease.record_items(held, [uid], {}, 64)
    lease.complete(held)
    assert Destination.objects.get().consecutive_failures == 0


def test_the_last_answer_and_the_end_are_one_write(deliveries, monkeypatch):
    held, uid = begin_one()
    with monkeypatch.context() as broken:
        broken.setattr("registry.changes.append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lease.record_items(held, [uid], {}, 64, is_end=True)
    assert DeliveryItem.objects.get(delivery_id=held.delivery_id).state == DeliveryItem.WAITING
    lease.record_items(held, [uid], {}, 64, is_end=True)
    delivery = Delivery.objects.get(pk=held.delivery_id)
    assert (delivery.state, delivery.lease_token) == (Delivery.DELIVERED, "")
    assert DeliveryItem.objects.get(delivery=delivery).state == DeliveryItem.DELIVERED


def test_what_arrived_is_not_sent_again_while_the_access_log_cannot_be_written(deliveries, monkeypatch):
    held, uid = begin_one()

    def refuse(*_arguments: object, **_named: object) -> None:
        raise UnrecordedAccess("full")

    monkeypatch.setattr("access.audit.record", refuse)
    with pytest.raises(UnrecordedAccess):
        lease.record_items(held, [uid], {}, 64, is_end=True)
    assert DeliveryItem.objects.get(delivery=held.delivery_id).state == DeliveryItem.DELIVERED
    assert Delivery.objects.get(pk=held.delivery_id).state == Delivery.SENDING


def begin_one() -> tuple[Lease, str]:
    """Claim a delivery and begin it; return its lease and the UID of its one instance."""
    held = claim("w")
    assert held is not None
    lease.begin(held)
    return held, DeliveryItem.objects.get(delivery_id=held.delivery_id).sop_instance_uid


@pytest.mark.django_db(transaction=True)
def test_claimers_side_by_side_never_claim_the_same(deliveries):
    Destination.objects.update(max_parallel=100)
    claimed: list[int] = []

    def work() -> None:
        try:
            for _ in range(20):
                held = claim("w")
                if held is not None:
                    claimed.append(held.delivery_id)
        finally:
            connection.close()

    run_side_by_side(work, 6)
    assert sorted(claimed) == [d.pk for d in deliveries]
    assert Attempt.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_claimers_side_by_side_keep_to_the_limit(deliveries):
    Destination.objects.update(max_parallel=3)
    claimed: list[int] = []

    def work() -> None:
        try:
            for _ in range(10):
                held = claim("w")
                if held is not None:
                    claimed.append(held.delivery_id)
        finally:
            connection.close()

    run_side_by_side(work, 6)
    assert len(claimed) == 2
