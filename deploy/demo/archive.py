"""The image archive of the demo's departments: a STOW-RS receiver that reads everything and keeps nothing.

The departments of the demo have no system of their own. `up` runs this one beside the server, so that deliveries
really leave, are answered instance by instance, and show on the study page.

Standard: PS3.18 10.5
"""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from access.database import run_write
from registry.models import Destination
from registry.wire.multipart_related import MalformedMultipart, MissingBoundary, MultipartReader, boundary_of
from registry.wire.request_body import TruncatedBody
from repository.part10 import Part10Error, read_header

LOOPBACK = "127.0.0.1"
PATH = "/demo-archive/"
REFUSES = "refuses-"
"""At the beginning of a receiver's name in the address: it takes nothing, so that the demo has failures to show."""


@dataclass(frozen=True, slots=True)
class DemoArchive:
    """A bound archive: senders can connect, and are answered once `serve` was called."""

    server: ThreadingHTTPServer

    def serve(self) -> None:
        """Answer from a thread that ends with the process.

        Start every child process before: a process with threads must not fork.
        """
        threading.Thread(target=self.server.serve_forever, name="demo-archive", daemon=True).start()

    def close(self) -> None:
        """Stop answering and give the port back."""
        self.server.shutdown()
        self.server.server_close()


def bind_demo_archive() -> DemoArchive | None:
    """Take a free loopback port and point the demo's destinations at it; None where there is no demo."""
    destinations = list(Destination.objects.filter(url__startswith=f"http://{LOOPBACK}", url__contains=PATH))
    if not destinations:
        return None
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    server.daemon_threads = True
    run_write(lambda: _point(destinations, int(server.server_address[1])))
    return DemoArchive(server)


def make_archive_url(department_hsa_id: str, port: int = 9) -> str:
    """Make the address of a department's archive; port 9 stands for the one that `up` finds."""
    return f"http://{LOOPBACK}:{port}{PATH}{department_hsa_id}/studies"


def _point(destinations: list[Destination], port: int) -> None:
    for row in destinations:
        Destination.objects.filter(pk=row.pk).update(
            url=make_archive_url(row.url.split(PATH)[1].split("/")[0], port),
            active=True,
            breaker=Destination.CLOSED,
            consecutive_failures=0,
            times_opened=0,
            open_until=None,
            last_error="",
        )


class _ChunkedBody:
    """The body of a request with Transfer-Encoding: chunked, which Python's server leaves to the handler."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 0
        self._ended = False

    def read(self, size_bytes: int) -> bytes:
        """Read up to `size_bytes`; empty at the end."""
        if not self._left and not self._ended:
            self._left = int(self._file.readline(64) or b"0", 16)
            if not self._left:
                self._file.readline(64)
                self._ended = True
        piece: bytes = self._file.read(min(size_bytes, self._left))
        self._left -= len(piece)
        if piece and not self._left:
            self._file.readline(64)
        return piece


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a search: nothing is kept, nothing is found."""
        self._answer(200, [])

    def do_POST(self) -> None:
        """Take a store request and name every instance of it."""
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            self.close_connection = True
            self._answer(401, {"error": "send a bearer token"})
            return
        if f"{PATH}{REFUSES}" in self.path:
            self.close_connection = True
            self._answer(422, {"error": "this register takes measurements, no images"})
            return
        try:
            stored, failed = self._read_parts()
        except (MissingBoundary, MalformedMultipart, TruncatedBody, ValueError) as error:
            self.close_connection = True
            self._answer(400, {"error": str(error)})
            return
        module = {"00081199": _make_sequence(stored)} if stored else {}
        if failed:
            module["0008119A"] = _make_sequence(failed)
        self._answer(200 if not failed else 202 if stored else 409, module)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Stay quiet: the delivery that sent this is logged where it belongs."""

    def _read_parts(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        stored, failed = [], []
        boundary = boundary_of(self.headers.get("Content-Type", ""))
        for part in MultipartReader(_ChunkedBody(self.rfile).read, boundary):
            content = b"".join(part.chunks())
            try:
                header = read_header(content)
            except Part10Error as error:
                failed.append({"00081197": _make_value("US", error.failure_reason)})
            else:
                uids = {"00081150": header.sop_class_uid, "00081155": header.sop_instance_uid}
                stored.append({tag: _make_value("UI", uid) for tag, uid in uids.items()})
        return stored, failed

    def _answer(self, status: int, document: Any) -> None:
        content = orjson.dumps(document)
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _make_sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}


def _make_value(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}
