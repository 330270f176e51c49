"""Pictures as samples of AV1 video: libaom by way of its image container, which is taken off again.

Runs in the codec process. `imagecodecs` hands out sequences as AVIF, which is the box format of MP4 with a few
boxes that no player of films reads; the samples and their configuration are what a film needs.

Standard: AV1 Codec ISO Media File Format Binding v1.2.0
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import imagecodecs
import numpy as np
import numpy.typing as npt

from repository.encode import UnencodableImage

Pictures = npt.NDArray[np.uint8]

PRIMARIES, TRANSFER, MATRIX = 1, 13, 6
"""Code points of ISO/IEC 23091-2: those of BT.709, sRGB, BT.601; the range is full, so that grey stays what it is."""

_SPEED: Final = 10
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_SAMPLE_ENTRY_BYTES: Final = 78
_TEMPORAL_DELIMITER = b"\x12\x00"


@dataclass(frozen=True, slots=True)
class Samples:
    """Frames that begin with a key frame: the content of their `av1C` box, and the bytes of each."""

    configuration: bytes
    frames: tuple[bytes, ...]


def encode_pictures(pictures: Pictures, quality: int) -> Samples:
    """Encode pictures of shape (count, rows, columns, 3), RGB, as one group that is decoded by itself.

    Parameters
    ----------
    quality
        1 to 100; at 100 grey loses nothing.

    Raises
    ------
    UnencodableImage
        The encoder cannot.
    """
    # One picture alone would become a still, in other boxes.
    several = pictures if len(pictures) > 1 else np.concatenate([pictures, pictures])
    try:
        container = imagecodecs.avif_encode(
            np.ascontiguousarray(several),
            quality,
            speed=_SPEED,
            pixelformat=imagecodecs.AVIF.PIXEL_FORMAT.YUV420,
            primaries=PRIMARIES,
            transfer=TRANSFER,
            matrix=MATRIX,
            numthreads=1,
        )
    except (RuntimeError, ValueError, MemoryError) as error:
        raise UnencodableImage(f"the pictures cannot be encoded as video: {error}") from error
    samples = _read_container(memoryview(container))
    return Samples(samples.configuration, samples.frames[: len(pictures)])


def _read_container(container: memoryview) -> Samples:
    """Take the samples of the only track out of its container; they lie one behind the other."""
    boxes = dict(_list_boxes(container))
    sizes = struct.unpack(f">{(len(boxes[b'stsz']) - 12) // 4}I", boxes[b"stsz"][12:])
    [at] = struct.unpack(">I", boxes[b"stco"][8:])
    frames = []
    for size in sizes:
        sample = bytes(container[at : at + size])
        frames.append(sample.removeprefix(_TEMPORAL_DELIMITER))
        at += size
    entry = boxes[b"stsd"][8 + 8 + _SAMPLE_ENTRY_BYTES :]
    return Samples(bytes(dict(_list_boxes(entry))[b"av1C"]), tuple(frames))


def _list_boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and the content of boxes, those within boxes that hold others too."""
    at = 0
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        inside = content[at + 8 : at + (size or len(content))]
        yield name, inside
        if name in _CONTAINERS:
            yield from _list_boxes(inside)
        at += size or len(content)
