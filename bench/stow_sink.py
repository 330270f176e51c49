"""A STOW-RS sink that reads, names and forgets: what a receiver costs at the least. Prints its port.

    python bench/stow_sink.py

It counts requests, instances and bytes; `GET /figures` tells them, `GET /reset` begins anew.
"""

import json
import re
import socket
import socketserver
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

UID = re.compile(rb"\x02\x00\x03\x00UI(..)", re.DOTALL)
FIGURES = {"requests": 0, "instances": 0, "bytes": 0}


class Connection(socketserver.StreamRequestHandler):
    """One connection: requests one after the other."""

    rbufsize = 1 << 20

    def handle(self) -> None:
        """Answer until the peer ends."""
        while line := self.rfile.readline():
            method, path, _ = line.decode("latin-1").split(" ", 2)
            headers = {}
            while (text := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = text.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            if method == "GET":
                self.answer(200, self.tell(path))
                continue
            if headers.get("expect", "").lower() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.answer(200, self.take(headers))

    def tell(self, path: str) -> bytes:
        """Return the figures; `/reset` forgets them, anything else is a probe."""
        if path == "/reset":
            FIGURES.update(requests=0, instances=0, bytes=0)
        return json.dumps(FIGURES).encode() if path in ("/figures", "/reset") else b"[]"

    def take(self, headers: dict[str, str]) -> bytes:
        """Read a body and name every instance in it."""
        uids: list[str] = []
        tail = b""
        for block in self.read_body(headers):
            FIGURES["bytes"] += len(block)
            window = tail + block
            for found in UID.finditer(window):
                length = int.from_bytes(found[1], "little")
                value = window[found.end() : found.end() + length]
                if len(value) == length and found.end() + length > len(tail):
                    uids.append(value.rstrip(b"\0").decode("ascii"))
            tail = window[-128:]
        FIGURES["requests"] += 1
        FIGURES["instances"] += len(uids)
        items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in dict.fromkeys(uids)]
        return json.dumps({"00081199": {"vr": "SQ", "Value": items}}).encode()

    def read_body(self, headers: dict[str, str]) -> Iterator[bytes]:
        """Yield the body in blocks."""
        if "content-length" in headers:
            left = int(headers["content-length"])
            while left and (block := self.rfile.read(min(left, 1 << 18))):
                left -= len(block)
                yield block
            return
        while size := int(self.rfile.readline() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, status: int, content: bytes) -> None:
        """Send a whole answer."""
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/dicom+json\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)
        self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    """Takes many connections."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Answers are small: no waiting for more of them."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Connection) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
