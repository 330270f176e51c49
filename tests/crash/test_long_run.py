"""Two thousand deliveries while workers, Redis and PostgreSQL are killed at random and receivers misbehave."""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.crash.installation import Installation, run_installation, start_web
from tests.support import receiver as script
from tests.support.receiver import Handler, Request
from tests.support.sink import draw

pytestmark = [pytest.mark.server, pytest.mark.long]

WARDS = ("a", "b", "c", "d", "e")
STUDIES = 404
URGENT_EVERY = 50
KILLS = 40
PATIENCE_S = 900.0
PROGRESS, PROGRESS_PATIENCE_S = 30, 20.0
FORBIDDEN_EVERY = 40
"""Every fortieth study is not one that anybody subscribes to: it must not leave."""


def stall(handler: Handler, request: Request) -> None:
    """Take it, three seconds late."""
    time.sleep(3)
    script.store_all(handler, request)


MISBEHAVIOUR = {
    script.store_all: 88,
    script.answer(500): 5,
    script.answer_half: 3,
    script.store_then_hang_up: 1,
    script.answer(200, b"<html>Welcome</html>", content_type="text/html"): 2,
    stall: 1,
}


@dataclass(slots=True)
class Accidents:
    """What is done to the installation, and when."""

    installation: Installation
    generator: random.Random = field(default_factory=lambda: random.Random(5))
    done: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Forty kills, one FLUSHALL, one restart of Redis, two of PostgreSQL, one of them a minute away."""
        others: dict[int, Callable[[], None]] = {
            8: self.flush,
            16: self.restart_redis,
            24: self.crash_postgres,
            32: self.take_postgres_away,
        }
        for number in range(KILLS):
            self.wait_for_progress()
            time.sleep(self.generator.uniform(0.0, 1.0))
            if number in others:
                others[number]()
                self.wait_for_progress()
            self.kill()

    def wait_for_progress(self) -> None:
        """Return when some more has arrived: who is killed is in the middle of its work."""
        wards = self.installation.wards
        before, deadline = sum(len(ward.files) for ward in wards), time.monotonic() + PROGRESS_PATIENCE_S
        while sum(len(ward.files) for ward in wards) < before + PROGRESS and time.monotonic() < deadline:
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill one child, or a whole worker, which is started again."""
        fleet = self.installation.fleet
        name = self.generator.choice(["duties", "slow", "urgent", *["sending"] * 7])
        if self.generator.random() < 0.8 and fleet.kill_a_child(self.generator, name):
            self.done.append(f"child of {name}")
            return
        fleet.kill(name)
        fleet.start(name)
        self.done.append(f"worker {name}")

    def flush(self) -> None:
        """Empty Redis."""
        with redis.Redis.from_url(self.installation.redis.url) as broker:
            broker.flushall()
        self.done.append("FLUSHALL")

    def restart_redis(self) -> None:
        """Kill Redis and start it again."""
        self.installation.redis.kill()
        time.sleep(2)
        self.installation.redis.start()
        self.done.append("Redis")

    def crash_postgres(self, away_s: float = 1.0) -> None:
        """Stop PostgreSQL as `-m immediate` does and start it again."""
        self.installation.postgres.crash()
        time.sleep(away_s)
        self.installation.postgres.start()
        self.done.append("PostgreSQL")

    def take_postgres_away(self) -> None:
        """The same, with a minute between."""
        self.crash_postgres(60.0)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with run_installation(tmp_path, WARDS) as running:
        start_web(running)
        for number, ward in enumerate(running.wards):
            ward.behave = draw(number, MISBEHAVIOUR)
        yield running


def store_everything(installation: Installation) -> set[str]:
    """Store the studies; returns the instances that nobody subscribes to."""
    forbidden: set[str] = set()
    for number in range(STUDIES):
        if number % FORBIDDEN_EVERY == 1:
            before = set(installation.normal)
            installation.store(modality="MR")
            forbidden |= installation.normal - before
            installation.normal = before
        installation.store(modality="CR" if number % URGENT_EVERY == 0 else "CT", instances=1 + number % 2)
    return forbidden


def plan_everything(installation: Installation) -> int:
    """Let all be planned before anybody sends; returns how many deliveries there are."""
    planned = STUDIES * len(WARDS)
    installation.fleet.start("beat", "duties")
    installation.fall_quiet()
    installation.wait_for(
        lambda: installation.count_states().total() >= planned, "everything planned", patience_s=240
    )
    assert installation.count_states() == {"ready": planned}
    return planned


def revive_dead(installation: Installation) -> int:
    """Let go again what two answers of HTML in a row have ended, as an operator would; returns how many."""
    dead = installation.read("select count(*) from repository_delivery where state = 'dead'")[0][0]
    installation.write(
        "update repository_delivery set state = 'ready', attempts = 0, ended_at = null,"
        " reason_code = 'queued', deadline_at = now() + interval '1 day' where state = 'dead'"
    )
    return int(dead)


def finish(installation: Installation, planned: int) -> int:
    """Let what waits for a lease or an answer that will not come go; returns how many dead ones were revived."""
    revived = 0
    deadline = time.monotonic() + PATIENCE_S
    while installation.count_states() != {"delivered": planned}:
        assert time.monotonic() < deadline, installation.count_states()
        revived += revive_dead(installation)
        installation.hurry()
        installation.fleet.start()  # as a supervisor does with what has ended
        time.sleep(1)
    return revived


def rank_urgent(installation: Installation) -> tuple[float, float]:
    """Return the mean rank of urgent deliveries among all, and the best that were possible."""
    rows = installation.read("select priority from repository_delivery order by delivered_at, id")
    ranks = [number for number, (priority,) in enumerate(rows, 1) if priority == "urgent"]
    return statistics.mean(ranks), (len(ranks) + 1) / 2


def test_two_thousand_deliveries_through_forty_kills(installation: Installation, capsys: Any) -> None:
    forbidden = store_everything(installation)
    planned = plan_everything(installation)
    assert planned >= 2000
    accidents = Accidents(installation)
    installation.fleet.start()
    began = time.monotonic()
    accidents.run()
    under_fire = installation.count_states()["delivered"]
    fire_s = time.monotonic() - began
    revived = finish(installation, planned)
    installation.assert_all_there()
    assert not any(set(ward.files) & forbidden for ward in installation.wards), "outside policy"
    mean_rank, best_rank = rank_urgent(installation)
    assert mean_rank < best_rank + planned / 10
    figures = {
        "deliveries": planned,
        "instances": sum(len(ward.files) for ward in installation.wards),
        "stores on the wire": sum(len(ward.stored) for ward in installation.wards),
        "most for one instance": max(max(map(ward.stored.count, ward.files)) for ward in installation.wards),
        "accidents": {what: accidents.done.count(what) for what in sorted(set(accidents.done))},
        "delivered under fire": under_fire,
        "seconds under fire": round(fire_s),
        "seconds in all": round(time.monotonic() - began),
        "revived dead": revived,
        "workers that ended by themselves": installation.fleet.ended,
        "attempts": installation.read("select count(*) from repository_attempt")[0][0],
        "leases lost": installation.read(
            "select count(*) from repository_attempt where error_class = 'lease_lost'"
        )[0][0],
        "mean rank of urgent": [round(mean_rank, 1), best_rank],
        "most parallel a ward": max(ward.most_busy for ward in installation.wards),
    }
    with capsys.disabled():
        print("\n" + json.dumps(figures, indent=1))
