"""Cases 2 to 4: all workers killed, Redis emptied, killed and absent, PostgreSQL crashed and away."""

import time
from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def healthy(installation: Installation) -> None:
    """Every ward is slow enough to be caught in the middle."""
    for ward in installation.wards:
        ward.behave = lambda: store_slowly


def store_slowly(handler: Handler, request: Request) -> None:
    time.sleep(0.3)
    script.store_all(handler, request)


def queue_up(installation: Installation) -> int:
    """Store studies for every ward; returns how many deliveries there are then."""
    for number in range(STUDIES):
        installation.store(modality="CT" if number else "CR", instances=2)
    installation.fall_quiet()
    planned = installation.count_states().total()
    return planned + STUDIES * len(installation.wards)


def catch_in_the_middle(installation: Installation) -> None:
    """Wait until something of this case has arrived, and a worker is at something else."""
    before = sum(len(ward.files) for ward in installation.wards)

    def is_in_the_middle() -> bool:
        has_come = sum(len(ward.files) for ward in installation.wards) > before + 2
        return has_come and bool(installation.count_states().keys() & {"leased", "sending"})

    installation.wait_for(is_in_the_middle, "some to arrive, and some to be on their way")


def test_case_3_redis_is_absent_from_the_start(installation: Installation) -> None:
    installation.redis.kill()
    planned = queue_up(installation)
    installation.fleet.start()
    time.sleep(2)
    installation.redis.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_2_all_workers_killed(installation: Installation) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation)
    installation.fleet.kill()
    assert installation.count_states().keys() & {"leased", "sending"}
    let_leases_run_out(installation)
    installation.fleet.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_3_redis_is_emptied_and_killed(installation: Installation) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation)
    with redis.Redis.from_url(installation.redis.url) as broker:
        broker.flushall()
    time.sleep(0.5)
    installation.redis.kill()
    time.sleep(1)
    installation.redis.start()
    installation.wait_until_all_ended(planned)
    installation.assert_all_there()


def test_case_4_postgresql_crashes_and_is_away(installation: Installation) -> None:
    planned = queue_up(installation)
    catch_in_the_middle(installation)
    installation.postgres.crash()
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
