"""What a client without right, or one that goes away, leaves behind: nothing."""

import socket
import time
from io import BytesIO
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

from tests.support.dicom import StudyFacts, content_type, make_boundary, make_ct, make_series, multipart_body
from tests.support.http import (
    bearer,
    list_stored,
    make_pool,
    open_request,
    read_answer,
    search,
    send_chunk,
    store,
)
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

STUDIES = "/dicom-web/studies"


@pytest.fixture(scope="module")
def token(samsyn_server: SamsynServer) -> str:
    return samsyn_server.issue_token()


def list_leftovers(server: SamsynServer, before: set[Path], *, patience_s: float = 15) -> list[Path]:
    """Return the pack and spool files that were not there before, once there are none or after a while."""
    deadline = time.monotonic() + patience_s
    while True:
        spooled = [path for path in (server.home / "spool").rglob("*") if path.is_file()]
        leftovers = sorted({*server.list_packs(), *spooled} - before)
        if not leftovers or time.monotonic() > deadline:
            return leftovers
        time.sleep(0.05)


@pytest.mark.parametrize("authorization", [{}, bearer("samsyn_wrong"), {"Authorization": "Basic eDp5"}])
@pytest.mark.parametrize("length", [{"Content-Length": str(1 << 40)}, {"Transfer-Encoding": "chunked"}])
def test_a_stranger_is_refused_before_the_body_is_read(
    samsyn_server: SamsynServer, authorization: dict[str, str], length: dict[str, str]
) -> None:
    headers = {"Content-Type": content_type("b"), "Expect": "100-continue"} | length | authorization
    with open_request(samsyn_server.port, STUDIES, headers) as connection:
        answer = read_answer(connection)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_who_may_only_read_is_refused_before_the_body_is_read(samsyn_server: SamsynServer) -> None:
    reader = samsyn_server.issue_token("reader", scopes=["read"])
    headers = {"Content-Type": content_type("b"), "Content-Length": str(1 << 30), "Expect": "100-continue"}
    with open_request(samsyn_server.port, STUDIES, headers | bearer(reader)) as connection:
        assert read_answer(connection).status == 403


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_client_that_disconnects_leaves_nothing_behind(
    samsyn_server: SamsynServer, token: str, chunked: bool, share: float
) -> None:
    study = StudyFacts()
    boundary = make_boundary()
    body = multipart_body(make_series(study, 5, rows=256, columns=256), boundary)
    headers = {"Content-Type": content_type(boundary)} | bearer(token)
    headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    sent = body[: int(len(body) * share)]
    before = set(samsyn_server.list_packs())

    with open_request(samsyn_server.port, STUDIES, headers) as connection:
        send_chunk(connection, sent) if chunked else connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(15)
        connection.recv(1 << 16)  # an error or the end; either way the server has noticed

    assert list_leftovers(samsyn_server, before) == []
    found = search(
        make_pool(), samsyn_server.dicomweb_url, token, "studies", StudyInstanceUID=study.study_instance_uid
    )
    assert found == []


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_that_ends_early_is_refused_with_a_reason(
    samsyn_server: SamsynServer, token: str, chunked: bool
) -> None:
    """The body as HTTP sees it is whole, but the closing delimiter is missing."""
    study = StudyFacts()
    boundary = make_boundary()
    body = multipart_body(make_series(study, 2), boundary)[: -len(f"\r\n--{boundary}--\r\n")]
    headers = {"Content-Type": content_type(boundary)} | bearer(token)
    headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    before = set(samsyn_server.list_packs())
    with open_request(samsyn_server.port, STUDIES, headers) as connection:
        if chunked:
            send_chunk(connection, body)
            send_chunk(connection, b"")
        else:
            connection.sendall(body)
        answer = read_answer(connection)
    assert answer.status == 400
    assert b"delimiter" in answer.body
    assert list_leftovers(samsyn_server, before) == []
    found = search(
        make_pool(), samsyn_server.dicomweb_url, token, "studies", StudyInstanceUID=study.study_instance_uid
    )
    assert found == []


def test_what_was_cut_is_taken_whole_the_next_time(samsyn_server: SamsynServer, token: str) -> None:
    study = StudyFacts()
    instances = make_series(study, 3)
    boundary = make_boundary()
    body = multipart_body(instances, boundary)
    headers = {"Content-Type": content_type(boundary), "Content-Length": str(len(body))} | bearer(token)
    with open_request(samsyn_server.port, STUDIES, headers) as connection:
        connection.sendall(body[: len(body) // 2])
    answer = store(make_pool(), samsyn_server.dicomweb_url, token, instances)
    assert answer.status == 200
    assert len(list_stored(answer)) == 3


REFUSALS = {
    "no credential": ({"Authorization": "Bearer samsyn_wrong"}, 401),
    "no such type": ({"Content-Type": "text/plain"}, 415),
    "no such answer": ({"Accept": "image/jpeg"}, 406),
    "compressed": ({"Content-Encoding": "gzip"}, 415),
    "no boundary": ({"Content-Type": 'multipart/related; type="application/dicom"'}, 400),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_reaches_a_client_that_sends_on(
    samsyn_server: SamsynServer, token: str, name: str, chunked: bool
) -> None:
    """The answer comes while 16 MiB are on their way, of which the server reads nothing."""
    extra, status = REFUSALS[name]
    headers = {"Content-Type": "application/dicom"} | bearer(token) | extra
    pieces = [bytes(1 << 18)] * 64
    body = iter(pieces) if chunked else b"".join(pieces)
    answer = requests.post(f"{samsyn_server.url}{STUDIES}", data=body, headers=headers, timeout=60)
    assert answer.status_code == status
    assert len(answer.json()["error"]) > 10


def test_the_client_library_sees_why_it_was_refused(samsyn_server: SamsynServer) -> None:
    client = DICOMwebClient(samsyn_server.dicomweb_url, headers=bearer("samsyn_wrong"))
    file = dcmread(BytesIO(make_ct(rows=2048, columns=2048)))
    with pytest.raises(requests.HTTPError) as caught:
        client.store_instances([file])
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("length", [10, 10_000])
def test_a_length_that_lies_is_no_success(samsyn_server: SamsynServer, token: str, length: int) -> None:
    file = make_ct()
    headers = {"Content-Type": "application/dicom", "Content-Length": str(length)} | bearer(token)
    with open_request(samsyn_server.port, STUDIES, headers) as connection:
        connection.sendall(file)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(15)
        first = connection.recv(1 << 16)
    assert not first.startswith(b"HTTP/1.1 2")
