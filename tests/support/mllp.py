"""Our MLLP listener as a process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import (
    RunningProcess,
    find_free_port,
    is_listening,
    start_process,
    stop_process,
    wait_until,
)
from tests.support.samsyn import PROJECT, SamsynServer


@dataclass(frozen=True, slots=True)
class MllpListener:
    """A running listener."""

    port: int
    process: RunningProcess


@contextmanager
def run_mllp(server: SamsynServer, folder: Path, *arguments: str) -> Iterator[MllpListener]:
    """Run `manage.py listen_mllp` in an installation."""
    port = find_free_port()
    command = [sys.executable, "manage.py", "listen_mllp", "--port", str(port), *arguments]
    process = start_process(command, folder / "mllp.log", environment=server.environment, folder=PROJECT)
    try:
        wait_until(process, lambda: is_listening(port), "the MLLP listener")
        yield MllpListener(port, process)
    finally:
        stop_process(process)
