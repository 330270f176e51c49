"""A codec process whose decoder does what a broken library may do, told by the first bytes of the frame."""

import ctypes
import os
import socket
import sys
import time
from typing import Any
from unittest.mock import patch

from repository import codec_process
from repository.decode import Frame, decode_here


def misbehave(raw: bytes, description: Any, **options: Any) -> Frame:
    """Crash, hang, loop, leave or take too much memory; decode what says nothing of the kind."""
    if raw.startswith(b"crash"):
        ctypes.string_at(0)
    while raw.startswith(b"loop"):
        pass
    if raw.startswith(b"hang"):
        time.sleep(600)
    if raw.startswith(b"leave"):
        os._exit(3)
    if raw.startswith(b"memory"):
        bytearray(codec_process.MEMORY_BYTES)
    if raw.startswith(b"nonsense"):
        socket.socket(fileno=os.dup(int(sys.argv[1]))).sendall(b"\xff" * 64)
    return decode_here(raw, description, **options)


def never_end(*_: Any) -> Any:
    """Encode for ever."""
    while True:
        pass


if __name__ == "__main__":
    with (
        patch.object(codec_process, "decode_here", misbehave),
        patch.object(codec_process, "encode_pictures", never_end),
    ):
        codec_process.main()
