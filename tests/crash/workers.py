"""Worker processes of a test's database, and what brings the rest of its deliveries to their end."""

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import DateTimeField, F
from django.utils import timezone

from registry.models import Destination
from repository.delivery.duties import plan_deliveries, send_ready, sweep_leases
from repository.delivery.send import Source
from repository.models import Attempt, Delivery
from tests.repository.delivery.conftest import list_instances
from tests.support.delivery_worker import stream_padded
from tests.support.processes import RunningProcess, start_process
from tests.support.samsyn import PROJECT

PATIENCE_S = 20.0
FILE_BYTES = 64
LEASE_S = 0.5
ENDED = ("delivered", "dead", "withdrawn", "superseded")


def padded_source(size_bytes: int = FILE_BYTES) -> Source[Any]:
    """Return where made-up files come from."""
    return Source(list_instances, partial(stream_padded, size_bytes=size_bytes))


def start_worker(folder: Path, *options: str, name: str = "w") -> RunningProcess:
    """Start a process that sends what this test's database holds; `options` are those of `delivery_worker`."""
    database = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-m", "tests.support.delivery_worker", database, "--name", name, *options]
    environment = os.environ | {"SAMSYN_DELIVERY_LEASE_S": str(settings.DELIVERY_LEASE_S)}
    return start_process(command, folder / f"{name}.log", environment=environment, folder=Path(PROJECT))


def hurry() -> None:
    """Let go now what waits for its next attempt, as if the time had passed."""
    past = timezone.now() - timedelta(hours=1)
    Delivery.objects.filter(state="ready").update(not_before=past)
    Destination.objects.filter(breaker="closed").update(open_until=None)


def let_leases_run_out() -> None:
    """Let the time pass after which what a dead worker held is given back, and its slot with it."""
    past = timezone.now() - timedelta(hours=1)
    Delivery.objects.exclude(lease_until=None).update(lease_until=past)
    Attempt.objects.exclude(slot_until=None).update(slot_until=past)


def let_time_pass(seconds: float) -> None:
    """Move every moment that the sender goes by into the past, as if so much time had gone."""
    for model in (Delivery, Attempt, Destination):
        columns = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        model.objects.update(**{name: F(name) - timedelta(seconds=seconds) for name in columns})


def send_all(source: Source[Any] | None = None, *, patience_s: float = PATIENCE_S) -> None:
    """Plan, sweep and send until every delivery has ended; fail when that takes too long."""
    source = source or padded_source()
    plan_deliveries()
    deadline = time.monotonic() + patience_s
    while Delivery.objects.exclude(state__in=ENDED).exists():
        assert time.monotonic() < deadline, list(Delivery.objects.values_list("pk", "state", "reason_code"))
        sweep_leases()
        hurry()
        if not send_ready("last", source):
            time.sleep(0.05)


def wait_for(is_reached: Callable[[], bool], what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Return when a state is reached; fail when it is not in time."""
    deadline = time.monotonic() + patience_s
    while not is_reached():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.02)
