"""Deliveries through a receiver that fails at random and a sender that is killed again and again."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.test_delivery_orthanc import SETTINGS, read_deliveries, subscribe, wait_for
from tests.support import receiver as script
from tests.support.dicom import StudyFacts, make_series
from tests.support.http import make_pool, read_sop_instance_uid, store
from tests.support.processes import RunningProcess, kill_group, start_process
from tests.support.receiver import Behaviour, Receiver, run_receiver
from tests.support.samsyn import PROJECT, SamsynServer

pytestmark = [pytest.mark.server, pytest.mark.long]

STUDIES = 24
INSTANCES = 3
KILLS = 8
HURRY = """
from datetime import timedelta
from django.utils import timezone
from registry.models import Destination
from repository.models import Delivery
Delivery.objects.filter(state="ready").update(not_before=timezone.now() - timedelta(hours=1))
Destination.objects.update(breaker="closed", open_until=None)
"""
FALL_QUIET = """
from django.utils import timezone
from registry.models import Study
Study.objects.update(quiet_due_at=timezone.now())
"""
READ_PLANNED = """
import json
from repository.models import Delivery
print(json.dumps(Delivery.objects.count()))
"""


def make_script(seed: int, length: int) -> list[Behaviour]:
    """Draw how the receiver behaves: mostly well."""
    generator = random.Random(seed)
    choices: list[Behaviour] = [
        script.store_all,
        script.store_then_hang_up,
        script.answer(500),
        script.answer_half,
        script.hang_up,
        script.say_nothing(1.0),
    ]
    return generator.choices(choices, weights=[70, 10, 5, 5, 5, 5], k=length)


def start_duties(server: SamsynServer) -> RunningProcess:
    """Start the duties process alone."""
    command = [sys.executable, "manage.py", "run_duties"]
    return start_process(
        command, server.home / "duties.log", environment=server.environment, folder=Path(PROJECT)
    )


def test_kills_at_random_lose_nothing_and_double_nothing(start_embedded: Callable[..., SamsynServer]) -> None:
    generator = random.Random(1)
    server = start_embedded(**SETTINGS | {"SAMSYN_QUIET_S": "3600"})
    with run_receiver() as receiver:
        receiver.read_uid = read_sop_instance_uid
        receiver.script = make_script(2, 60)
        subscribe(server, receiver.port)
        expected = _store_all(server)
        server.kill()
        server.run_code(FALL_QUIET)
        for _ in range(KILLS):
            duties = start_duties(server)
            _wait_for_a_request(receiver)
            time.sleep(generator.uniform(0.0, 0.5))
            kill_group(duties)
            server.run_code(HURRY)
        duties = start_duties(server)
        try:
            _wait_for_all(server, receiver)
        finally:
            kill_group(duties)
    found = read_deliveries(server)
    assert Counter(found.states) == {"delivered": STUDIES}
    assert set(receiver.stored) == expected
    assert found.lost > 0, "at least one kill hit a delivery"


def _store_all(server: SamsynServer) -> set[str]:
    token = server.issue_token("hospital", department="SE1-D1")
    expected: set[str] = set()
    for _ in range(STUDIES):
        files = make_series(StudyFacts(), INSTANCES)
        assert store(make_pool(), server.dicomweb_url, token, files).status == 200
        expected.update(map(read_sop_instance_uid, files))
    return expected


def _wait_for_a_request(receiver: Receiver) -> None:
    before, deadline = len(receiver.requests), time.monotonic() + 10
    while len(receiver.requests) == before and time.monotonic() < deadline:
        time.sleep(0.01)


def _wait_for_all(server: SamsynServer, receiver: Receiver) -> None:
    def all_delivered() -> bool:
        states = read_deliveries(server).states
        if "ready" in states:
            server.run_code(HURRY)
        return json.loads(server.run_code(READ_PLANNED)) == STUDIES and set(states) == {"delivered"}

    wait_for(all_delivered, f"{STUDIES} deliveries, {len(receiver.stored)} instances arrived")
