"""Two servers with known content for all checks of a run: one to read, one to change."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.archive import Archive, make_known
from tests.conformance.wire import Wire
from tests.support.http import bearer
from tests.support.samsyn import copy_embedded

ORIGIN = "http://localhost:3000"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, embedded_template: Path) -> Iterator[Archive]:
    """A server that holds what `make_known` makes and nothing else: checks may read it, not change it."""
    yield from run_archive(tmp_path_factory, embedded_template)


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory, embedded_template: Path) -> Iterator[Archive]:
    """A server that began with the same content, for checks that store and delete."""
    yield from run_archive(tmp_path_factory, embedded_template)


def run_archive(folders: pytest.TempPathFactory, template: Path) -> Iterator[Archive]:
    """Start a server, store what `make_known` makes by one request a study, and end it afterwards."""
    home = folders.mktemp("conformance") / "home"
    server = copy_embedded(template, home, {"SAMSYN_CORS_ORIGINS": ORIGIN})
    server.start()
    token = server.issue_token()
    archive = Archive(Wire(server.dicomweb_url, bearer(token)), server, token)
    archive.known = {known.name: known for known in make_known()}
    for path in sorted({known.study_path for known in archive.known.values()}):
        answer = archive.store([known.file for known in archive.instances_of(path)])
        assert answer.status == 200, answer.describe()
    yield archive
    archive.wire.close()
    assert server.list_pids(), "the server died under the checks"
    server.kill()
    shutil.rmtree(home, ignore_errors=True)
