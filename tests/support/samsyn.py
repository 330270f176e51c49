"""Our own server as an operator runs it: real processes, its own home, killed and started again at will."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.postgres import PostgresCluster
from tests.support.processes import (
    RunningProcess,
    find_by_environment,
    find_free_port,
    kill_all,
    start_process,
    stop_process,
    wait_until,
)
from tests.support.redis import RedisServer

PROJECT = Path(__file__).resolve().parents[2]

ISSUE_TOKENS = """
import json, sys
from access.authentication import issue_token
from access.models import ApiClient, Department
names, hsa_id, scopes = json.loads({arguments!r})
department = Department.objects.get(hsa_id=hsa_id) if hsa_id else None
texts = []
for name in names:
    client, _ = ApiClient.objects.get_or_create(
        name=name, defaults={{"department": department, "region_wide": department is None}}
    )
    texts.append(issue_token(client, tuple(scopes)).text)
print(json.dumps(texts))
"""


class CommandFailed(RuntimeError):
    """A management command ended with another code than 0; the message holds what it wrote."""


@dataclass(slots=True)
class SamsynServer:
    """One installation: a home, a port, and at most one running `manage.py up`."""

    home: Path
    environment: dict[str, str]
    port: int = field(default_factory=find_free_port)
    process: RunningProcess | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def dicomweb_url(self) -> str:
        """Its DICOMweb base, without a slash at the end."""
        return f"{self.url}/dicom-web"

    @property
    def log_path(self) -> Path:
        """What its processes have written on stdout and stderr since the last start."""
        return self.home / "server.log"

    def start(self) -> None:
        """Start it and return when it answers /readyz and says where it runs."""
        self.begin()
        wait_until(self._running(), self._is_up, "Samsyn")

    def begin(self, *arguments: str) -> None:
        """Start it, with more arguments for `up`, and return at once."""
        command = [sys.executable, "manage.py", "up", "--no-demo"]
        command += ["--port", str(self.port), "--home", str(self.home), *arguments]
        self.log_path.unlink(missing_ok=True)
        self.process = start_process(
            command, self.log_path, environment=self.environment, folder=PROJECT, orphan_signal="TERM"
        )

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and return its exit code."""
        process, self.process = self._running(), None
        return stop_process(process, first_signal=signal.SIGTERM)

    def kill(self) -> None:
        """End every process of it at one stroke, as a power cut would (SIGKILL)."""
        process, self.process = self._running(), None
        kill_all(self.list_pids())
        process.popen.wait()

    def list_pids(self) -> tuple[int, ...]:
        """Return the process ids of `up`, web server, its workers and the duties; orphans too."""
        return find_by_environment("SAMSYN_HOME", str(self.home))

    def list_packs(self) -> tuple[Path, ...]:
        """Return the pack files that lie in its object directory."""
        return tuple(sorted((self.home / "objects" / "packs").glob("**/*.pack")))

    def run_command(self, *arguments: str) -> str:
        """Run a management command in this installation and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def run_code(self, code: str) -> str:
        """Run Python code inside this installation and return what it printed."""
        return self.run_command("shell", "--no-imports", "--verbosity", "0", "--command", code)

    def begin_code(self, code: str) -> subprocess.Popen[str]:
        """Start Python code inside this installation and return at once; its output waits in a pipe."""
        return subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "--verbosity", "0", "--command", code],
            env=self.environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def issue_tokens(
        self,
        names: Sequence[str],
        *,
        department: str = "",
        scopes: Sequence[str] = ("store", "read", "delete"),
    ) -> tuple[str, ...]:
        """Create API clients, of one department or region-wide, and return a bearer token for each."""
        arguments = json.dumps([list(names), department, list(scopes)])
        return tuple(json.loads(self.run_code(ISSUE_TOKENS.format(arguments=arguments))))

    def issue_token(
        self,
        name: str = "tests",
        *,
        department: str = "",
        scopes: Sequence[str] = ("store", "read", "delete"),
    ) -> str:
        """Create one API client and return its bearer token."""
        return self.issue_tokens([name], department=department, scopes=scopes)[0]

    def _running(self) -> RunningProcess:
        if self.process is None:
            raise RuntimeError("the server is not running")
        return self.process

    def _is_up(self) -> bool:
        try:
            if f"runs at {self.url}" not in self.log_path.read_text(errors="replace"):
                return False
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def embedded_environment(home: Path) -> dict[str, str]:
    """Return the environment of an installation on SQLite and a directory."""
    return _clean_environment() | {
        "SAMSYN_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "deploy.settings.embedded",
    }


def production_environment(home: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """Return the environment of an installation on PostgreSQL and Redis, spoken to without TLS."""
    return _clean_environment() | {
        "SAMSYN_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "deploy.settings.production",
        "SAMSYN_SECRET_KEY": "only for tests",
        "SAMSYN_DATABASE_URL": database_url,
        "SAMSYN_REDIS_URL": redis_url,
        "SAMSYN_TLS": "off",
    }


def prepare_embedded(template: Path) -> None:
    """Migrate an empty embedded installation once; `copy_embedded` makes servers of it in no time."""
    template.mkdir(parents=True, exist_ok=True)
    SamsynServer(template, embedded_environment(template)).run_command("migrate", "--verbosity", "0")


def copy_embedded(template: Path, home: Path, settings: dict[str, str]) -> SamsynServer:
    """Return a new embedded installation with its own home; `settings` are further environment variables.

    It makes a secret key of its own: two installations with one key would take each other for themselves.
    """
    shutil.copytree(template, home, ignore=shutil.ignore_patterns("secret.key"))
    return SamsynServer(home, embedded_environment(home) | settings)


def prepare_production(template: Path, cluster: PostgresCluster, redis: RedisServer, database: str) -> None:
    """Migrate an empty database once; `copy_production` makes servers of it in no time."""
    template.mkdir(parents=True, exist_ok=True)
    environment = production_environment(template, cluster.create_database(database), redis.url)
    SamsynServer(template, environment).run_command("migrate", "--verbosity", "0")


def _clean_environment() -> dict[str, str]:
    """Return this process's environment without what is meant for the suite itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SAMSYN_", "DJANGO_", "PYTEST_", "COV_"))
    }
