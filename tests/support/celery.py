"""The workers and the beat of one production installation, killed one by one and started again."""

import contextlib
import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import RunningProcess, find_group, kill_group, start_process
from tests.support.samsyn import PROJECT, SamsynServer

WORKERS: Mapping[str, tuple[str, ...]] = {
    "beat": ("beat",),
    "duties": ("worker", "-Q", "duties", "-c", "1"),
    "slow": ("worker", "-Q", "slow", "-c", "1"),
    "urgent": ("worker", "-Q", "urgent", "-c", "1"),
    "sending": ("worker", "-Q", "normal,prior,bulk", "-c", "3"),
}
"""As `deploy/celery.py` says how to run it, with fewer children."""


@dataclass(slots=True)
class Fleet:
    """Who runs, by name."""

    server: SamsynServer
    names: tuple[str, ...] = tuple(WORKERS)
    running: dict[str, RunningProcess] = field(default_factory=dict)
    kills: int = 0
    ended: int = 0

    def start(self, *names: str) -> None:
        """Start these; or all that do not run, as a supervisor does, and count those that had ended by themselves."""
        for name in [name for name, process in self.running.items() if process.popen.poll() is not None]:
            kill_group(self.running.pop(name))
            self.ended += 1
        for name in names or [name for name in self.names if name not in self.running]:
            command = [sys.executable, "-m", "celery", "-A", "deploy.celery", *WORKERS[name]]
            if name == "beat":
                command += ["--schedule", str(self.server.home / "beat")]
            else:
                command += ["-n", f"{name}@%h"]
            log = self.server.home / "celery.log"
            environment = self.server.environment
            self.running[name] = start_process(command, log, environment=environment, folder=Path(PROJECT))

    def kill(self, *names: str) -> None:
        """Kill these with all their children, or everybody, at one stroke."""
        for name in names or list(self.running):
            kill_group(self.running.pop(name))
            self.kills += 1

    def kill_a_child(self, generator: random.Random, name: str) -> bool:
        """Kill one child of a worker; its parent starts another. False when it has none at this moment."""
        process = self.running[name]
        children = [pid for pid in find_group(process) if pid != process.pid]
        if not children:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(generator.choice(children), signal.SIGKILL)
        self.kills += 1
        return True


@contextlib.contextmanager
def run_fleet(server: SamsynServer, *names: str) -> Iterator[Fleet]:
    """Run workers for the length of the block."""
    fleet = Fleet(server, names or tuple(WORKERS))
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.kill()
