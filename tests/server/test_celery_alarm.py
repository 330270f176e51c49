"""Workers without a beat: planning wakes them, and each gives expired leases back."""

import time

import pytest

from tests.crash.installation import Installation, run_installation, start_web

pytestmark = pytest.mark.server
PLAN = 'from deploy.celery import run; run.apply_async(("plan_deliveries",), queue="duties")'


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory):
    with run_installation(tmp_path_factory.mktemp("alarm"), ["a"], ("duties", "sending")) as running:
        start_web(running)
        running.fleet.start()
        yield running


def test_planning_wakes_who_sends(installation: Installation) -> None:
    installation.store(instances=2)
    installation.fall_quiet()
    installation.server.run_code(
        "from repository.delivery.duties import note_quiet_studies; note_quiet_studies()"
    )
    installation.server.run_code(PLAN)
    installation.wait_for(lambda: installation.count_states()["delivered"] == 1, "the delivery")
    installation.assert_all_there()


def test_a_worker_sweeps_without_beat_and_without_redis(installation: Installation) -> None:
    installation.redis.kill()
    installation.write(
        "update repository_delivery set state = 'leased', lease_token = 'lost',"
        " lease_until = now() - interval '1 minute'"
    )
    installation.wait_for(lambda: installation.count_states()["ready"] == 1, "the sweep", patience_s=40)


def test_a_worker_that_is_asked_to_end_ends_soon(installation: Installation) -> None:
    process = installation.fleet.running["sending"]
    installation.redis.start()
    time.sleep(1)
    process.popen.terminate()
    assert process.popen.wait(30) is not None
