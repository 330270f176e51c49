"""Session fixtures for real peers. Each pytest worker starts what it needs, once, and stops it at its end."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.orthanc import OrthancServer, run_orthanc
from tests.support.postgres import PostgresCluster, read_cluster, run_postgres
from tests.support.redis import RedisServer, run_redis

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
