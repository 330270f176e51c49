"""Compressed frames as the value of Pixel Data: one fragment a frame, an empty Basic Offset Table in front.

Standard: PS3.5 A.4
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from repository.encoding import UNDEFINED_LENGTH, encode_explicit_header
from repository.explicit import ITEM, PIXEL_DATA, SEQUENCE_DELIMITER


def encapsulate(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the element Pixel Data with each frame in a fragment of its own.

    The offset table is empty: where the last frame begins is known only when all have been compressed, and the
    first has left by then.
    """
    yield encode_explicit_header(PIXEL_DATA, "OB", UNDEFINED_LENGTH) + _encode_item(ITEM, 0)
    for frame in frames:
        padding = b"\0" * (len(frame) % 2)
        yield _encode_item(ITEM, len(frame) + len(padding)) + frame + padding
    yield _encode_item(SEQUENCE_DELIMITER, 0)


def _encode_item(tag: int, length_bytes: int) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length_bytes)
