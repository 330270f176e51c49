"""A codec that crashes, hangs or eats costs one frame; the next one is decoded."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from repository import guarded_codecs
from repository.decode import UndecodableFrame, decode_frame
from repository.encode import encode_frame
from repository.guarded_codecs import CodecsBusy, LostCodec, run_codec, stop_codecs
from repository.pixels import PixelDescription

RLE = "1.2.840.10008.1.2.5"
DESCRIPTION = PixelDescription(8, 9, 1, 16, 12, 11, 0, "MONOCHROME2", 0, 1, RLE)
FRAME = np.arange(72, dtype=np.uint16).reshape(8, 9)
ENCODED = encode_frame(
    FRAME, replace(DESCRIPTION, transfer_syntax_uid="1.2.840.10008.1.2.1"), "MONOCHROME2", RLE
)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run codecs that misbehave on demand, with little time."""
    stop_codecs()
    monkeypatch.setattr(guarded_codecs, "PROGRAM", "tests.support.hostile_codec")
    monkeypatch.setattr(guarded_codecs, "CPU_S", 0)
    monkeypatch.setattr(guarded_codecs, "WAIT_S", 2)
    yield
    stop_codecs()


def test_the_process_is_used_again() -> None:
    stop_codecs()
    processes = set()
    for _ in range(3):
        assert np.array_equal(decode_frame(ENCODED, DESCRIPTION), FRAME)
        [codec] = guarded_codecs._IDLE
        processes.add(codec.process.pid)
    assert len(processes) == 1


def test_it_decodes_and_encodes_in_one_go() -> None:
    raw = run_codec(ENCODED, DESCRIPTION, colours="MONOCHROME2", target="1.2.840.10008.1.2.4.80")
    assert raw[:4] == b"\xff\xd8\xff\xf7"


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"crash", "crashed .SIGSEGV."),
        (b"loop", "more CPU time"),
        (b"hang", "did not answer in time"),
        (b"leave", "ended with status 3"),
        (b"memory", "ended with status 1"),
        (b"nonsense", "codec"),
    ],
)
def test_what_a_codec_does_costs_one_frame(
    frame: bytes, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if frame == b"loop":  # on a busy machine a second of CPU takes its time
        monkeypatch.setattr(guarded_codecs, "WAIT_S", 60)
    caplog.set_level(logging.WARNING)
    with pytest.raises(LostCodec, match=reason):
        run_codec(frame, DESCRIPTION)
    assert "a codec process was lost" in caplog.text
    assert not guarded_codecs._IDLE
    assert np.array_equal(decode_frame(ENCODED, DESCRIPTION), FRAME)


@pytest.mark.usefixtures("hostile")
def test_a_lost_codec_makes_the_frame_undecodable() -> None:
    with pytest.raises(UndecodableFrame, match="crashed"):
        decode_frame(b"crash", DESCRIPTION)


def test_a_process_that_ended_while_idle_is_replaced() -> None:
    stop_codecs()
    decode_frame(ENCODED, DESCRIPTION)
    [codec] = guarded_codecs._IDLE
    os.kill(codec.process.pid, signal.SIGKILL)
    codec.process.wait()
    assert np.array_equal(decode_frame(ENCODED, DESCRIPTION), FRAME)


def test_frames_at_the_same_time_share_few_processes() -> None:
    stop_codecs()
    results: list[bool] = []

    def decode_some() -> None:
        results.extend(np.array_equal(decode_frame(ENCODED, DESCRIPTION), FRAME) for _ in range(5))

    threads = [threading.Thread(target=decode_some) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 30
    assert 1 <= len(guarded_codecs._IDLE) <= guarded_codecs.MAX_PROCESSES


def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_codecs, "WAIT_S", 0)
    monkeypatch.setattr(guarded_codecs, "_PLACES", threading.BoundedSemaphore(1))
    with guarded_codecs._PLACES, pytest.raises(CodecsBusy, match="try again"):
        run_codec(ENCODED, DESCRIPTION)


def test_neither_secrets_nor_files_are_in_reach() -> None:
    stop_codecs()
    decode_frame(ENCODED, DESCRIPTION)
    [codec] = guarded_codecs._IDLE
    with open(f"/proc/{codec.process.pid}/environ", "rb") as environment:
        names = {entry.partition(b"=")[0] for entry in environment.read().split(b"\0") if entry}
    assert names <= {name.encode() for name in guarded_codecs._ENVIRONMENT} | {b"LC_CTYPE"}
    opened = [os.readlink(f"/proc/{codec.process.pid}/fd/{fd}") for fd in _list_files(codec)]
    assert all(name.startswith(("socket:", "/dev/null", "pipe:")) or "/tmp" in name for name in opened)


def _list_files(codec: Any) -> list[str]:
    return [name for name in os.listdir(f"/proc/{codec.process.pid}/fd") if name != "2"]


def test_a_forked_process_starts_its_own() -> None:
    decode_frame(ENCODED, DESCRIPTION)
    pid = os.fork()
    if pid == 0:
        is_right = not guarded_codecs._IDLE and np.array_equal(decode_frame(ENCODED, DESCRIPTION), FRAME)
        stop_codecs()
        os._exit(0 if is_right else 1)
    assert os.waitpid(pid, 0)[1] == 0
