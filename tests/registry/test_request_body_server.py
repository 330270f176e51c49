"""Bodies under a real server: chunked or announced, whole or from a client that vanishes."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.wire.multipart_related import close_delimiter, frame_part
from tests.support.processes import find_free_port, is_listening, start_process, stop_process, wait_until

pytestmark = pytest.mark.server

CONTENTS = [b"\r\n--b0-" * 40_000 + b"x", b"", b"y" * 700_000]
BODY = b"".join(frame_part("b0", "application/dicom") + data for data in CONTENTS) + close_delimiter("b0")
SIZES = [len(data) for data in CONTENTS]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    number = find_free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(number), "--no-ws"]
    process = start_process(
        [*command, "--blocking-threads", "4", "tests.registry.body_app:application"],
        tmp_path_factory.mktemp("granian") / "log",
        folder=Path(__file__).parents[2],
    )
    try:
        wait_until(process, lambda: is_listening(number), "granian")
        yield number
    finally:
        stop_process(process)


def send(port: int, verdict_path: Path, framing: str, data: bytes, *, vanish: bool = False) -> dict[str, Any]:
    """Send a request and give the verdict from the file: a client that vanished reads no answer."""
    fields = ["Host: localhost", "Connection: close", f"X-Verdict: {verdict_path}", framing]
    head = "\r\n".join(["POST / HTTP/1.1", *fields, "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode() + data)
        if vanish:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    for _ in range(600):
        if verdict_path.exists():
            verdict: dict[str, Any] = json.loads(verdict_path.read_bytes())
            return verdict
        time.sleep(0.05)
    raise AssertionError("the application never came to a verdict")


def chunked(data: bytes, size: int = 100_000) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)


def test_an_announced_body_arrives_whole(port: int, tmp_path: Path) -> None:
    verdict = send(port, tmp_path / "v", f"Content-Length: {len(BODY)}", BODY)
    assert verdict == {
        "announced": len(BODY),
        "parts": SIZES,
        "error": None,
        "complete": True,
        "received": len(BODY),
    }


def test_a_chunked_body_arrives_whole(port: int, tmp_path: Path) -> None:
    verdict = send(port, tmp_path / "v", "Transfer-Encoding: chunked", chunked(BODY) + b"0\r\n\r\n")
    assert verdict == {
        "announced": None,
        "parts": SIZES,
        "error": None,
        "complete": True,
        "received": len(BODY),
    }


@pytest.mark.parametrize("kept", [0, 10, len(BODY) // 2, len(BODY) - 10])
def test_a_client_that_vanishes_never_leaves_a_complete_body(port: int, tmp_path: Path, kept: int) -> None:
    announced = send(port, tmp_path / "a", f"Content-Length: {len(BODY)}", BODY[:kept], vanish=True)
    in_chunks = send(port, tmp_path / "c", "Transfer-Encoding: chunked", chunked(BODY[:kept]), vanish=True)
    for verdict in (announced, in_chunks):
        assert not verdict["complete"]
        assert verdict["error"] in ("TruncatedBody", "MalformedMultipart")


def test_a_client_that_vanishes_within_the_epilogue_is_noticed_by_the_length(
    port: int, tmp_path: Path
) -> None:
    verdict = send(port, tmp_path / "v", f"Content-Length: {len(BODY) + 100}", BODY, vanish=True)
    assert verdict["complete"]
    assert verdict["error"] == "TruncatedBody"
