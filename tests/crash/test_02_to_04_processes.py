"""Cases 2 to 4: all workers killed, Redis emptied, killed and absent, PostgreSQL crashed and away."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis

from tests.crash.installation import LEASE_S, Installation, run_installation, start_web
from tests.support import receiver as script
from tests.support.receiver import Handler, Request

pytestmark = pytest.mark.server

STUDIES = 8
WORKERS = ("beat", "duties", "urgent", "sending")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all cases: what one leaves behind, the next must bear."""
    with run_installation(tmp_path_factory.mktemp("crash"), ["a", "b"], WORKERS) as running:
        start_web(running)
        yield running


@dataclass(slots=True)
class Gate:
    """Lets so many requests in, and holds the others until it is opened; `held` counts those."""

    passes: int
    held: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    opened: threading.Event = field(default_factory=threading.Event)

    def store(self, handler: Handler, request: Request) -> None:
        """Store every part, when its turn has come."""
        with self.lock:
            self.passes -= 1
            is_held = self.passes < 0
            self.held += is_held
        if is_held:
            self.opened.wait(timeout=30)
        script.store_all(handler, request)


@pytest.fixture
def gate(installation: Installation) -> Iterator[Gate]:
    """The door of every ward: some requests come in, then the next stands before it until the fault has happened."""
    gate = Gate(passes=3)
    for ward in installation.wards:
        ward.behave = lambda: gate.store
    yield gate
    gate.opened.set()
    for ward in installation.wards:
        ward.behave = lambda: script.store_all


def queue_up(installation: Installation) -> int:
    """Store studies for every ward; returns how many deliveries there will be then at least."""
    planned = installation.count_states().total()
    for number in range(STUDIES):
        installation.store(modality="CT" if number else "CR", instances=2)
    installation.fall_quiet()
    return planned + STUDIES * len(installation.wards)


def catch_in_the_middle(installation: Installation, gate: Gate) -> None:
    """Wait until something has arrived and a worker waits for an answer about something else."""
    installation.wait_for(lambda: gate.held > 0, "a request to stand before the gate")
    assert installation.count_states().keys() & {"leased", "sending"}


def test_case_3_redis_is_absent_from_the_start(installation: Installation) -> None:
    installation.redis.kill()
    planned = queue_up(installation)
    installation.fleet.start()
    time.sleep(2)
    installation.redis.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_2_all_workers_killed(installation: Installation, gate: Gate) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation, gate)
    installation.fleet.kill()
    gate.opened.set()
    let_leases_run_out(installation)
    installation.fleet.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_3_redis_is_emptied_and_killed(installation: Installation, gate: Gate) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation, gate)
    with redis.Redis.from_url(installation.redis.url) as broker:
        broker.flushall()
    time.sleep(0.5)
    installation.redis.kill()
    gate.opened.set()
    time.sleep(1)
    installation.redis.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_4_postgresql_crashes_and_is_away(installation: Installation, gate: Gate) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation, gate)
    installation.postgres.crash()
    gate.opened.set()
    time.sleep(3)
    installation.postgres.start()
    let_leases_run_out(installation)
    installation.store()
    installation.fall_quiet()
    installation.wait_until_all_ended(planned + len(installation.wards))
    installation.assert_all_there()


def let_leases_run_out(installation: Installation) -> None:
    """Let the time pass that a receiver had for its answer; what was in the middle of a body needs no help."""
    time.sleep(LEASE_S / 4)
    installation.write("update repository_delivery set lease_until = now() where lease_until is not null")
    installation.write("update repository_attempt set slot_until = now() where slot_until is not null")
