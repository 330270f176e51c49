"""Case 16: thousands of dead deliveries are sent again at once: every limit holds, and what is new goes first."""

import threading
import time
from dataclasses import replace

import pytest
from django.db import connection

from access.reach import REPLAY
from registry.models import Destination
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.operating.operate import replay
from repository.models import Attempt, Delivery
from tests.crash.oracles import uids_of
from tests.crash.test_12_dead_destination import queue_up
from tests.crash.workers import padded_source
from tests.registry.care import make_doctor
from tests.repository.delivery.conftest import run_side_by_side
from tests.support.receiver import Handler, Request, store_all
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

DEAD = 150
PARALLEL = 3
WORKERS = 6


def send_everything() -> None:
    try:
        while send_ready(threading.current_thread().name, padded_source()):
            pass
    finally:
        connection.close()


def replay_and_send(region, make_quiet, system: Ward, dead: int) -> None:
    """Let so many die, send them again with six workers while a new study comes, and hold what must hold."""
    old = make_quiet()
    plan_deliveries()
    send_everything()
    queue_up(old, region.destination, region.subscription, dead)
    Delivery.objects.filter(state="ready").update(state="dead", reason_code="deadline_passed")
    Destination.objects.update(max_parallel=PARALLEL)
    before = len(system.stored)

    def take_a_moment(handler: Handler, request: Request) -> None:
        time.sleep(0.01)
        store_all(handler, request)

    system.behave = lambda: take_a_moment
    actor = replace(make_doctor(region.ward), permissions=frozenset({"read", REPLAY}))
    assert replay(actor, Delivery.objects.all(), "the system was moved") >= dead
    new = make_quiet()
    plan_deliveries()
    run_side_by_side(send_everything, WORKERS)
    while Delivery.objects.filter(state="ready").exists():  # every worker found the slots taken at one moment
        send_everything()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert system.most_busy <= PARALLEL
    [fresh] = uids_of(new)
    assert system.stored.index(fresh) - before < 2 * PARALLEL, "what is new does not stand behind what is old"
    assert Attempt.objects.filter(error_class__startswith="lease_lost").count() == 0


def test_what_is_sent_again_honours_the_limits(region, make_quiet, system: Ward) -> None:
    replay_and_send(region, make_quiet, system, DEAD)


@pytest.mark.long
def test_ten_thousand_sent_again_honour_the_limits(region, make_quiet, system: Ward) -> None:
    replay_and_send(region, make_quiet, system, 10_000)
