"""Nonsense of every kind: no answer is a server error, no process ends."""

from collections.abc import Iterator

import pytest

from tests.conformance.archive import Archive
from tests.conformance.conftest import run_archive
from tests.conformance.fuzz import make_requests

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, embedded_template) -> Iterator[Archive]:
    """A server of its own: the nonsense may delete."""
    yield from run_archive(tmp_path_factory, embedded_template)


def find_server_errors(archive: Archive, seed: int, count: int) -> list[str]:
    """Send the requests of a seed and return those that were not answered, or answered as the server's fault."""
    found = []
    root = archive.wire.base.removesuffix("/dicom-web")
    for index, request in enumerate(make_requests(archive, seed, count)):
        try:
            answer = archive.ask(
                root + request.target,
                request.accept,
                method=request.method,
                body=request.body,
                headers=request.headers,
            )
        except (OSError, ValueError) as error:
            found.append(f"{seed}/{index} {request} -> {error!r}")
            archive.wire.close()
            continue
        if answer.status >= 500:
            found.append(f"{seed}/{index} {request} -> {answer.describe()}")
    return found


def test_500_requests_of_nonsense(victim):
    pids = victim.server.list_pids()
    assert find_server_errors(victim, 1, 500) == []
    assert victim.server.list_pids() == pids


@pytest.mark.long
def test_10000_requests_of_nonsense(victim):
    pids = victim.server.list_pids()
    assert [error for seed in range(2, 12) for error in find_server_errors(victim, seed, 1000)] == []
    assert victim.server.list_pids() == pids
