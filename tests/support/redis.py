"""A private Redis without persistence, on a free loopback port."""

import contextlib
import shutil
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running Redis."""

    port: int
    process: RunningProcess

    @property
    def url(self) -> str:
        """URL of its database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """URL of one of its sixteen databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis (or Valkey) for the length of the block; it writes only its log, into `folder`."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise FileNotFoundError("redis-server is not installed: run scripts/install_system_packages.sh")
    port = find_free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = start_process(command, folder / "redis.log", folder=folder)
    try:
        wait_until(process, lambda: is_listening(port), "Redis")
        yield RedisServer(port, process)
    finally:
        stop_process(process)
