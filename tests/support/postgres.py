"""A private PostgreSQL cluster in a temporary folder, on a free loopback port."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.support.processes import (
    RunningProcess,
    find_free_port,
    start_process,
    stop_process,
    wait_until,
)

# A test cluster is thrown away: it may forget everything when the machine loses power, not when a program is killed.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}


class PostgresMissing(RuntimeError):
    """No PostgreSQL server is installed on this machine."""


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """Address of a running cluster whose superuser `postgres` needs no password."""

    port: int

    @property
    def url(self) -> str:
        """URL of its maintenance database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database, as a copy of `template`, and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def find_postgres_tool(name: str) -> str:
    """Return the path of a server program such as initdb, of the newest version installed."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    path = max(found, key=lambda path: int(path.split("/")[4]), default=None) or shutil.which(name)
    if path is None:
        raise PostgresMissing(f"{name} is not installed: run scripts/install_system_packages.sh")
    return path


def read_cluster(url: str) -> PostgresCluster:
    """Return the cluster that a URL made by `PostgresCluster.url` points to."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url!r} names no port")
    return PostgresCluster(port)


@dataclass(slots=True)
class PostgresServer:
    """A server process on a data folder of its own; it may crash and be started again."""

    folder: Path
    user: str | None
    cluster: PostgresCluster = field(default_factory=lambda: PostgresCluster(find_free_port()))
    process: RunningProcess | None = None

    def start(self) -> None:
        """Start it and return when it accepts connections, after recovery if it had crashed."""
        command = [find_postgres_tool("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-p", str(self.cluster.port)]
        for name, value in OPTIONS.items():
            command += ["-c", f"{name}={value}"]
        log = self.folder / "log"
        self.process = start_process(command, log, user=self.user, folder=Path("/"), orphan_signal="INT")
        wait_until(self.process, lambda: _accepts(self.cluster), "PostgreSQL")

    def crash(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: every connection is cut, nothing is written."""
        self.stop(signal.SIGQUIT)

    def stop(self, first_signal: int = signal.SIGINT) -> None:
        """End it in order."""
        if self.process is not None:
            stop_process(self.process, first_signal=first_signal)
            self.process = None


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresCluster]:
    """Run a fresh cluster for the length of the block, and leave nothing of it behind."""
    with run_postgres_server() as server:
        yield server.cluster


@contextlib.contextmanager
def run_postgres_server() -> Iterator[PostgresServer]:
    """Run a fresh cluster that may be crashed; leaves nothing of it behind.

    PostgreSQL refuses to run as root, so root runs it as the account `postgres`.
    """
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="samsyn-postgres-"))
    server = PostgresServer(folder, user)
    try:
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        initdb = [find_postgres_tool("initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres"]
        initdb += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _accepts(cluster: PostgresCluster) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(cluster.url, connect_timeout=2):
        return True
    return False
