"""Session fixtures for real peers. Each pytest worker starts what it needs, once, and stops it at its end."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.orthanc import OrthancServer, run_orthanc
from tests.support.postgres import PostgresCluster, read_cluster, run_postgres
from tests.support.redis import RedisServer, run_redis
from tests.support.samsyn import (
    SamsynServer,
    copy_embedded,
    prepare_embedded,
    prepare_production,
    production_environment,
)

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SOFTWARE_GL_FLAGS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL without a graphics card, for pages that draw with it."""


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """The cluster of scripts/with_postgres.py when the run has one, else one of this worker's own."""
    url = os.environ.get("SAMSYN_TEST_POSTGRES")
    if url:
        yield read_cluster(url)
        return
    with run_postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """An empty Redis; tests use keys or databases of their own."""
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """An empty Orthanc for this test."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Let pytest-playwright use the Chromium of the machine."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = next((path for path in found if path), None)
    if path is None:
        raise FileNotFoundError("chromium is not installed: run scripts/install_system_packages.sh")
    flags = [*CHROMIUM_FLAGS, *SOFTWARE_GL_FLAGS]
    return {**browser_type_launch_args, "executable_path": path, "args": flags}


@pytest.fixture(scope="session")
def embedded_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty embedded home to copy servers from."""
    template = tmp_path_factory.mktemp("samsyn") / "template"
    prepare_embedded(template)
    return template


@pytest.fixture(scope="session")
def production_template(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster, redis_server: RedisServer
) -> Iterator[str]:
    """The name of a migrated, empty database to copy."""
    name = f"samsyn_template_{uuid4().hex}"
    prepare_production(tmp_path_factory.mktemp("samsyn") / "template", postgres_cluster, redis_server, name)
    yield name
    postgres_cluster.drop_database(name)


@pytest.fixture(scope="module")
def start_embedded(
    tmp_path_factory: pytest.TempPathFactory, embedded_template: Path
) -> Iterator[Callable[..., SamsynServer]]:
    """Start servers on SQLite: `start_embedded(SAMSYN_QUIET_S="1")`; all end with the test module."""
    started: list[SamsynServer] = []

    def start(**settings: str) -> SamsynServer:
        home = tmp_path_factory.mktemp("samsyn") / "home"
        server = copy_embedded(embedded_template, home, settings)
        started.append(server)
        server.start()
        return server

    yield start
    _stop_all(started)


@pytest.fixture(scope="module")
def start_production(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_cluster: PostgresCluster,
    redis_server: RedisServer,
    production_template: str,
) -> Iterator[Callable[..., SamsynServer]]:
    """Start servers on PostgreSQL and Redis; all end with the test module."""
    started: list[SamsynServer] = []
    databases: list[str] = []

    def start(**settings: str) -> SamsynServer:
        databases.append(f"samsyn_{uuid4().hex}")
        url = postgres_cluster.create_database(databases[-1], template=production_template)
        redis_url = redis_server.url_of(len(databases) % 15 + 1)
        home = tmp_path_factory.mktemp("samsyn")
        server = SamsynServer(home, production_environment(home, url, redis_url) | settings)
        started.append(server)
        server.start()
        return server

    yield start
    _stop_all(started)
    for name in databases:
        postgres_cluster.drop_database(name)


@pytest.fixture(scope="module")
def samsyn_server(start_embedded: Callable[..., SamsynServer]) -> SamsynServer:
    """One running embedded server for the tests of a module."""
    return start_embedded()


@pytest.fixture(params=["start_embedded", "start_production"])
def start_samsyn(request: pytest.FixtureRequest) -> Callable[..., SamsynServer]:
    """Start servers; the test runs once on SQLite and once on PostgreSQL."""
    start: Callable[..., SamsynServer] = request.getfixturevalue(request.param)
    return start


def _stop_all(servers: list[SamsynServer]) -> None:
    for server in servers:
        if server.process is not None:
            server.kill()
        assert server.list_pids() == (), "processes of a stopped server are still there"
        shutil.rmtree(server.home, ignore_errors=True)
