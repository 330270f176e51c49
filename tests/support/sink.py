"""A STOW-RS receiver for many departments that keeps what it gets by SOP Instance UID, and misbehaves on demand."""

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.support.receiver import Behaviour, Handler, Receiver, Request, store_all

_UID_ELEMENT = b"\x02\x00\x03\x00UI"
"""Media Storage SOP Instance UID (0002,0003) in a file's meta information."""


def read_uid(content: bytes) -> str:
    """Return the SOP Instance UID of a PS3.10 file; anything else begins with its UID and a blank."""
    start = content.find(_UID_ELEMENT, 0, 1024)
    if start < 0:
        return content.split(b" ", 1)[0].decode("ascii")
    length = int.from_bytes(content[start + 6 : start + 8], "little")
    return content[start + 8 : start + 8 + length].rstrip(b"\0").decode("ascii")


@dataclass(slots=True)
class Ward(Receiver):
    """One department's system.

    `stored` is in the order of arrival, an instance as often as it came; `files` keeps it once, as a digest of its
    bytes; `changed` names what came again with other bytes. `busy` and `most_busy` count requests under way.
    """

    name: str = ""
    behave: Callable[[], Behaviour] = lambda: store_all
    files: dict[str, bytes] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    arrived_at: dict[str, float] = field(default_factory=dict)
    busy: int = 0
    most_busy: int = 0
    received_bytes: int = 0

    def next_behaviour(self) -> Behaviour:
        """Take the next line of the script, or what `behave` draws."""
        with self.lock:
            return self.script.pop(0) if self.script else self.behave()

    def take(self, content: bytes) -> str:
        """Keep a file under its UID and return that."""
        uid, digest = read_uid(content), hashlib.sha256(content).digest()
        with self.lock:
            if self.files.setdefault(uid, digest) != digest:
                self.changed.append(uid)
            self.arrived_at.setdefault(uid, time.monotonic())
            self.received_bytes += len(content)
        return uid


class SinkHandler(Handler):
    """Speaks for the ward that the path names: `/NAME/studies`."""

    sink: "Sink"

    def do_POST(self) -> None:  # noqa: N802 (the name is the base class's)
        """Take a store request, counted while it is under way."""
        self.receiver = ward = self.sink.ward(self.path.split("/")[1])
        with ward.lock:
            ward.busy += 1
            ward.most_busy = max(ward.most_busy, ward.busy)
        try:
            self._take(ward)
        except ConnectionError:
            self.close_connection = True
        finally:
            with ward.lock:
                ward.busy -= 1

    def do_GET(self) -> None:  # noqa: N802
        """Take a probe."""
        self.receiver = self.sink.ward(self.path.split("/")[1])
        super().do_GET()

    def _take(self, ward: Ward) -> None:
        behaviour = ward.next_behaviour()
        headers = dict(self.headers)
        if getattr(behaviour, "before_body", False):
            behaviour(self, Request("POST", self.path, headers))
            return
        parts = split_parts(
            self._read_body(), self.headers["Content-Type"].rpartition("boundary=")[2].strip('"')
        )
        request = Request("POST", self.path, headers, parts if self.sink.keeps_bodies else [])
        ward.requests.append(request)
        behaviour(self, request if self.sink.keeps_bodies else Request("POST", self.path, headers, parts))


def split_parts(body: bytes, boundary: str) -> list[bytes]:
    """Return the contents of a multipart body's parts.

    Raises
    ------
    ConnectionAbortedError
        The body does not end with its closing delimiter: it was cut off.
    """
    delimiter = b"--" + boundary.encode()
    if not body.rstrip().endswith(delimiter + b"--"):
        raise ConnectionAbortedError("the body was cut off")
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


@dataclass(slots=True)
class Sink:
    """A running sink; a ward is there as soon as somebody speaks of it."""

    port: int = 0
    keeps_bodies: bool = True
    wards: dict[str, Ward] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ward(self, name: str) -> Ward:
        """Return the ward of this name."""
        with self.lock:
            if name not in self.wards:
                ward = self.wards[name] = Ward(port=self.port, name=name)
                ward.read_uid = ward.take
            return self.wards[name]

    def url_of(self, name: str) -> str:
        """Return the STOW-RS address of a ward."""
        return f"http://127.0.0.1:{self.port}/{name}/studies"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def run_sink(*, keeps_bodies: bool = True) -> Iterator[Sink]:
    """Run a sink on a free loopback port for the length of the block."""
    sink = Sink(keeps_bodies=keeps_bodies)
    server = _Server(("127.0.0.1", 0), type("BoundSink", (SinkHandler,), {"sink": sink}))
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def draw(seed: int, choices: dict[Behaviour, int]) -> Callable[[], Behaviour]:
    """Return something that draws one behaviour after the other, by weight; call it under a lock."""
    generator = random.Random(seed)
    behaviours, weights = list(choices), list(choices.values())
    return lambda: generator.choices(behaviours, weights)[0]
