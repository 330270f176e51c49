"""A scripted receiver of STOW-RS: a real HTTP server that misbehaves on demand."""

import contextlib
import email
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SOP_INSTANCE_UID = "00081155"
FAILURE_REASON = "00081197"


@dataclass(slots=True)
class Request:
    """One request as it arrived; `parts` are the contents of a multipart body."""

    method: str
    path: str
    headers: dict[str, str]
    parts: list[bytes] = field(default_factory=list)


Behaviour = Callable[["Handler", Request], None]


class Handler(BaseHTTPRequestHandler):
    """Reads the request, then does what the script says; `store_all` when the script is at its end."""

    protocol_version = "HTTP/1.1"
    receiver: "Receiver"

    def do_POST(self) -> None:
        """Take a store request."""
        behaviour = self.receiver.next_behaviour()
        if getattr(behaviour, "before_body", False):
            behaviour(self, Request("POST", self.path, dict(self.headers)))
            return
        try:
            body = self._read_body()
        except ConnectionError:
            self.close_connection = True
            return
        parsed = email.message_from_bytes(
            f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body
        )
        parts = [bytes(part.get_payload(decode=True)) for part in parsed.get_payload()]  # type: ignore[union-attr]
        request = Request("POST", self.path, dict(self.headers), parts)
        self.receiver.requests.append(request)
        behaviour(self, request)

    def do_GET(self) -> None:
        """Take a probe."""
        self.receiver.requests.append(Request("GET", self.path, dict(self.headers)))
        self.answer(self.receiver.probe_status, b"[]")

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("content_type", "application/dicom+json"))
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Stay quiet."""

    def _read_body(self) -> bytes:
        if self.headers["Content-Length"]:
            return self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Transfer-Encoding"] == "chunked"
        body = bytearray()
        while size := int(self.rfile.readline() or b"-1", 16):
            if size < 0:
                raise ConnectionAbortedError("the body was cut off")
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)


@dataclass(slots=True)
class Receiver:
    """What came in, and the script of what to do next."""

    port: int = 0
    probe_status: int = 200
    script: list[Behaviour] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    read_uid: Callable[[bytes], str] = lambda content: content.decode()
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its STOW-RS address."""
        return f"http://127.0.0.1:{self.port}/dicom-web/studies"

    def next_behaviour(self) -> Behaviour:
        """Take the next line of the script."""
        with self.lock:
            return self.script.pop(0) if self.script else store_all


@contextlib.contextmanager
def run_receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver on a free loopback port for the length of the block, with a context under TLS."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"receiver": receiver}))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def module(stored: list[str], failed: dict[str, int] | None = None) -> bytes:
    """Return a Store Instances Response Module in DICOM JSON."""
    content: dict[str, Any] = {}
    if stored:
        items = [{SOP_INSTANCE_UID: {"vr": "UI", "Value": [uid]}} for uid in stored]
        content["00081199"] = {"vr": "SQ", "Value": items}
    if failed:
        content["00081198"] = {
            "vr": "SQ",
            "Value": [
                {
                    SOP_INSTANCE_UID: {"vr": "UI", "Value": [uid]},
                    FAILURE_REASON: {"vr": "US", "Value": [reason]},
                }
                for uid, reason in failed.items()
            ],
        }
    return json.dumps(content).encode()


def store_all(handler: Handler, request: Request) -> None:
    """Store every part and name it."""
    uids = [handler.receiver.read_uid(part) for part in request.parts]
    handler.receiver.stored.extend(uids)
    handler.answer(200, module(uids))


def refuse(status: int, *uids: str, reason: int = 0x0110) -> Behaviour:
    """Name these instances as failed, the others as stored."""

    def behave(handler: Handler, request: Request) -> None:
        stored = [uid for uid in map(handler.receiver.read_uid, request.parts) if uid not in uids]
        handler.receiver.stored.extend(stored)
        handler.answer(status, module(stored, dict.fromkeys(uids, reason)))

    return behave


def forget(*uids: str) -> Behaviour:
    """Answer 200 but leave these instances out."""

    def behave(handler: Handler, request: Request) -> None:
        handler.answer(
            200, module([u for u in map(handler.receiver.read_uid, request.parts) if u not in uids])
        )

    return behave


def answer(status: int, content: bytes = b"", **headers: str) -> Behaviour:
    """Answer with just this."""

    def behave(handler: Handler, request: Request) -> None:
        handler.answer(status, content, **headers)

    return behave


def store_then_hang_up(handler: Handler, request: Request) -> None:
    """Store every part, and be gone before the answer is sent."""
    handler.receiver.stored.extend(map(handler.receiver.read_uid, request.parts))
    handler.close_connection = True


def answer_half(handler: Handler, request: Request) -> None:
    """Announce an answer and break off in the middle of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"00081199":')
    handler.close_connection = True


def say_nothing(wait_s: float) -> Behaviour:
    """Take the body and stay silent."""

    def behave(handler: Handler, request: Request) -> None:
        time.sleep(wait_s)
        handler.close_connection = True

    return behave


def hang_up(handler: Handler, request: Request) -> None:
    """Close the connection without reading the body."""
    handler.close_connection = True


hang_up.before_body = True  # type: ignore[attr-defined]
