"""A service for blocks and consents as a process of its own, as a region or the nation would run one.

`python -P block_service.py FILE` prints its port and answers POST /restrictions with what FILE says about a number, by its value.
The file is read at every request; FILE.seen gets a line for each. `"slow"` in the file is waited for, in seconds.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "token of the tests"
STARTS_WITHIN_S = 20


class Handler(BaseHTTPRequestHandler):
    """Answers from the file."""

    file: Path

    def do_GET(self) -> None:
        """Say that the process is up."""
        self._answer(200, {})

    def do_POST(self) -> None:
        """Answer what is known about the first number that is known."""
        known = json.loads(self.file.read_text())
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.file.with_suffix(".seen").open("a") as seen:
            seen.write(json.dumps({"path": self.path, **asked}) + "\n")
        time.sleep(known.get("slow", 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {})
        elif self.path != "/api/restrictions":
            self._answer(404, {})
        elif "status" in known:
            self._answer(known["status"], {})
        else:
            values = [number["value"] for number in asked["numbers"]]
            nothing: dict[str, Any] = {"blocks": [], "lifts": [], "consents": []}
            found: dict[str, Any] = next(
                (known["patients"][value] for value in values if value in known["patients"]), {}
            )
            self._answer(200, nothing | found)

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Stay silent: numbers of patients are in what would be logged."""


@dataclass(slots=True)
class BlockService:
    """A running service: what it knows can be changed, and it can be stopped."""

    url: str
    file: Path
    process: subprocess.Popen[bytes]

    def know(self, **patients: dict[str, Any]) -> None:
        """Let it know this about numbers (`p191212121212=...`), and nothing else."""
        self.behave(patients={name.removeprefix("p"): told for name, told in patients.items()})

    def behave(self, **values: Any) -> None:
        """Let it behave as told: `status=500`, `slow=3`, `patients={}`."""
        written = self.file.with_suffix(".new")
        written.write_text(json.dumps({"patients": {}} | values))
        written.replace(self.file)

    def seen(self) -> list[dict[str, Any]]:
        """Return what it was asked."""
        path = self.file.with_suffix(".seen")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def stop(self) -> None:
        """End the process; its port refuses connections from then on."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def run_block_service(folder: Path) -> Iterator[BlockService]:
    """Run a service that knows nothing yet."""
    file = folder / "restrictions.json"
    file.write_text('{"patients": {}}')
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        service = BlockService(f"http://127.0.0.1:{port}/api", file, process)
        urllib.request.urlopen(service.url, timeout=STARTS_WITHIN_S).close()
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def main() -> None:
    """Serve on a free port of the loopback and say which."""
    Handler.file = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
