"""`manage.py up` starts everything, ends everything, and never leaves a process behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.dicom import StudyFacts, content_type, make_series
from tests.support.http import bearer, list_stored, make_pool, open_request, store
from tests.support.processes import find_free_port, is_alive, is_listening, stop_process
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PATIENCE_S = 30.0


def wait_for(is_reached: Callable[[], bool]) -> bool:
    """Return whether a state was reached in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def name_of(pid: int) -> str:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.fixture
def server(start_embedded: Callable[..., SamsynServer]) -> SamsynServer:
    """A running server for one test only."""
    return start_embedded()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_processes_even_with_a_transfer_open(server: SamsynServer, number: int) -> None:
    token = server.issue_token()
    headers = {"Content-Type": content_type("b"), "Content-Length": str(1 << 30)} | bearer(token)
    assert server.process is not None
    pids = server.list_pids()
    with open_request(server.port, "/dicom-web/studies", headers) as connection:
        connection.sendall(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + bytes(100_000))
        code = stop_process(server.process, first_signal=number, patience_s=PATIENCE_S)
    assert code == 0
    assert [pid for pid in pids if is_alive(pid)] == []
    assert not is_listening(server.port)
    assert server.list_packs() == ()


def test_the_kill_of_the_parent_takes_the_children_along(server: SamsynServer) -> None:
    assert server.process is not None
    pids = server.list_pids()
    assert len(pids) >= 4, "up, granian, its workers and the duties"
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.popen.wait()
    assert wait_for(lambda: server.list_pids() == ()), [name_of(pid) for pid in server.list_pids()]
    server.start()
    assert server.stop() == 0


def list_web_pids(server: SamsynServer) -> list[int]:
    """Return the processes of granian: the one that watches, and its workers."""
    return [pid for pid in server.list_pids() if "granian" in name_of(pid)]


def test_the_kill_of_one_web_worker_is_mended(server: SamsynServer) -> None:
    token = server.issue_token()
    assert server.process is not None
    web = list_web_pids(server)
    worker = max(web)
    os.kill(worker, signal.SIGKILL)
    # Only with the new worker there is it certain that the kernel has closed the old one's listening socket.
    assert wait_for(lambda: worker not in (now := list_web_pids(server)) and len(now) == len(web))
    answer = store(make_pool(), server.dicomweb_url, token, make_series(StudyFacts(), 2))
    assert len(list_stored(answer)) == 2


def test_a_port_in_use_is_said_in_words(
    server: SamsynServer, start_embedded: Callable[..., SamsynServer]
) -> None:
    second = start_embedded()
    second.stop()
    second.port = server.port
    with pytest.raises(RuntimeError, match="in use"):
        second.start()
    assert second.list_pids() == ()
    second.process = None
    second.port = find_free_port()
    second.start()
    assert second.stop() == 0


def test_what_was_stored_is_there_after_a_clean_restart(server: SamsynServer) -> None:
    token = server.issue_token()
    study = StudyFacts()
    pool = make_pool()
    assert len(list_stored(store(pool, server.dicomweb_url, token, make_series(study, 3)))) == 3
    assert server.stop() == 0
    server.start()
    url = f"{server.dicomweb_url}/studies/{study.study_instance_uid}/instances"
    answer = pool.request("GET", url, headers=bearer(token))
    assert answer.status == 200
    assert len(answer.json()) == 3


def test_a_signal_while_it_starts_stops_all_processes(server: SamsynServer) -> None:
    """Wherever the signal comes in, from the first moment to the last before it is ready."""
    for delay_s in (1.0, 2.0, 3.0, 4.0):
        if server.process is not None:
            server.stop()
        server.begin()
        assert server.process is not None
        time.sleep(delay_s)
        code = stop_process(server.process, first_signal=signal.SIGTERM, patience_s=PATIENCE_S)
        assert code in (0, -signal.SIGTERM), "the default end, before Python has started, is as good"
        server.process = None
        assert wait_for(lambda: server.list_pids() == ()), [name_of(pid) for pid in server.list_pids()]


def test_home_is_the_folder_of_the_argument(server: SamsynServer) -> None:
    token = server.issue_token()
    assert server.stop() == 0
    del server.environment["SAMSYN_HOME"]
    server.start()
    answer = store(make_pool(), server.dicomweb_url, token, make_series(StudyFacts(), 2))
    assert len(list_stored(answer)) == 2
    assert len(server.list_packs()) == 1
    assert server.stop() == 0
