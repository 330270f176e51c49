"""The process that runs codecs on bytes nobody vouches for: bounded memory and time, an empty environment, one socket.

`guarded_codecs` starts it and speaks to it. Neither the database nor the storage nor a secret of the server is in
its reach, and what it answers is checked by the other side as any foreign input is.
"""

from __future__ import annotations

import resource
import socket
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from repository.av1 import encode_pictures
from repository.codec_messages import ClosedChannel, receive_message, send_message
from repository.decode import UndecodableFrame, decode_here
from repository.encode import UnencodableImage, encode_frame
from repository.pixels import MAX_FRAME_BYTES, FrameTooLarge, PixelDescription

MEMORY_BYTES: Final = 8 * MAX_FRAME_BYTES
"""Memory beyond what the libraries take: some decoders use 32 bits for a sample of 8, the result comes on top."""

MAX_RAW_BYTES: Final = 2 * MAX_FRAME_BYTES
_REFUSALS = (UndecodableFrame, UnencodableImage, FrameTooLarge)


def serve(channel: socket.socket) -> None:
    """Answer one request after the other until the channel is closed."""
    while True:
        try:
            head, raw = receive_message(channel, MAX_RAW_BYTES)
        except ClosedChannel:
            return
        _limit_cpu(head["cpu_s"])
        send_message(channel, *_answer(head, bytes(raw)))


def main() -> None:
    """Take the limits, say that this process is ready, serve."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _limit_memory()
    send_message(channel, {"ready": True}, b"")
    serve(channel)


def _answer(head: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bytes | memoryview]:
    if "film" in head:
        return _answer_film(head["film"], raw)
    description = PixelDescription(**head["description"])
    try:
        frame = decode_here(raw, description, bit_offset=head["bit_offset"])
        if head["target"]:
            return {}, encode_frame(frame, description, head["colours"], head["target"])
    except _REFUSALS as error:
        return {"refusal": type(error).__name__, "reason": str(error)}, b""
    return {}, frame.reshape(-1).view("u1").data


def _answer_film(film: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bytes]:
    pictures = np.frombuffer(raw, np.uint8).reshape(film["shape"])
    try:
        samples = encode_pictures(pictures, film["quality"])
    except _REFUSALS as error:
        return {"refusal": type(error).__name__, "reason": str(error)}, b""
    sizes = [len(frame) for frame in samples.frames]
    return {"sizes": sizes, "configuration": samples.configuration.hex()}, b"".join(samples.frames)


def _limit_memory() -> None:
    used_pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = used_pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_cpu(cpu_s: int) -> None:
    # The limit counts from the start of the process: it moves ahead with every request.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + 1 + cpu_s, hard))


if __name__ == "__main__":
    main()
