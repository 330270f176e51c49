"""A receiver of notifications in a process of its own: http.server, told by its address how to behave.

The path says what it does: `/ok`, `/fail` (500), `/slow` (after a long time), `/gone` (no answer), `/move` (302).
Every body it takes at `/ok` is a line of the file it is given.
"""

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

PROGRAM = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/gone":
            self.connection.close(); return
        if self.path == "/slow":
            time.sleep(30)
        if self.path.startswith("/ok"):
            with open(sys.argv[1], "a") as out:
                out.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}) + "\\n")
        self.send_response(500 if self.path == "/fail" else 302 if self.path == "/move" else 200)
        if self.path == "/move":
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", "0"); self.end_headers()
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *args): pass
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass(slots=True)
class Hook:
    """The receiver: `port` stays when it is stopped and started again."""

    file: Path
    port: int = 0
    process: Any = None

    def start(self) -> None:
        """Start it, at the port that it had."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.file), str(self.port)], stdout=subprocess.PIPE
        )
        self.port = int(self.process.stdout.readline())
        for _ in range(50):
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url("/"), timeout=2):
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def url(self, path: str) -> str:
        """Return an address of it."""
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def taken(self) -> list[dict[str, Any]]:
        """What it took, in order."""
        if not self.file.exists():
            return []
        return [orjson.loads(line) for line in self.file.read_bytes().splitlines()]

    @property
    def bundles(self) -> list[dict[str, Any]]:
        """The JSON bodies that it took."""
        return [orjson.loads(one["body"]) for one in self.taken]


@contextlib.contextmanager
def run_hook(folder: Path) -> Iterator[Hook]:
    """Run a receiver."""
    hook = Hook(folder / "taken.jsonl")
    hook.start()
    try:
        yield hook
    finally:
        hook.stop()
