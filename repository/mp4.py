"""AV1 video in an MP4 file of fragments: written front to back, one group of frames in memory at a time.

The bytes depend on nothing but what is shown: no times, no random names.

Standard: ISO/IEC 14496-12 (boxes), AV1 Codec ISO Media File Format Binding v1.2.0
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from repository.av1 import MATRIX, PRIMARIES, TRANSFER

TIMESCALE: Final = 90_000
"""Ticks a second, of all durations here."""

_TRACK_ID: Final = 1
_IDENTITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_KEY_FRAME, _OTHER_FRAME = 0x02000000, 0x01010000
_LANGUAGE_NONE: Final = 0x55C4
_MAX_DURATION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Film:
    """What the head of a film says: its size in pixels, how long it runs, and how it is to be decoded."""

    width: int
    height: int
    duration_ticks: int
    configuration: bytes


def write_head(film: Film) -> bytes:
    """Return the boxes in front of the first frame."""
    duration = min(film.duration_ticks, _MAX_DURATION)
    movie = _full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">4IIH10x", 0, 0, TIMESCALE, 0, 1 << 16, 1 << 8),
        _IDENTITY,
        bytes(24),
        struct.pack(">I", _TRACK_ID + 1),
    )
    extends = _box(
        b"mvex",
        _full_box(b"mehd", 0, 0, struct.pack(">I", duration)),
        _full_box(b"trex", 0, 0, struct.pack(">5I", _TRACK_ID, 1, 0, 0, _OTHER_FRAME)),
    )
    brands = b"isom" + struct.pack(">I", 512) + b"isomiso6av01mp41"
    return _box(b"ftyp", brands) + _box(b"moov", movie, _write_track(film), extends)


def write_group(
    number: int, start_ticks: int, frames: Sequence[bytes], durations_ticks: Sequence[int]
) -> bytes:
    """Return the boxes of a group of frames, the first of which is a key frame.

    Parameters
    ----------
    number
        Of the group, from 1.
    start_ticks
        When its first frame is shown.
    """
    samples = b"".join(
        struct.pack(">II", ticks, len(frame)) for ticks, frame in zip(durations_ticks, frames, strict=True)
    )

    def write_index(data_offset: int) -> bytes:
        run = struct.pack(">IiI", len(frames), data_offset, _KEY_FRAME)
        return _box(
            b"moof",
            _full_box(b"mfhd", 0, 0, struct.pack(">I", number)),
            _box(
                b"traf",
                _full_box(b"tfhd", 0, 0x020000, struct.pack(">I", _TRACK_ID)),
                _full_box(b"tfdt", 1, 0, struct.pack(">Q", start_ticks)),
                _full_box(b"trun", 0, 0x000305, run, samples),
            ),
        )

    index = write_index(len(write_index(0)) + 8)
    return index + _box(b"mdat", *frames)


def _write_track(film: Film) -> bytes:
    size = struct.pack(">II", film.width << 16, film.height << 16)
    header = _full_box(b"tkhd", 0, 3, struct.pack(">5I", 0, 0, _TRACK_ID, 0, 0), bytes(16), _IDENTITY, size)
    media_header = _full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, TIMESCALE, 0, _LANGUAGE_NONE, 0))
    handler = _full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"frames\0")
    here = _box(b"dinf", _full_box(b"dref", 0, 0, struct.pack(">I", 1), _full_box(b"url ", 0, 1)))
    table = _box(
        b"stbl",
        _full_box(b"stsd", 0, 0, struct.pack(">I", 1), _write_sample_entry(film)),
        _full_box(b"stts", 0, 0, bytes(4)),
        _full_box(b"stsc", 0, 0, bytes(4)),
        _full_box(b"stsz", 0, 0, bytes(8)),
        _full_box(b"stco", 0, 0, bytes(4)),
    )
    information = _box(b"minf", _full_box(b"vmhd", 0, 1, bytes(8)), here, table)
    return _box(b"trak", header, _box(b"mdia", media_header, handler, information))


def _write_sample_entry(film: Film) -> bytes:
    resolution = 72 << 16
    picture = struct.pack(
        ">6xH16xHHIIIH32xHh", 1, film.width, film.height, resolution, resolution, 0, 1, 24, -1
    )
    colours = struct.pack(">4sHHHB", b"nclx", PRIMARIES, TRANSFER, MATRIX, 0x80)
    return _box(b"av01", picture, _box(b"av1C", film.configuration), _box(b"colr", colours))


def _box(name: bytes, *contents: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, contents)), name) + b"".join(contents)


def _full_box(name: bytes, version: int, flags: int, *contents: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), *contents)
