"""Workers without a beat: planning wakes them, and each gives expired leases back."""

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.crash.installation import Installation, run_installation, start_web
from tests.support.processes import find_group

pytestmark = pytest.mark.server
PLAN = 'from deploy.celery import run; run.apply_async(("plan_deliveries",), queue="duties")'

RUN_DUTIES = """
import time
from deploy.celery import app, run
def count():
    found = app.control.inspect(timeout=5).stats() or {}
    return sum(worker["total"].get("samsyn.duty", 0) for worker in found.values())
before = count()
for _ in range(5):
    run.apply_async(("plan_deliveries",), queue="duties")
until = time.monotonic() + 60
while count() < before + 5:
    assert time.monotonic() < until
"""


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


def test_a_child_keeps_its_connection_from_task_to_task(installation: Installation) -> None:
    installation.server.run_code(RUN_DUTIES)
    _, child = parent_and_child(installation)
    first = database_sockets(installation, child)
    assert first
    installation.server.run_code(RUN_DUTIES)
    assert database_sockets(installation, child) >= first


def test_a_child_that_is_forked_later_takes_no_connection_of_its_parent(installation: Installation) -> None:
    parent, child = parent_and_child(installation)
    installation.wait_for(lambda: bool(database_sockets(installation, parent)), "the sweeper's connection")
    os.kill(child, signal.SIGKILL)
    installation.wait_for(lambda: parent_and_child(installation)[1] not in (0, child), "another child")
    installation.server.run_code(RUN_DUTIES)
    child = parent_and_child(installation)[1]
    assert database_sockets(installation, child) - database_sockets(installation, parent)


def parent_and_child(installation: Installation) -> tuple[int, int]:
    """Return the worker of duties and the one process that it has forked, 0 while there is none."""
    process = installation.fleet.running["duties"]
    children = [pid for pid in find_group(process) if pid != process.pid]
    return process.pid, max(children, default=0)


def database_sockets(installation: Installation, pid: int) -> set[str]:
    """Return the connections to PostgreSQL that a process has open."""
    port = f":{urlsplit(installation.database_url).port:04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    to_database = {f"socket:[{line[9]}]" for line in table if line[2].endswith(port)}
    return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()} & to_database


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
