"""One store request to somebody else's STOW-RS: streamed out, its answer read with suspicion."""

import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import urllib3

from registry.hops import NAME_HEADER, PATH_HEADER
from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary
from repository.delivery.receivers import verify_stow
from repository.delivery.receivers.address import Address
from repository.delivery.receivers.failure import FailedRequest, Failure, Looped
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer, UnreadableAnswer, read_answer

CONNECT_TIMEOUT_S = 30.0
"""Also the longest that one block of at most 256 KiB may take to leave."""
ANSWER_TIMEOUT_S = 120.0
PROBE_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 8 << 20
MAX_RETRY_AFTER_S = 1800.0

_RETRY = frozenset({408, 425})
_FAULTS = {
    401: "the receiver does not accept the token",
    403: "the receiver forbids storing with this token",
    404: "there is nothing at this address",
    405: "the address does not take stores",
    407: "a proxy asks for a login",
    410: "there is nothing at this address any more",
}
LOOP_DETECTED = 508
_ANSWERED = frozenset({200, 202, 400, 409})
"""Statuses whose body may name instances."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to one receiver, kept for the requests of one delivery. Close it."""

    pool: urllib3.HTTPConnectionPool
    address: Address
    token: str

    def close(self) -> None:
        """Close the connection."""
        self.pool.close()


class _UnreadableSource(Exception):
    """Our own file could not be read while it was sent."""


def connect(address: Address, token: str, context: ssl.SSLContext | None = None) -> Receiver:
    """Prepare to speak to a checked address; nothing is sent yet. `context` is for https."""
    connection = open_connection(address, token, context)
    return Receiver(
        store=partial(store, connection),
        probe=partial(probe, connection),
        close=connection.close,
        answer_timeout_s=ANSWER_TIMEOUT_S,
        verify=partial(_verify, connection),
    )


def open_connection(address: Address, token: str, context: ssl.SSLContext | None) -> Connection:
    """Prepare a connection to a checked address; nothing is sent yet."""
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S)
    if address.scheme == "https":
        pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
            address.ip,
            address.port,
            timeout=timeout,
            maxsize=1,
            server_hostname=address.host,
            assert_hostname=address.host,
            ssl_context=context,
        )
    else:
        pool = urllib3.HTTPConnectionPool(address.ip, address.port, timeout=timeout, maxsize=1)
    return Connection(pool, address, token)


def store(
    connection: Connection,
    files: Iterable[File],
    *,
    on_sent: Callable[[int], None],
    on_body_sent: Callable[[], None],
) -> StoreAnswer:
    """Send one store request and return what the receiver says about each instance.

    Parameters
    ----------
    on_sent
        Called with the length of every block that left, in bytes. What it raises ends the request.
    on_body_sent
        Called before waiting for the answer, which takes at most `ANSWER_TIMEOUT_S`.

    Raises
    ------
    FailedRequest
        Anything but an answer that names instances. The connection is then closed, so that a body
        that was cut off is never taken for a whole one.

    Standard: PS3.18 10.5.1
    """
    boundary = new_boundary()
    headers = _headers(connection)
    headers["Content-Type"] = f'multipart/related; type="application/dicom"; boundary={boundary}'
    files = list(files)
    if path := next((file.path for file in files), ""):  # all are of one study
        headers[PATH_HEADER] = path
    body = _frame(files, boundary, on_sent, on_body_sent)
    try:
        return _request(connection, "POST", connection.address.path, headers, body)
    except FailedRequest:
        connection.close()
        raise
    finally:
        body.close()


def probe(connection: Connection) -> None:
    """Ask for one study, to see whether the receiver answers and takes the token.

    Raises
    ------
    FailedRequest
        No answer, a server error, or a refused login.
    """
    path = f"{connection.address.path}?limit=1"
    try:
        response = connection.pool.request(
            "GET",
            path,
            headers=_headers(connection),
            timeout=PROBE_TIMEOUT_S,
            preload_content=False,
            redirect=False,
            retries=False,
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FailedRequest(explain_connection(error)) from error
    response.close()
    # A receiver that only stores answers a search with 404 or 405; that is an answer.
    if response.status >= 500 or response.status in (401, 403, 407, 408, 429):
        text = _FAULTS.get(response.status, "the receiver answers with an error")
        raise FailedRequest(Failure("retry", "receiver_error", text, response.status))


def _verify(
    connection: Connection, mode: str, instances: Sequence[Any], *, on_wait: Callable[[], None]
) -> frozenset[str]:
    ask = partial(_ask, connection)
    on_wait()
    if mode == "storage-commitment":
        return verify_stow.commit_instances(ask, instances, on_wait)
    return verify_stow.find_instances(ask, instances)


def _ask(connection: Connection, method: str, path: str, body: bytes | None) -> urllib3.BaseHTTPResponse:
    """Ask something below the service that the address of the studies belongs to, and read the answer."""
    headers = _headers(connection)
    if body is not None:
        headers["Content-Type"] = "application/dicom+json"
    base = connection.address.path.removesuffix("/studies")
    try:
        return connection.pool.request(
            method, base + path, headers=headers, body=body, redirect=False, retries=False
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FailedRequest(explain_connection(error)) from error


def _headers(connection: Connection) -> dict[str, str]:
    headers = {
        "Host": connection.address.host_header,
        "Accept": "application/dicom+json",
        "User-Agent": "Samsyn",
    }
    if connection.token:
        headers["Authorization"] = f"Bearer {connection.token}"
    return headers


def _frame(
    files: Iterable[File], boundary: str, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> Generator[bytes, None, None]:
    first = True
    for file in files:
        yield frame_part(boundary, "application/dicom", first=first)
        first = False
        for block in _read(file):
            yield block
            on_sent(len(block))
    yield close_delimiter(boundary)
    on_body_sent()


def _read(file: File) -> Iterator[bytes]:
    try:
        yield from file.open()
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise _UnreadableSource(f"{file.sop_instance_uid}: {error}") from error


def _request(
    connection: Connection, method: str, path: str, headers: dict[str, str], body: Iterator[bytes]
) -> StoreAnswer:
    try:
        response = connection.pool.request(
            method,
            path,
            headers=headers,
            body=body,  # an iterable is sent chunked, the lengths being unknown where headers are rewritten
            preload_content=False,
            redirect=False,
            retries=False,
        )
        content = read_content(response)
    except _UnreadableSource as error:
        raise FailedRequest(Failure("source", "source_unreadable", str(error))) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FailedRequest(explain_connection(error)) from error
    return _judge(response, content)


def read_content(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read an answer of bounded length in bounded time."""
    try:
        content = _read_limited(response)
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return content


def _read_limited(response: urllib3.BaseHTTPResponse) -> bytes:
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    content = bytearray()
    while block := response.read1(1 << 16):
        content += block
        if len(content) > MAX_ANSWER_BYTES:
            raise urllib3.exceptions.ProtocolError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise urllib3.exceptions.ProtocolError(f"the answer took longer than {ANSWER_TIMEOUT_S:g} s")
    return bytes(content)


def _judge(response: urllib3.BaseHTTPResponse, content: bytes) -> StoreAnswer:
    status = response.status
    if status == LOOP_DETECTED:
        failure = Failure("refused", "came_from_there", content[:200].decode("ascii", "replace"), status)
        raise Looped(failure, response.headers.get(NAME_HEADER, "")[:32])
    if status in _ANSWERED:
        try:
            return read_answer(content)
        except UnreadableAnswer as error:
            if status not in (400, 409):
                text = f"answered {status}, but {error}"
                raise FailedRequest(Failure("retry_once", "answer_unreadable", text, status)) from error
    raise FailedRequest(explain_status(response, content))


def explain_status(response: urllib3.BaseHTTPResponse, content: bytes) -> Failure:
    """Return what the status of an answer means that is no success."""
    status = response.status
    said = content[:200].decode("ascii", "replace").strip()
    text = f"{status} {response.reason or ''}: {said}" if said else f"{status} {response.reason or ''}"
    text = text.replace("\0", "").strip()
    wait_s = _retry_after(response)
    if status == 429 or (status == 503 and wait_s):
        return Failure("busy", "receiver_busy", text, status, wait_s)
    if status in _RETRY or status >= 500:
        return Failure("retry", "receiver_error", text, status, wait_s)
    if status in _FAULTS:
        return Failure("destination", "destination_fault", f"{_FAULTS[status]} ({status})", status)
    if 300 <= status < 400:
        return Failure(
            "destination", "destination_fault", f"the address redirects elsewhere ({status})", status
        )
    return Failure("refused", "request_refused", text, status)


def _is_refusal(text: str) -> bool:
    """Tell whether TLS failed because one side does not accept the other's certificate, or the lack of one."""
    return "CERTIFICATE" in text or "HANDSHAKE FAILURE" in text


def explain_connection(error: Exception) -> Failure:
    """Return what it means that there was no answer."""
    if isinstance(error, urllib3.exceptions.SSLError) and _is_refusal(str(error).upper()):
        return Failure("destination", "destination_fault", f"the certificate is not accepted: {error}")
    if isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return Failure("retry", "no_connection", "no connection to the receiver")
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return Failure("retry", "receiver_slow", "the receiver did not answer in time")
    return Failure("retry", "connection_cut", f"the connection broke: {error}")


def _retry_after(response: urllib3.BaseHTTPResponse) -> float:
    """Return the seconds the receiver asks for; dates are not worth a parser, the back-off waits as well."""
    text = response.headers.get("Retry-After", "").strip()
    return min(float(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0
