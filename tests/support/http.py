"""HTTP as tests need it: Store requests in one line, and connections that misbehave byte by byte."""

import email.parser
import email.policy
import io
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydicom
import urllib3

from tests.support.dicom import content_type, make_boundary, multipart_body


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def make_pool(*, connections: int = 8, timeout_s: float = 120) -> urllib3.PoolManager:
    """Return a client that never retries, so that every answer is seen."""
    return urllib3.PoolManager(maxsize=connections, retries=False, timeout=urllib3.Timeout(timeout_s))


def store(
    pool: urllib3.PoolManager, dicomweb_url: str, token: str, instances: Iterable[bytes]
) -> urllib3.BaseHTTPResponse:
    """Send instances in one Store request and return the answer, read."""
    boundary = make_boundary()
    return pool.request(
        "POST",
        f"{dicomweb_url}/studies",
        body=multipart_body(instances, boundary),
        headers={"Content-Type": content_type(boundary), "Accept": "application/dicom+json"} | bearer(token),
    )


def store_stream(
    pool: urllib3.PoolManager, dicomweb_url: str, token: str, body: Iterator[bytes], boundary: str
) -> urllib3.BaseHTTPResponse:
    """Send a body in chunks of unknown total length (Transfer-Encoding: chunked) and return the answer."""
    return pool.request(
        "POST",
        f"{dicomweb_url}/studies",
        body=body,
        headers={"Content-Type": content_type(boundary), "Accept": "application/dicom+json"} | bearer(token),
        chunked=True,
    )


def list_stored(answer: urllib3.BaseHTTPResponse) -> tuple[str, ...]:
    """Return the SOP Instance UIDs that a Store answer reports as stored, in its order.

    Standard: PS3.18 I.2
    """
    module = answer.json()
    items = module.get("00081199", {}).get("Value", [])
    return tuple(item["00081155"]["Value"][0] for item in items)


def search(
    pool: urllib3.PoolManager, dicomweb_url: str, token: str, resource: str, **matches: str
) -> list[dict[str, Any]]:
    """Return all matches of a search as DICOM JSON; an answer other than 200 is an error.

    Standard: PS3.18 10.6
    """
    found: list[dict[str, Any]] = []
    page = 200
    while True:
        answer = pool.request(
            "GET",
            f"{dicomweb_url}/{resource}",
            fields=matches | {"limit": str(page), "offset": str(len(found))},
            headers={"Accept": "application/dicom+json"} | bearer(token),
        )
        if answer.status != 200:
            raise RuntimeError(f"search of {resource} answered {answer.status}: {answer.data[:500]!r}")
        rows = answer.json()
        found += rows
        if len(rows) < page:
            return found


def open_request(
    port: int,
    path: str,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    receive_buffer_bytes: int | None = None,
) -> socket.socket:
    """Connect, send the head of a request and nothing else, and return the connection.

    Parameters
    ----------
    receive_buffer_bytes
        A small buffer makes a slow reader felt at the other end.
    """
    connection = socket.socket()
    if receive_buffer_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def send_chunk(connection: socket.socket, payload: bytes) -> None:
    """Send one piece of a body under Transfer-Encoding: chunked; an empty one ends the body."""
    connection.sendall(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer, interim ones (100 Continue) included: whatever comes first is returned."""
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    headers: dict[str, str] = {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = io.BytesIO()
    if "content-length" in headers:
        body.write(file.read(int(headers["content-length"])))
    elif headers.get("transfer-encoding") == "chunked":
        while size := int(file.readline(), 16):
            body.write(file.read(size))
            file.readline()
    return Answer(status, headers, body.getvalue())


def retrieve_study(
    pool: urllib3.PoolManager, dicomweb_url: str, token: str, study_instance_uid: str
) -> dict[str, bytes]:
    """Return the files of a study as they were received, by SOP Instance UID; none when it is unknown.

    The whole answer is held in memory.

    Standard: PS3.18 10.4
    """
    answer = pool.request(
        "GET",
        f"{dicomweb_url}/studies/{study_instance_uid}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'} | bearer(token),
    )
    if answer.status == 404:
        return {}
    if answer.status != 200:
        raise RuntimeError(
            f"retrieve of {study_instance_uid} answered {answer.status}: {answer.data[:500]!r}"
        )
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + answer.data)
    files = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    return {read_sop_instance_uid(file): file for file in files if isinstance(file, bytes)}


def read_sop_instance_uid(file: bytes) -> str:
    """Return the SOP Instance UID in a file's meta information."""
    dataset = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    return str(dataset.file_meta.MediaStorageSOPInstanceUID)
