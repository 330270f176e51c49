"""A private Redis without persistence, on a free loopback port."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import (
    RunningProcess,
    find_free_port,
    is_listening,
    kill_group,
    start_process,
    stop_process,
    wait_until,
)


@dataclass(slots=True)
class RedisServer:
    """A Redis on a port of its own; it may be killed and started again, and has then forgotten everything."""

    folder: Path
    port: int = field(default_factory=find_free_port)
    process: RunningProcess | None = None

    @property
    def url(self) -> str:
        """URL of its database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """URL of one of its sixteen databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and return when it answers."""
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise FileNotFoundError("redis-server is not installed: run scripts/install_system_packages.sh")
        command = [
            program,
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = start_process(command, self.folder / "redis.log", folder=self.folder)
        wait_until(self.process, lambda: is_listening(self.port), "Redis")

    def kill(self) -> None:
        """End it at one stroke (SIGKILL)."""
        if self.process is not None:
            kill_group(self.process)
            self.process = None

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            stop_process(self.process)
            self.process = None


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis (or Valkey) for the length of the block; it writes only its log, into `folder`."""
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
