"""Case 16: thousands of dead deliveries are sent again at once; limits hold, and what is new does not wait behind."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from access.models import AuditEvent
from registry.models import Destination, Study
from repository.delivery import operate
from repository.delivery.duties import send_ready
from repository.delivery.plan import plan_deliveries
from repository.models import Attempt, Delivery
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import padded_source
from tests.registry.care import make_doctor
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4
SLOTS = 2


def send_side_by_side() -> None:
    def work(name: str) -> None:
        try:
            source = padded_source()
            while Delivery.objects.filter(state__in=("ready", "leased", "sending")).exists():
                if not send_ready(name, source):
                    time.sleep(0.01)
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(work, f"w{number}") for number in range(WORKERS)]:
            future.result()


def replay_and_send(region, make_quiet: Callable[..., Study], system: Ward, dead: int) -> None:
    studies = [make_quiet() for _ in range(dead)]
    plan_deliveries()
    Delivery.objects.update(state="dead", reason_code="deadline_passed")
    Destination.objects.update(max_parallel=SLOTS)
    operator = make_doctor(region.ward, "replay")
    began = time.monotonic()
    assert operate.replay(operator, Delivery.objects.filter(state="dead"), "the PACS was away") == dead
    took_s = time.monotonic() - began
    fresh = make_quiet()
    plan_deliveries()
    send_side_by_side()
    assert_exactly(system, uids_of(*studies, fresh))
    assert system.most_busy <= SLOTS
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    of_fresh = Attempt.objects.get(delivery__study=fresh).started_at
    before = Attempt.objects.filter(started_at__lt=of_fresh).count()
    assert before <= WORKERS, "what is new waits behind what is sent again"
    assert sum(e.detail["changed"] for e in AuditEvent.objects.filter(action="delivery_replay")) == dead
    print(f"{dead} sent again: written in {took_s:.1f} s, sent in {time.monotonic() - began:.0f} s")


def test_a_hundred_and_twenty_sent_again_honour_the_limits(region, make_quiet, system: Ward) -> None:
    replay_and_send(region, make_quiet, system, 120)


@pytest.mark.long
def test_ten_thousand_sent_again_honour_the_limits(region, make_quiet, system: Ward) -> None:
    replay_and_send(region, make_quiet, system, 10_000)
