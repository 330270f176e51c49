"""How requests of the S3 client leave: to the address that was checked, in blocks, with bounded answers.

The client signs requests and reads answers. It would look hosts up by itself and follow its environment; so what it
has signed is sent here.
"""

import io
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from access.address import Address

CONNECT_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 120.0
MAX_ANSWER_BYTES = 8 << 20
BLOCK_BYTES = 64 << 10


def make_pool(address: Address, context: ssl.SSLContext | None, most: int) -> urllib3.HTTPConnectionPool:
    """Return connections to a checked address, at most so many kept; `context` is for https."""
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S)
    if address.scheme != "https":
        return urllib3.HTTPConnectionPool(address.ip, address.port, timeout=timeout, maxsize=most)
    return urllib3.HTTPSConnectionPool(
        address.ip,
        address.port,
        timeout=timeout,
        maxsize=most,
        server_hostname=address.host,
        assert_hostname=address.host,
        ssl_context=context,
    )


class _Answer(io.BytesIO):
    """A body that was read already, as the client wants to read it."""

    def stream(self, amt: int = BLOCK_BYTES, **_: Any) -> Iterator[bytes]:
        while block := self.read(amt):
            yield block


@dataclass(slots=True)
class Wire:
    """Sends what the client has signed.

    `on_sent` is called with the length of every block of an object that left, in bytes.
    """

    pool: urllib3.HTTPConnectionPool
    host_header: str
    on_sent: Callable[[int], None] | None = None

    def __call__(self, request: Any, **_: Any) -> Any:
        """Send one request and return its answer, which the client takes in place of its own sending."""
        try:
            return self._send(request)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _name(error, request.url) from error

    def _send(self, request: Any) -> Any:
        parts, body = urlsplit(request.url), request.body
        if body and request.method == "PUT" and self.on_sent is not None:
            body = _count(body, self.on_sent)
        response = self.pool.urlopen(
            request.method,
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            body=body,
            headers={**_texts(request.headers), "Host": self.host_header},
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=False,
        )
        is_body = request.stream_output and response.status < 300
        raw = response if is_body else _Answer(_read(response))
        return AWSResponse(request.url, response.status, response.headers, raw)


def _count(body: Any, on_sent: Callable[[int], None]) -> Iterator[bytes]:
    """Yield a body in blocks; bytes and open files are what the client makes of what it is given."""
    source = io.BytesIO(body) if isinstance(body, bytes | bytearray) else body
    while block := source.read(BLOCK_BYTES):
        yield block
        on_sent(len(block))


def _texts(headers: Any) -> dict[str, str]:
    items = headers.items()
    return {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in items}


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read an answer of bounded length in bounded time."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    content = bytearray()
    try:
        while block := response.read1(1 << 16):
            content += block
            if len(content) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                raise urllib3.exceptions.ProtocolError(
                    f"the answer is longer than {MAX_ANSWER_BYTES} bytes or {ANSWER_TIMEOUT_S:g} s"
                )
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(content)


def _name(error: Exception, url: str) -> HTTPClientError:
    """Return the client's own word for an error of the connection, so that it knows what may be tried again."""
    kinds: tuple[tuple[type[Exception], type[HTTPClientError]], ...] = (
        (urllib3.exceptions.SSLError, SSLError),
        (urllib3.exceptions.ConnectTimeoutError, ConnectTimeoutError),
        (urllib3.exceptions.NewConnectionError, EndpointConnectionError),
        (urllib3.exceptions.TimeoutError, ReadTimeoutError),
        (TimeoutError, ReadTimeoutError),
    )
    name = next((ours for theirs, ours in kinds if isinstance(error, theirs)), ConnectionClosedError)
    return name(endpoint_url=url, error=error)
