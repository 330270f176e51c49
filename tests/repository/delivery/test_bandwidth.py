"""The rate at which bytes leave for a destination, whoever sends."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from registry.models import Destination, DestinationBucket
from repository.delivery.duties import send_ready
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue import bandwidth
from repository.delivery.queue.bandwidth import BURST_S, Level, in_pieces, make_pace, take
from repository.delivery.receivers.receiver import File
from repository.delivery.send import Source
from repository.models import Attempt, Delivery
from tests.crash.conftest import sink  # noqa: F401 (a fixture)
from tests.crash.workers import start_worker, wait_for
from tests.repository.delivery.conftest import list_instances

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RATE = 125_000.0


@given(st.lists(st.tuples(st.integers(1, 2_000_000), st.floats(0, 5)), min_size=1, max_size=30))
def test_no_more_leaves_than_the_rate_allows_whoever_takes(takings) -> None:
    """Each line is one worker's taking, so many seconds after the one before it."""
    level, now, taken, last = Level(RATE * BURST_S, NOON), NOON, 0, NOON
    for wanted, pause_s in takings:
        now += timedelta(seconds=pause_s)
        level, wait_s = take(level, wanted, RATE, now)
        taken += wanted
        last = max(last, now + timedelta(seconds=wait_s))
        assert taken <= RATE * (BURST_S + (last - NOON).total_seconds()) + 1


def test_a_bucket_that_nobody_used_gives_its_burst_and_no_more():
    level, wait_s = take(Level(0.0, NOON), RATE * BURST_S, RATE, NOON + timedelta(hours=1))
    assert wait_s == 0
    assert take(level, RATE, RATE, NOON + timedelta(hours=1))[1] == pytest.approx(1.0)


def test_what_is_given_back_can_be_taken_again():
    level, _ = take(Level(0.0, NOON), 50_000, RATE, NOON)
    level, _ = take(level, -50_000, RATE, NOON)
    assert level.level_bytes == pytest.approx(0.0)


def test_a_clock_that_is_set_back_fills_nothing():
    level, _ = take(Level(0.0, NOON), 0, RATE, NOON - timedelta(hours=1))
    assert level.level_bytes == 0.0


def test_a_file_is_read_in_small_pieces():
    content = bytes(range(256)) * 1000
    file = in_pieces(File("1.2", lambda: iter([content, b"", b"end"])))
    pieces = list(file.open())
    assert b"".join(pieces) == content + b"end"
    assert max(map(len, pieces)) == bandwidth.PIECE_BYTES


def test_an_unlimited_destination_is_not_paced(region):
    assert make_pace(region.destination, lambda: None) is None
    region.destination.windows = [{"days": [0], "from": "08:00", "to": "09:00", "max_mbit": 1}]
    assert make_pace(region.destination, lambda: None) is not None


def test_two_workers_share_one_bucket(region):
    """What one took the other waits for; the naps are counted, not slept."""
    Destination.objects.update(max_mbit=1.0)
    waits = [bandwidth._take_block(region.destination.pk, 100_000.0)[0] for _ in range(3)]
    assert waits == pytest.approx([1.05, 2.35, 3.65], abs=0.3)
    assert DestinationBucket.objects.get().level_bytes < -400_000


@pytest.mark.django_db(transaction=True)
def test_a_delivery_keeps_its_lease_and_no_transaction_while_it_waits(region, make_quiet, sink, settings):  # noqa: F811
    settings.DELIVERY_LEASE_S = 1
    make_quiet(instances=3)
    plan_deliveries()
    Destination.objects.update(url=sink.url_of("ward"), max_mbit=1.0)
    held: list[bool] = []
    leases: list[datetime] = []

    def stream(item, wanted="*"):
        for _ in range(4):
            held.append(connection.in_atomic_block)
            leases.extend(Delivery.objects.values_list("lease_until", flat=True))
            yield item.sop_instance_uid.encode().ljust(20_000, b" ")

    began = time.monotonic()
    assert send_ready("w", Source(list_instances, stream))
    row = Delivery.objects.get()
    assert row.state == "delivered", row.reason
    assert not any(held)
    assert len(set(leases)) > 1, "it was renewed"
    assert time.monotonic() - began > 1.0
    assert Attempt.objects.get().bytes_sent == 240_000


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("file_bytes", [20_000, 300_000])
def test_one_megabit_a_second_is_held_by_two_workers_at_once(
    region,
    make_quiet,
    sink,  # noqa: F811
    tmp_path,
    file_bytes,
):
    Destination.objects.update(url=sink.url_of("ward"), max_mbit=1.0, max_parallel=4)
    total = 1_800_000
    for _ in range(total // file_bytes // 2):
        make_quiet(instances=2)
    plan_deliveries()
    workers = [start_worker(tmp_path, "--bytes", str(file_bytes), name=f"w{n}") for n in range(2)]
    try:
        wait_for(lambda: Delivery.objects.exclude(state="delivered").count() == 0, "the end", patience_s=60)
    finally:
        for worker in workers:
            worker.popen.kill()
            worker.popen.wait()
    attempts = Attempt.objects.order_by("started_at")
    began = attempts[0].started_at
    ended = max(row.ended_at for row in attempts)
    sent = sum(row.bytes_sent for row in attempts)
    rate = sent / (ended - began).total_seconds()
    print(f"{rate * 8 / 1e6:.3f} Mbit/s over {(ended - began).total_seconds():.1f} s")
    assert len({row.worker for row in attempts}) == 2
    assert (ended - began).total_seconds() > 10
    assert 0.8 * RATE < rate < 1.2 * RATE
