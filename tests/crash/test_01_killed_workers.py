"""Case 1: a worker killed before it sends, in the middle of a body, and between the answer and its record."""

import socket
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from registry.models import Destination
from repository.delivery.duties import plan_deliveries, sweep_leases
from repository.models import Attempt, Delivery, DeliveryItem
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost, uids_of
from tests.crash.workers import LEASE_S, let_leases_run_out, send_all, start_worker, wait_for
from tests.support.processes import RunningProcess, kill_group
from tests.support.receiver import Handler, Request, module, store_all
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

BIG_BYTES = 8_000_000


@pytest.fixture
def study(region, make_quiet, settings):
    """One study of three instances, planned."""
    settings.DELIVERY_LEASE_S = LEASE_S
    study = make_quiet(instances=3)
    plan_deliveries()
    return study


def assert_came_through(study, system: Ward) -> None:
    let_leases_run_out()
    send_all()
    assert_exactly(system, uids_of(study))
    assert_no_delivery_lost(system)
    assert Delivery.objects.get().attempts == 2
    assert Attempt.objects.filter(error_class="lease_lost").count() == 1


def test_killed_before_it_sends(study, region, system: Ward, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = region.destination.url
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/studies"
        Destination.objects.update(url=address)
        worker = start_worker(tmp_path)
        wait_for(lambda: Delivery.objects.get().state == "sending", "the worker to begin")
        kill_group(worker)
    Destination.objects.update(url=url)
    assert system.stored == []
    assert_came_through(study, system)


def test_killed_in_the_middle_of_a_body(study, system: Ward, tmp_path: Path) -> None:
    worker: list[RunningProcess] = []

    def kill(handler: Handler, request: Request) -> None:
        handler.rfile.read(100_000)
        kill_group(worker[0])
        handler.close_connection = True

    kill.before_body = True  # type: ignore[attr-defined]
    system.script = [kill]
    worker.append(start_worker(tmp_path, "--bytes", str(BIG_BYTES)))
    wait_for(lambda: bool(worker[0].popen.poll()), "the worker's death")
    assert system.files == {}
    assert_came_through(study, system)


def test_killed_between_the_answer_and_its_record(study, system: Ward, tmp_path: Path) -> None:
    """The row is locked while the receiver answers: the worker has read 200 and cannot write it down."""
    worker: list[RunningProcess] = []

    def answer_and_kill(handler: Handler, request: Request) -> None:
        uids = [handler.receiver.read_uid(part) for part in request.parts]
        try:
            with transaction.atomic():
                Delivery.objects.select_for_update().get()
                Delivery.objects.update(planned_at=Delivery.objects.get().planned_at)  # the lock, on SQLite
                handler.answer(200, module(uids))
                handler.wfile.flush()
                with pytest.raises(AssertionError, match="waited in vain"):
                    wait_for(lambda: worker[0].popen.poll() is not None, "its end", patience_s=0.3)
                kill_group(worker[0])
        finally:
            connections["default"].close()

    system.script = [answer_and_kill]
    worker.append(start_worker(tmp_path))
    wait_for(lambda: bool(worker and worker[0].popen.poll()), "the worker's death")
    assert set(DeliveryItem.objects.values_list("state", flat=True)) == {"waiting"}
    assert set(system.files) == uids_of(study)
    system.script = [store_all]
    assert_came_through(study, system)
    assert len(system.requests) == 2, "sent again: once in effect, twice on the wire"
    connection.close()


def test_killed_while_the_receiver_takes_its_time_is_missed_after_one_lease(
    study, system: Ward, tmp_path: Path
) -> None:
    """The receiver may take two minutes for its answer; a worker that died waiting is not waited for so long."""
    holding = threading.Event()

    def hold(handler: Handler, request: Request) -> None:
        holding.set()
        time.sleep(4 * LEASE_S)
        handler.close_connection = True

    system.script = [hold]
    worker = start_worker(tmp_path)
    assert holding.wait(20)
    time.sleep(2 * LEASE_S)
    assert sweep_leases() == 0, "who waits for an answer keeps its lease"
    kill_group(worker)
    time.sleep(1.2 * LEASE_S)
    assert sweep_leases() == 1
    assert_came_through(study, system)
