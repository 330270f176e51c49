"""The few facts that the header of a compressed frame states about itself: size, precision, sign, colour.

They are read before a decoder runs, so that a frame of 60,000 x 60,000 inside an instance of 512 x 512 is
refused for what it says instead of being decoded first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_NOT_A_FRAME_HEADER = frozenset({0xC4, 0xC8, 0xCC})
_JPEG_LS_FRAME_HEADER = 0xF7


class UnreadableCodestream(ValueError):
    """The compressed bytes do not begin as their transfer syntax says."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a codestream says about itself.

    `adobe_transform` is the colour transform of an Adobe APP14 segment (0 none, 1 YCbCr), None without one;
    `is_chroma_subsampled` is true where the first component is sampled finer than the others.
    """

    rows: int
    columns: int
    components: int
    precision: int
    is_signed: bool = False
    adobe_transform: int | None = None
    is_chroma_subsampled: bool = False


def read_jpeg_header(raw: bytes) -> Codestream:
    """Read the frame header of a JPEG or JPEG-LS codestream.

    Raises
    ------
    UnreadableCodestream
        No SOI marker, or no frame header before the data ends.

    Standard: ISO/IEC 10918-1 B.2, ISO/IEC 14495-1 C.2
    """
    if raw[:2] != b"\xff\xd8":
        raise UnreadableCodestream(
            f"the frame does not begin with a JPEG start marker but with {raw[:4].hex() or 'nothing'}"
        )
    position, adobe_transform = 2, None
    while position + 4 <= len(raw):
        if raw[position] != 0xFF:
            break
        marker = raw[position + 1]
        if marker == 0xFF or marker in _STANDALONE_MARKERS:
            position += 1 if marker == 0xFF else 2
            continue
        (length_bytes,) = struct.unpack_from(">H", raw, position + 2)
        body = raw[position + 4 : position + 2 + length_bytes]
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe_transform = body[11]
        if marker == _JPEG_LS_FRAME_HEADER or (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME_HEADER):
            return _read_frame_header(body, adobe_transform)
        position += 2 + length_bytes
    raise UnreadableCodestream("the JPEG codestream ends before its frame header")


def read_jpeg_2000_header(raw: bytes) -> Codestream:
    """Read the SIZ segment of a JPEG 2000 or HTJ2K codestream, bare or inside a JP2 file.

    Raises
    ------
    UnreadableCodestream
        No SIZ segment, or one that is cut short.

    Standard: ISO/IEC 15444-1 A.5.1
    """
    start = raw.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(raw) < start + 43:
        raise UnreadableCodestream("the frame holds no JPEG 2000 codestream header")
    right, bottom, left, top = struct.unpack_from(">4I", raw, start + 8)
    (components,) = struct.unpack_from(">H", raw, start + 40)
    depth = raw[start + 42]
    return Codestream(
        rows=bottom - top,
        columns=right - left,
        components=components,
        precision=(depth & 0x7F) + 1,
        is_signed=bool(depth & 0x80),
    )


def _read_frame_header(body: bytes, adobe_transform: int | None) -> Codestream:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise UnreadableCodestream("the JPEG frame header is cut short")
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    sampling = [body[7 + 3 * index] for index in range(components)]
    return Codestream(
        rows=rows,
        columns=columns,
        components=components,
        precision=precision,
        adobe_transform=adobe_transform,
        is_chroma_subsampled=len(set(sampling)) > 1,
    )
