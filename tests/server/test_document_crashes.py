"""kill -9 while a document is provided (ITI-41): nothing is half registered, and the client's retry succeeds."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.registry.factories import make_uid
from tests.repository.xds.messages import metadata, provide
from tests.repository.xds.test_retrieve_documents import XDSB, request_for
from tests.support.doors import Doors, Number
from tests.support.http import bearer
from tests.support.samsyn import SamsynServer
from tests.support.soap import include, make_package, package_type, read_reply
from tests.support.submissions import DOMAIN, FIRST

pytestmark = pytest.mark.server

PATIENT = Number(FIRST, DOMAIN)
PREPARE = """
from access.models import CareProvider, CareUnit, Department
from tests.support.submissions import make_patient
make_patient()
unit = CareUnit.objects.create(provider=CareProvider.objects.create(hsa_id="SE-P"), hsa_id="SE-U")
Department.objects.create(unit=unit, hsa_id="SE-D")
"""
HOLD_THE_PATIENTS = """
import time
from pathlib import Path
from access.database import write_transaction
from registry.models import Patient
with write_transaction():
    list(Patient.objects.select_for_update())
    Path({began!r}).touch()
    time.sleep(60)
"""
COUNT_ROWS = """
import json
from registry.models import Association, DocumentEntry, SubmissionSet
from repository.models import StoredDocument
print(json.dumps([kind.objects.count() for kind in (DocumentEntry, SubmissionSet, Association, StoredDocument)]))
"""
DOCUMENT = bytes(range(256)) * 4096 * 3
MARK = b"the bytes of the document"


@pytest.fixture
def doors(start_samsyn: Callable[..., SamsynServer]) -> Doors:
    """A system at the doors of a server that knows a patient."""
    server = start_samsyn()
    server.run_code(PREPARE)
    return Doors(server, "SE-D")


def write_message(unique_id: str) -> tuple[bytes, bytes]:
    """Return what stands before and after the document in the package."""
    envelope = provide(metadata(("Document01", unique_id)), {"Document01": include("d1")})
    head, tail = make_package(envelope, {"d1": MARK})[0].split(MARK)
    return head, tail


def send(doors: Doors, body: bytes | Iterator[bytes]) -> requests.Response:
    headers = bearer(doors.token) | {"Content-Type": package_type("MIME_boundary")}
    return requests.post(f"{doors.url}/ihe/repository", data=body, headers=headers, timeout=120)


def list_files(doors: Doors, folder: str = "documents") -> list[Path]:
    return [path for path in (doors.server.home / "objects" / folder).rglob("*") if path.is_file()]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def retrieve_status(doors: Doors, unique_id: str) -> str:
    """Return the last part of the status of ITI-43."""
    reply = doors.soap("/ihe/repository", request_for(unique_id))
    [response] = [child for child in reply.body if child.get("status")]
    return str(response.get("status")).rpartition(":")[2]


def assert_nothing_is_registered(doors: Doors, unique_id: str) -> None:
    """No door knows the document, no row is there, and the sweep takes what lies there."""
    assert json.loads(doors.server.run_code(COUNT_ROWS)) == [0, 0, 0, 0]
    assert doors.find_documents(PATIENT) == set()
    assert retrieve_status(doors, unique_id) == "Failure"
    assert list_files(doors), "the bytes that were killed are gone before the sweep"
    doors.server.run_command("sweep", "--unanswered-after-s", "0")
    assert list_files(doors) == []


def assert_the_retry_succeeds(doors: Doors, unique_id: str, body: bytes) -> None:
    """The same message again is taken, found and given."""
    answer = send(doors, body)
    reply = read_reply(answer.status_code, answer.headers["Content-Type"], answer.content)
    assert str(reply.body.get("status")).endswith(":Success"), answer.text[:2000]
    assert json.loads(doors.server.run_code(COUNT_ROWS)) == [1, 1, 1, 1]
    assert doors.find_documents(PATIENT) == {unique_id}
    assert doors.fetch_document(unique_id) == DOCUMENT
    doors.server.run_command("sweep", "--unanswered-after-s", "0")
    assert doors.fetch_document(unique_id) == DOCUMENT
    [given] = doors.soap("/ihe/repository", request_for(unique_id)).body.findall(
        f"{{{XDSB}}}DocumentResponse"
    )
    assert given.findtext(f"{{{XDSB}}}DocumentUniqueId") == unique_id


def lose(call: Callable[[], requests.Response], lost: list[Exception]) -> None:
    try:
        call()
    except requests.RequestException as error:
        lost.append(error)


def test_a_server_that_is_killed_within_a_document(doors: Doors) -> None:
    unique_id = make_uid()
    head, tail = write_message(unique_id)
    killed = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield head
        yield DOCUMENT[: len(DOCUMENT) // 2]
        killed.wait(120)
        yield DOCUMENT[len(DOCUMENT) // 2 :] + tail

    lost: list[Exception] = []
    client = threading.Thread(target=lose, args=(lambda: send(doors, pieces()), lost))
    client.start()
    wait_until(lambda: any(path.stat().st_size for path in list_files(doors)), "no byte arrived")
    doors.server.kill()
    killed.set()
    client.join(120)
    assert lost, "the client was answered by a server that was killed"
    doors.server.start()
    assert_nothing_is_registered(doors, unique_id)
    assert_the_retry_succeeds(doors, unique_id, head + DOCUMENT + tail)


def test_a_server_that_is_killed_between_the_bytes_and_their_rows(doors: Doors, tmp_path: Path) -> None:
    unique_id = make_uid()
    head, tail = write_message(unique_id)
    holder = doors.server.begin_code(HOLD_THE_PATIENTS.format(began=str(tmp_path / "began")))
    wait_until((tmp_path / "began").exists, "nobody holds the patients")
    lost: list[Exception] = []
    body = head + DOCUMENT + tail
    client = threading.Thread(target=lose, args=(lambda: send(doors, body), lost))
    client.start()
    wait_until(
        lambda: [path.stat().st_size for path in list_files(doors)] == [len(DOCUMENT)], "bytes are missing"
    )
    time.sleep(0.5)
    doors.server.kill()  # whoever holds the patients too
    holder.communicate(timeout=60)
    client.join(120)
    assert lost, "the client was answered by a server that was killed"
    doors.server.start()
    assert_nothing_is_registered(doors, unique_id)
    assert_the_retry_succeeds(doors, unique_id, body)


def send_unheard(doors: Doors, body: bytes) -> socket.socket:
    """Send a message whole, and listen to no answer."""
    address = urlsplit(f"{doors.url}/ihe/repository")
    assert address.hostname
    assert address.port
    connection = socket.create_connection((address.hostname, address.port), timeout=120)
    head = [
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Authorization: Bearer {doors.token}",
        f"Content-Type: {package_type('MIME_boundary')}",
        f"Content-Length: {len(body)}",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
    return connection


def test_a_server_that_is_killed_before_its_answer_was_heard(doors: Doors) -> None:
    """The document is registered and its source does not know: the same message again makes no second one."""
    unique_id = make_uid()
    head, tail = write_message(unique_id)
    body = head + DOCUMENT + tail
    with send_unheard(doors, body):
        wait_until(lambda: doors.find_documents(PATIENT) == {unique_id}, "the document is not registered")
        doors.server.kill()
    doors.server.start()
    assert doors.fetch_document(unique_id) == DOCUMENT
    answer = send(doors, body)
    reply = read_reply(answer.status_code, answer.headers["Content-Type"], answer.content)
    assert str(reply.body.get("status")).endswith(":Failure")
    assert "XDSDuplicateUniqueIdInRegistry" in answer.text, "the source is not told that it is there already"
    assert json.loads(doors.server.run_code(COUNT_ROWS)) == [1, 1, 1, 1]
    new_head, new_tail = write_message(unique_id)
    assert new_head != head
    made_anew = send(doors, new_head + DOCUMENT + new_tail)
    reply = read_reply(made_anew.status_code, made_anew.headers["Content-Type"], made_anew.content)
    assert str(reply.body.get("status")).endswith(":Success"), made_anew.text[:2000]
    assert doors.find_documents(PATIENT) == {unique_id}
    entries, sets, _, contents = json.loads(doors.server.run_code(COUNT_ROWS))
    assert (entries, sets, contents) == (2, 2, 1)
    doors.server.run_command("sweep", "--unanswered-after-s", "0")
    assert [path.stat().st_size for path in list_files(doors)] == [len(DOCUMENT)]
    assert doors.fetch_document(unique_id) == DOCUMENT
