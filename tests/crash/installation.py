"""A production installation of its own: PostgreSQL, Redis and Celery workers that may all be killed."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import urllib3

from tests.support.celery import WORKERS, Fleet
from tests.support.dicom import StudyFacts, make_series
from tests.support.http import make_pool, store
from tests.support.postgres import PostgresServer, run_postgres_server
from tests.support.processes import find_free_port
from tests.support.redis import RedisServer
from tests.support.samsyn import SamsynServer, prepare_production, production_environment
from tests.support.sink import Sink, Ward, read_uid, run_sink

LEASE_S = 4
HOSPITAL = "SE1-D0"
SETTINGS = {
    "SAMSYN_QUIET_S": "3600",
    "SAMSYN_DELIVERY_LEASE_S": str(LEASE_S),
    "SAMSYN_ALLOW_PRIVATE_DESTINATIONS": "on",
}
ENDED = frozenset({"delivered", "dead", "withdrawn", "superseded"})

SET_UP = """
import json
from access.models import CareProvider, CareUnit, Department
from registry.models import Destination, Subscription
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
for number, url in enumerate(["", *json.loads({urls!r})]):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{{number}}", name=f"Hospital {{number}}")
    department = Department.objects.create(unit=unit, hsa_id=f"SE1-D{{number}}", name="Radiology")
    if not url:
        continue
    where = Destination.objects.create(department=department, name="PACS", url=url, max_parallel=3)
    Subscription.objects.create(department=department, destination=where, filter={{"modality": ["CT"]}})
    Subscription.objects.create(department=department, destination=where, filter={{"modality": ["CR"]}}, priority="urgent")
"""


@dataclass(slots=True)
class Installation:
    """All that runs, and what was stored: `urgent` and `normal` hold SOP Instance UIDs."""

    postgres: PostgresServer
    redis: RedisServer
    server: SamsynServer
    sink: Sink
    fleet: Fleet
    wards: list[Ward]
    token: str = ""
    urgent: set[str] = field(default_factory=set)
    normal: set[str] = field(default_factory=set)
    pool: urllib3.PoolManager = field(default_factory=lambda: make_pool(timeout_s=30))

    @property
    def database_url(self) -> str:
        """URL of its database."""
        return self.server.environment["SAMSYN_DATABASE_URL"]

    @property
    def stored(self) -> set[str]:
        """What was stored so far: every ward is to get all of it."""
        return self.urgent | self.normal

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database, by ourselves."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def write(self, statement: str) -> None:
        """Change the database, by ourselves."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def store(self, *, modality: str = "CT", instances: int = 1, **options: Any) -> None:
        """Store a new study as the hospital's system; what is not answered is sent again."""
        facts = StudyFacts(modality=modality)
        files = make_series(facts, instances, **options)
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, "a store was not taken for a minute"
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if store(self.pool, self.server.dicomweb_url, self.token, files).status == 200:
                    break
            time.sleep(0.2)
        (self.urgent if modality == "CR" else self.normal).update(map(read_uid, files))

    def fall_quiet(self) -> None:
        """Let everything that was stored be quiet."""
        self.write("update registry_study set quiet_due_at = now() where quiet_due_at is not null")

    def count_states(self) -> Counter[str]:
        """Return how many deliveries are in which state."""
        return Counter(dict(self.read("select state, count(*) from repository_delivery group by state")))

    def wait_until_all_ended(self, planned: int, *, patience_s: float = 60.0) -> None:
        """Return when so many deliveries were planned and have ended; back-offs are cut short."""

        def is_over() -> bool:
            self.hurry()
            states = self.count_states()
            return states.total() >= planned and set(states) <= ENDED

        self.wait_for(is_over, f"{planned} deliveries to end", patience_s=patience_s)

    def hurry(self) -> None:
        """Let go now what waits for its next attempt."""
        self.write(
            "update repository_delivery set not_before = now() where state = 'ready' and not_before > now()"
        )
        self.write(
            "update registry_destination set breaker = 'closed', open_until = null where breaker = 'open'"
        )

    def wait_for(self, is_reached: Callable[[], bool], what: str, *, patience_s: float = 60.0) -> None:
        """Return when a state is reached; fail when it is not in time."""
        deadline = time.monotonic() + patience_s
        while not is_reached():
            has = [len(ward.files) for ward in self.wards]
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.count_states()}, {has}"
            time.sleep(0.2)

    def assert_all_there(self) -> None:
        """Say that every ward has all that was stored, and nothing else, each in one form."""
        for ward in self.wards:
            missing, extra = self.stored - set(ward.files), set(ward.files) - self.stored
            assert (len(missing), len(extra)) == (0, 0), (
                f"{ward.name}: missing {missing}, not meant for it {extra}"
            )
            assert ward.changed == []
        assert set(self.count_states()) <= {"delivered", "superseded"}


@contextlib.contextmanager
def run_installation(
    folder: Path, wards: Sequence[str], workers: Sequence[str] = tuple(WORKERS), **settings: str
) -> Iterator[Installation]:
    """Run PostgreSQL, Redis, the web server and a sink; the workers are started by the test."""
    with (
        run_postgres_server() as postgres,
        run_sink(keeps_bodies=False) as sink,
        contextlib.ExitStack() as stack,
    ):
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        prepare_production(folder / "template", postgres.cluster, redis, "samsyn")
        home = folder / "home"
        home.mkdir()
        url = postgres.cluster.url_of("samsyn")
        server = SamsynServer(home, production_environment(home, url, redis.url) | SETTINGS | settings)
        fleet = Fleet(server, tuple(workers))
        stack.callback(lambda: server.kill() if server.process else None)
        stack.callback(fleet.kill)
        urls = json.dumps([sink.url_of(name) for name in wards])
        server.run_code(SET_UP.format(urls=urls))
        found = [sink.ward(name) for name in wards]
        yield Installation(postgres, redis, server, sink, fleet, found)


def start_web(installation: Installation) -> None:
    """Start the web server and give the hospital's system a token."""
    installation.server.port = find_free_port()
    installation.server.start()
    installation.token = installation.server.issue_token("hospital", department=HOSPITAL)
