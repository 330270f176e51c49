"""A CT stored at one hospital arrives at a subscribed department's system, whatever is killed on the way."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.support.dicom import StudyFacts, make_series
from tests.support.http import list_stored, make_pool, read_sop_instance_uid, store
from tests.support.orthanc import OrthancServer
from tests.support.processes import RunningProcess, kill_group, start_process
from tests.support.redis import RedisServer
from tests.support.samsyn import PROJECT, SamsynServer
from tests.support.slow_proxy import SlowProxy, run_slow_proxy

pytestmark = pytest.mark.server

PATIENCE_S = 120.0
SETTINGS = {
    "SAMSYN_QUIET_S": "1",
    "SAMSYN_DELIVERY_LEASE_S": "4",
    "SAMSYN_ALLOW_PRIVATE_DESTINATIONS": "on",
}

SUBSCRIBE = """
from access.models import CareProvider, CareUnit, Department
from registry.models import Destination, Subscription
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
made = []
for number in (1, 2):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{{number}}", name=f"Hospital {{number}}")
    made.append(Department.objects.create(unit=unit, hsa_id=f"SE1-D{{number}}", name="Radiology"))
destination = Destination.objects.create(department=made[1], name="Orthanc", url={url!r})
Subscription.objects.create(department=made[1], destination=destination, filter={{"modality": ["CT"]}})
"""

READ_DELIVERIES = """
import json
from repository.models import Attempt, Delivery
print(json.dumps({
    "states": list(Delivery.objects.values_list("state", flat=True)),
    "attempts": Attempt.objects.count(),
    "workers": sorted(set(Attempt.objects.values_list("worker", flat=True))),
    "lost": Attempt.objects.filter(error_class="lease_lost").count(),
}))
"""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What the sender's rows say."""

    states: list[str]
    attempts: int
    workers: list[str]
    lost: int


def read_deliveries(server: SamsynServer) -> Deliveries:
    """Read the rows of all deliveries and attempts."""
    return Deliveries(**json.loads(server.run_code(READ_DELIVERIES)))


def wait_for(is_reached: Callable[[], bool], what: str) -> None:
    """Return when a state is reached; fail when it is not in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_reached():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.1)


def store_ct(server: SamsynServer, number_of_instances: int, size: int) -> tuple[str, ...]:
    """Store a CT as the first hospital's system and return its SOP Instance UIDs, sorted."""
    token = server.issue_token("hospital", department="SE1-D1")
    files = make_series(StudyFacts(), number_of_instances, rows=size, columns=size)
    answer = store(make_pool(), server.dicomweb_url, token, files)
    uids = tuple(sorted(read_sop_instance_uid(file) for file in files))
    assert answer.status == 200
    assert tuple(sorted(list_stored(answer))) == uids
    return uids


def wait_until_arrived(server: SamsynServer, orthanc: OrthancServer, uids: tuple[str, ...]) -> Deliveries:
    """Wait until the receiver holds these instances and the sender says so too."""
    wait_for(lambda: orthanc.list_instances() == uids, "all instances at the receiver")
    wait_for(lambda: read_deliveries(server).states == ["delivered"], "one delivery, delivered")
    assert orthanc.list_instances() == uids
    return read_deliveries(server)


@pytest.fixture
def slow_orthanc(orthanc: OrthancServer) -> Iterator[SlowProxy]:
    """The receiver behind a line of 2 MB/s."""
    with run_slow_proxy(orthanc.http_port, bytes_per_s=2e6) as proxy:
        yield proxy


class Celery:
    """The workers and the beat of one production installation."""

    def __init__(self, server: SamsynServer) -> None:
        self.server = server
        self.processes: list[RunningProcess] = []

    def start(self) -> None:
        """Start beat, a worker for the duties and one for sending."""
        self._start("beat", "--schedule", str(self.server.home / "beat"))
        self._start("worker", "-Q", "duties,slow", "-c", "2", "-n", "duties@%h")
        self._start("worker", "-Q", "urgent,normal,prior,bulk", "-c", "2", "-n", "sending@%h")

    def kill(self) -> None:
        """Kill all of them at one stroke."""
        for process in self.processes:
            kill_group(process)
        self.processes.clear()

    def _start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "celery", "-A", "deploy.celery", *arguments]
        log = self.server.home / "celery.log"
        environment = self.server.environment
        self.processes.append(start_process(command, log, environment=environment, folder=Path(PROJECT)))


@pytest.fixture
def celery(start_production: Callable[..., SamsynServer]) -> Iterator[Celery]:
    """A production installation whose duties are Celery's."""
    running = Celery(start_production(**SETTINGS))
    yield running
    running.kill()


def subscribe(server: SamsynServer, port: int) -> None:
    """Let the second hospital subscribe to CT, delivered to a DICOMweb server on this port."""
    server.run_code(SUBSCRIBE.format(url=f"http://127.0.0.1:{port}/dicom-web/studies"))


def test_embedded_duties_deliver_a_ct(
    start_embedded: Callable[..., SamsynServer], orthanc: OrthancServer
) -> None:
    server = start_embedded(**SETTINGS)
    subscribe(server, orthanc.http_port)
    uids = store_ct(server, 5, 64)
    found = wait_until_arrived(server, orthanc, uids)
    assert found.attempts == 1
    assert found.workers[0].startswith("embedded-")


def test_a_power_cut_in_the_middle_of_a_push_delays_it_only(
    start_embedded: Callable[..., SamsynServer], orthanc: OrthancServer, slow_orthanc: SlowProxy
) -> None:
    server = start_embedded(**SETTINGS)
    subscribe(server, slow_orthanc.port)
    uids = store_ct(server, 40, 512)
    wait_for(lambda: slow_orthanc.forwarded_bytes > 4_000_000, "a part of the push")
    server.kill()
    assert orthanc.list_instances() != uids, "the push was caught in its middle"
    slow_orthanc.bytes_per_s = 1e9
    server.start()
    found = wait_until_arrived(server, orthanc, uids)
    assert (found.attempts, found.lost) == (2, 1)


def test_celery_delivers_a_ct(celery: Celery, orthanc: OrthancServer) -> None:
    celery.start()
    subscribe(celery.server, orthanc.http_port)
    uids = store_ct(celery.server, 5, 64)
    found = wait_until_arrived(celery.server, orthanc, uids)
    assert found.attempts == 1
    assert found.workers[0].startswith("celery-")


def test_killed_workers_and_an_empty_redis_delay_a_push_only(
    celery: Celery, orthanc: OrthancServer, slow_orthanc: SlowProxy, redis_server: RedisServer
) -> None:
    celery.start()
    subscribe(celery.server, slow_orthanc.port)
    uids = store_ct(celery.server, 40, 512)
    wait_for(lambda: slow_orthanc.forwarded_bytes > 4_000_000, "a part of the push")
    celery.kill()
    with redis.Redis.from_url(redis_server.url) as broker:
        broker.flushall()
    assert orthanc.list_instances() != uids, "the push was caught in its middle"
    slow_orthanc.bytes_per_s = 1e9
    celery.start()
    found = wait_until_arrived(celery.server, orthanc, uids)
    assert (found.attempts, found.lost) == (2, 1)
