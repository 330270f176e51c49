"""Codecs kept at arm's length: compressed frames are decoded and encoded in processes that may die.

At most `MAX_PROCESSES` of them stand beside each process of the server; they are started when first needed and
used again. One that crashes, hangs, or wants too much memory or time costs the frame that did it, and the next
frame gets a new process.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from repository.codec_messages import ClosedChannel, OverlongMessage, receive_message, send_message
from repository.pixels import PixelDescription

log = logging.getLogger(__name__)

MAX_PROCESSES: Final = min(2, os.cpu_count() or 1)
WAIT_S: Final = 30
"""How long a frame waits for a process, and for an answer beyond the CPU time that it may take."""

PROGRAM: Final = "repository.codec_process"

_PROJECT = Path(__file__).resolve().parents[1]
_START_S = 60
CPU_S, _BYTES_A_CPU_S = 2, 4 << 20
_FILM_BYTES_A_CPU_S = 1 << 20  # twenty times what the encoder takes on the machine it was measured on
# Freed blocks stay with the process: clearing fresh pages costs more than decoding into them.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}


class RefusedFrame(ValueError):
    """The codec says why it cannot; `kind` is the name of its error."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class LostCodec(RuntimeError):
    """The process that ran the codec crashed or was stopped at its limits."""


class CodecsBusy(RuntimeError):
    """All processes were busy for as long as a frame may wait."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """A running process and the socket to it."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


def run_codec(
    raw: bytes, description: PixelDescription, *, bit_offset: int = 0, colours: str = "", target: str = ""
) -> bytearray:
    """Decode a frame, and encode it again where there is a target, in a guarded process.

    Parameters
    ----------
    colours, target
        The photometric interpretation once decoded, and the transfer syntax to encode in.

    Returns
    -------
    The samples of the decoded frame in native byte order, or the bytes of the encoded one.

    Raises
    ------
    RefusedFrame
        The codec says why it cannot.
    LostCodec
        It crashed, or needed more memory or time than a frame of this size may.
    CodecsBusy
        No process was free in time.
    """
    head = {
        "subject": description.transfer_syntax_uid,
        "description": asdict(description),
        "bit_offset": bit_offset,
        "colours": colours,
        "target": target,
        "cpu_s": CPU_S + description.frame_bytes // _BYTES_A_CPU_S,
    }
    return _run(head, raw, 8 * description.frame_bytes + (1 << 20))[1]


def run_film_codec(pictures: npt.NDArray[np.uint8], quality: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Encode RGB pictures (count, rows, columns, 3) as a group of video frames, in a guarded process.

    Returns
    -------
    The configuration of the decoder, and the bytes of each frame; see `av1.Samples`. Errors are those of `run_codec`.
    """
    head = {
        "subject": "a film",
        "film": {"shape": pictures.shape, "quality": quality},
        "cpu_s": CPU_S + pictures.nbytes // _FILM_BYTES_A_CPU_S,
    }
    # One film at a time: its groups take as long as a hundred frames, and whoever waits for a frame needs a place too.
    if not _FILM_PLACE.acquire(timeout=WAIT_S):
        raise CodecsBusy("other films are being made; try again")
    try:
        answer, payload = _run(head, pictures.reshape(-1).data, 2 * pictures.nbytes + (1 << 20))
    finally:
        _FILM_PLACE.release()
    ends = list(accumulate(answer["sizes"], initial=0))
    if len(ends) != len(pictures) + 1 or ends[-1] != len(payload):
        raise LostCodec("the codec answered with other frames than it was given")
    return bytes.fromhex(answer["configuration"]), tuple(bytes(payload[a:b]) for a, b in pairwise(ends))


def stop_codecs() -> None:
    """Stop the processes that are idle; those at work stop with this process."""
    while codec := _pop_idle():
        _stop(codec)


def _run(
    head: dict[str, Any], raw: bytes | memoryview, max_payload_bytes: int
) -> tuple[dict[str, Any], bytearray]:
    if not _PLACES.acquire(timeout=WAIT_S):
        raise CodecsBusy("all decoders are busy; try again")
    try:
        answer, payload = _ask(_take_codec(), head, raw, max_payload_bytes)
    finally:
        _PLACES.release()
    if "refusal" in answer:
        raise RefusedFrame(str(answer["refusal"]), str(answer["reason"]))
    return answer, payload


def _ask(
    codec: _Codec, head: dict[str, Any], raw: bytes | memoryview, max_payload_bytes: int
) -> tuple[dict[str, Any], bytearray]:
    try:
        codec.channel.settimeout(head["cpu_s"] + WAIT_S)
        send_message(codec.channel, head, raw)
        answer = receive_message(codec.channel, max_payload_bytes)
    except (OSError, ClosedChannel, OverlongMessage, ValueError) as error:
        reason = _say_how_it_ended(_stop(codec), error)
        log.warning("a codec process was lost at %s: %s", head["subject"], reason)
        raise LostCodec(reason) from error
    except BaseException:
        _stop(codec)  # what is still on its way would be taken for the next answer
        raise
    _IDLE.append(codec)
    return answer


def _take_codec() -> _Codec:
    while codec := _pop_idle():
        if codec.process.poll() is None:
            return codec
        codec.channel.close()
    return _start_codec()


def _pop_idle() -> _Codec | None:
    try:
        return _IDLE.pop()
    except IndexError:  # another thread was faster
        return None


def _start_codec() -> _Codec:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(theirs.fileno())],
            cwd=_PROJECT,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    codec = _Codec(process, ours)
    try:
        ours.settimeout(_START_S)
        receive_message(ours, 0)
    except (OSError, ClosedChannel) as error:
        raise LostCodec(f"no decoder could be started: {_say_how_it_ended(_stop(codec), error)}") from error
    return codec


def _stop(codec: _Codec) -> int:
    """Close the channel, end the process and return its exit status, its own where it had ended before."""
    codec.channel.close()
    try:
        codec.process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        codec.process.kill()
    return codec.process.wait()


def _say_how_it_ended(status: int, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the codec did not answer in time and was stopped"
    if status == -signal.SIGXCPU:
        return "the codec needed more CPU time than a frame of this size may"
    if status < 0:
        return f"the codec crashed ({signal.Signals(-status).name})"
    return f"the codec ended with status {status}"


def _forget_codecs() -> None:
    """Forget what belongs to the parent: two processes that speak over one socket would get each other's frames."""
    global _PLACES, _FILM_PLACE
    _IDLE.clear()
    _PLACES = threading.BoundedSemaphore(MAX_PROCESSES)
    _FILM_PLACE = threading.BoundedSemaphore(1)


_IDLE: list[_Codec] = []
_PLACES = threading.BoundedSemaphore(MAX_PROCESSES)
_FILM_PLACE = threading.BoundedSemaphore(1)
atexit.register(stop_codecs)
os.register_at_fork(after_in_child=_forget_codecs)
