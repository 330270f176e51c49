"""Instances whose values do not lie in their pack as they are to be sent: rewritten to a scratch file first.

A deflated data set has no offsets, and big endian words stand the wrong way around. Both transfer syntaxes are
rare; what is asked of them is looked up in the file that the transcoder makes of them.
"""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings

from repository.decode import EXPLICIT_VR_LITTLE_ENDIAN, NATIVE_SYNTAXES
from repository.explicit import MalformedDataSet
from repository.frames import FrameTable, find_frames
from repository.header.errors import Part10Error
from repository.header.model import Header
from repository.part10 import read_header
from repository.pixels import InvalidImageDescription, NotAnImage, PixelDescription, describe_pixels
from repository.transcode import FrameRanges, Read, convert_instance

DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
BLOCK_BYTES = 256 << 10
_REWRITTEN_IN_PASSING = (EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED, *NATIVE_SYNTAXES)


@contextmanager
def open_rewritten(pieces: Iterator[bytes]) -> Iterator[tuple[mmap.mmap, Header]]:
    """Write the pieces of a PS3.10 file to a scratch file and read its header; both are gone at the end.

    Raises
    ------
    MalformedDataSet
        What was rewritten cannot be read.
    """
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.SPOOL_ROOT) as scratch:
        for piece in pieces:
            scratch.write(piece)
        scratch.flush()
        with mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ) as view:
            try:
                header = read_header(view)
            except Part10Error as error:
                raise MalformedDataSet(f"the instance cannot be read once rewritten: {error}") from error
            yield view, header


def convert_stored_instance(
    read: Read,
    length_bytes: int,
    transfer_syntax_uid: str,
    *,
    description: PixelDescription | None,
    frames: FrameRanges | None,
    target: str,
) -> Iterator[bytes]:
    """Yield a PS3.10 file in the target transfer syntax, as `convert_instance` does, from every syntax there is.

    Native instances in other syntaxes than Explicit VR Little Endian are rewritten to a scratch file on their
    way to a compressed one: their frames lie elsewhere, or nowhere, before.
    """
    pieces = partial(
        convert_instance, read, length_bytes, transfer_syntax_uid, description=description, frames=frames
    )
    is_elsewhere = transfer_syntax_uid in NATIVE_SYNTAXES - {EXPLICIT_VR_LITTLE_ENDIAN}
    if not is_elsewhere or target in _REWRITTEN_IN_PASSING:
        yield from pieces(target=target)
        return
    with open_rewritten(pieces(target=EXPLICIT_VR_LITTLE_ENDIAN)) as (view, header):
        yield from convert_instance(
            lambda offset, length: view[offset : offset + length],
            len(view),
            EXPLICIT_VR_LITTLE_ENDIAN,
            description=_describe_if_possible(header),
            frames=find_rewritten_frames(view, header),
            target=target,
        )


def _describe_if_possible(header: Header) -> PixelDescription | None:
    try:
        return describe_pixels(header.attributes, EXPLICIT_VR_LITTLE_ENDIAN)
    except (NotAnImage, InvalidImageDescription):
        return None


def find_rewritten_frames(view: mmap.mmap, header: Header) -> FrameTable | None:
    """Return where the frames lie in the scratch file; None if there are none."""
    return find_frames(view, header)[0]


def read_rewritten_frame(view: mmap.mmap, table: FrameTable, frame_number: int) -> bytes:
    """Return one frame as Explicit VR Little Endian has it."""
    raw = b"".join(view[offset : offset + length] for offset, length in table.ranges_of(frame_number - 1))
    return table.cut(frame_number - 1, raw)


def read_rewritten_bulk(view: mmap.mmap, header: Header, path: str) -> Iterator[bytes] | None:
    """Yield the bulk value at a path in blocks; None if there is none."""
    for value in header.bulk_values:
        if value.path == path:
            return _read_blocks(view, value.offset, value.offset + value.length)
    return None


def _read_blocks(view: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    for offset in range(start, end, BLOCK_BYTES):
        yield view[offset : min(offset + BLOCK_BYTES, end)]
