"""A whole instance from one transfer syntax to another, as it streams by.

Whatever can be decoded becomes Explicit VR Little Endian, deflated or not, or one of the lossless compressed
syntaxes; frames alone also become lossy ones, an instance never does: it would be another instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import numpy as np

from repository.decode import (
    DECODABLE_SYNTAXES,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    NATIVE_SYNTAXES,
    UndecodableFrame,
    decode_frame,
    decoded_photometric_interpretation,
)
from repository.deflate import InflatedTooLarge as InflatedTooLarge
from repository.deflate import deflate, inflate
from repository.encapsulate import encapsulate
from repository.encode import LOSSLESS_TARGETS, encoded_photometric_interpretation
from repository.encoding import UNDEFINED_LENGTH, encode_element, encode_explicit_header
from repository.explicit import (
    BLOCK_BYTES,
    ITEM,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    ElementReader,
    MalformedDataSet,
    copy_until_delimiter,
    rewrite_as_explicit,
)
from repository.file_meta import FileMeta, encode_file_meta, read_file_meta
from repository.frame_conversion import UnsupportedConversion as UnsupportedConversion
from repository.frame_conversion import convert_frame, encode_native_frame
from repository.pixels import PixelDescription

Read = Callable[[int, int], bytes]
"""`read(offset, length)` returns that range of the file, fewer bytes only at its end."""

_PHOTOMETRIC_INTERPRETATION, _PLANAR_CONFIGURATION, _HIGH_BIT = 0x00280004, 0x00280006, 0x00280102
_NATIVE_TARGETS = (EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
_MAX_VALUE_BYTES = 0xFFFFFFFE


class NativeTooLarge(ValueError):
    """The decoded pixel data does not fit the 32-bit length of an element."""


class FrameRanges(Protocol):
    """Where the frames of an instance lie in its file; `frames.FrameTable` is one."""

    @property
    def number_of_frames(self) -> int:
        """How many frames there are."""

    def ranges_of(self, frame_index: int) -> Sequence[tuple[int, int]]:
        """Return (offset, length) of the parts of a frame, in bytes of the file."""


INSTANCE_TARGETS: Final = (*_NATIVE_TARGETS, *LOSSLESS_TARGETS)
"""Transfer syntaxes that instances are converted to, as far as their pixels allow it."""


def can_convert(source: str, target: str) -> bool:
    """Whether instances in transfer syntax `source` can be given out in `target`, if their pixels allow it."""
    return source == target or (target in INSTANCE_TARGETS and source in DECODABLE_SYNTAXES)


def convert_instance(
    read: Read,
    length_bytes: int,
    transfer_syntax_uid: str,
    *,
    description: PixelDescription | None = None,
    frames: FrameRanges | None = None,
    target: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> Iterator[bytes]:
    """Yield a whole PS3.10 file in the target transfer syntax.

    Native pixel data passes in blocks of 256 KiB; of compressed pixel data one frame is in memory at a
    time. The first block comes after the first frame was decoded, so that an unreadable instance fails
    before anything was sent.

    Parameters
    ----------
    length_bytes
        Size of the whole file.
    transfer_syntax_uid
        What the instance is stored in, as the registry knows it.
    description, frames
        Needed for instances with compressed pixel data. Of native ones only the sign of the pixels is taken
        from the description; without it, numbers in sequences before it that may be signed are written as
        unsigned.

    Raises
    ------
    UnsupportedConversion
        `can_convert` says no, or the description and frames of a compressed image are missing.
    UnreadableFileMeta, MalformedDataSet, UndecodableFrame, NativeTooLarge, InflatedTooLarge
        What is stored cannot be read as its transfer syntax.

    Standard: PS3.10 7, PS3.5 A
    """
    _check_conversion(transfer_syntax_uid, target)
    if transfer_syntax_uid == target:
        yield from _read_blocks(read, 0, length_bytes)
        return
    meta = read_file_meta(read)
    is_native = transfer_syntax_uid in NATIVE_SYNTAXES
    if target in _NATIVE_TARGETS and is_native:
        body = _rewrite_native(read, length_bytes, meta, transfer_syntax_uid, description)
    elif is_native and transfer_syntax_uid != EXPLICIT_VR_LITTLE_ENDIAN:
        raise UnsupportedConversion(
            "convert it to Explicit VR Little Endian first: its frames lie elsewhere then"
        )
    else:
        body = _convert_pixels(read, length_bytes, meta, description, frames, target)
    if target == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        body = deflate(body)
    first = next(body, b"")
    yield encode_file_meta(meta, target)
    yield from _join_small(chain((first,), body))


def _check_conversion(source: str, target: str) -> None:
    if not can_convert(source, target):
        raise UnsupportedConversion(f"transfer syntax {source} cannot be converted to {target}")


def _rewrite_native(
    read: Read, length_bytes: int, meta: FileMeta, syntax: str, description: PixelDescription | None
) -> Iterator[bytes]:
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return inflate(_read_blocks(read, meta.data_set_offset, length_bytes))
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        return _read_blocks(read, meta.data_set_offset, length_bytes)
    is_implicit, is_big_endian = syntax == IMPLICIT_VR_LITTLE_ENDIAN, syntax == EXPLICIT_VR_BIG_ENDIAN
    reader = ElementReader(read, meta.data_set_offset, length_bytes, is_implicit, is_big_endian)
    return rewrite_as_explicit(reader, description.pixel_representation if description else None)


def _read_blocks(read: Read, offset: int, end: int) -> Iterator[bytes]:
    while offset < end:
        block = read(offset, min(BLOCK_BYTES, end - offset))
        if not block:
            raise MalformedDataSet(f"the file ends at byte {offset}, {end} are known to be stored")
        offset += len(block)
        yield block


def _convert_pixels(
    read: Read,
    length_bytes: int,
    meta: FileMeta,
    description: PixelDescription | None,
    frames: FrameRanges | None,
    target: str,
) -> Iterator[bytes]:
    """Yield an Explicit VR Little Endian data set with its pixels decoded, encoded or both."""
    reader = ElementReader(read, meta.data_set_offset, length_bytes)
    if description is None or frames is None:
        # No pixel data: nothing is compressed, and the rest is Explicit VR Little Endian already.
        yield from _copy_data_set(reader, {})
        if reader.position < length_bytes:
            raise UnsupportedConversion("pixel data cannot be converted without a table of its frames")
        return
    pixels = (
        _write_native(read, description, frames)
        if target in _NATIVE_TARGETS
        else _write_encapsulated(read, description, frames, target)
    )
    head = next(pixels)  # the first frame decides whether anything is sent
    yield from _copy_data_set(reader, _pixel_attributes(description, target))
    yield head
    yield from pixels
    yield from _copy_data_set(ElementReader(read, _find_pixel_end(reader, frames), length_bytes), {})


def _write_native(read: Read, description: PixelDescription, frames: FrameRanges) -> Iterator[bytes]:
    value_bytes = (description.frame_bits * frames.number_of_frames + 7) // 8
    if value_bytes + value_bytes % 2 > _MAX_VALUE_BYTES:
        raise NativeTooLarge(
            f"{frames.number_of_frames} decoded frames take {value_bytes} bytes, too many for one element"
        )
    decoded = _decode_frames(read, description, frames)
    vr = "OW" if description.bits_allocated > 8 else "OB"
    yield encode_explicit_header(PIXEL_DATA, vr, value_bytes + value_bytes % 2) + next(decoded)
    yield from decoded
    yield b"\0" * (value_bytes % 2)


def _write_encapsulated(
    read: Read, description: PixelDescription, frames: FrameRanges, target: str
) -> Iterator[bytes]:
    encoded = (convert_frame(raw, description, target) for raw in _read_frames(read, frames))
    first = next(encoded)
    yield from encapsulate(chain((first,), encoded))


def _read_frames(read: Read, frames: FrameRanges) -> Iterator[bytes]:
    for frame_index in range(frames.number_of_frames):
        yield b"".join(read(offset, length) for offset, length in frames.ranges_of(frame_index))


def _pixel_attributes(description: PixelDescription, target: str) -> dict[int, bytes]:
    """Return the elements that describe the pixels of the target, where they differ from those of the source.

    Standard: PS3.5 8.2
    """
    colours = decoded_photometric_interpretation(description)
    replaced = {}
    if target not in _NATIVE_TARGETS:
        colours = encoded_photometric_interpretation(colours, target)
        high_bit = (description.bits_stored - 1).to_bytes(2, "little")
        replaced[_HIGH_BIT] = encode_element(_HIGH_BIT, "US", high_bit)
    replaced[_PHOTOMETRIC_INTERPRETATION] = encode_element(
        _PHOTOMETRIC_INTERPRETATION, "CS", colours.encode("ascii")
    )
    if description.samples_per_pixel > 1:
        replaced[_PLANAR_CONFIGURATION] = encode_element(_PLANAR_CONFIGURATION, "US", b"\0\0")
    return replaced


def _decode_frames(read: Read, description: PixelDescription, frames: FrameRanges) -> Iterator[bytes]:
    carried = np.zeros(0, np.uint8)
    for frame_number, raw in enumerate(_read_frames(read, frames), 1):
        try:
            frame = decode_frame(raw, description)
        except UndecodableFrame as error:
            raise UndecodableFrame(f"frame {frame_number}: {error}") from error
        if description.bits_allocated > 1:
            yield encode_native_frame(frame, description)
            continue
        # Frames of single bits follow each other without a gap: what does not fill a byte waits for the
        # next frame.
        bits = np.concatenate((carried, frame.astype(np.uint8).ravel()))
        whole = bits.size - bits.size % 8
        carried = bits[whole:]
        yield np.packbits(bits[:whole], bitorder="little").tobytes()
    if carried.size:
        yield np.packbits(carried, bitorder="little").tobytes()


def _copy_data_set(reader: ElementReader, replaced: dict[int, bytes]) -> Iterator[bytes]:
    """Yield the elements of an Explicit VR Little Endian data set up to its pixel data, some of them
    replaced or added.

    Leaves the reader before the pixel data. Offset tables of encapsulated frames and group lengths stay
    behind.
    """
    missing = sorted(replaced)
    while reader.position + 8 <= reader.end:
        start = reader.position
        tag, vr, length_bytes = reader.take_header()
        while missing and missing[0] <= tag:
            yield replaced[missing.pop(0)]
        if tag == PIXEL_DATA:
            reader.position = start
            return
        dropped = tag & 0xFFFF == 0 or PIXEL_DATA & 0xFFFF0000 <= tag < PIXEL_DATA or tag in replaced
        parts = chain(
            (encode_explicit_header(tag, vr, length_bytes),),
            copy_until_delimiter(reader, is_implicit=vr == "UN")
            if length_bytes == UNDEFINED_LENGTH
            else reader.copy(length_bytes),
        )
        for part in parts:
            if not dropped:
                yield part


def _find_pixel_end(reader: ElementReader, frames: FrameRanges) -> int:
    """Return the offset behind the pixel data: behind its value, or behind the delimiter after the last frame."""
    _, _, length_bytes = reader.take_header()
    if length_bytes != UNDEFINED_LENGTH:
        return min(reader.position + length_bytes, reader.end)
    offset, length = frames.ranges_of(frames.number_of_frames - 1)[-1]
    reader.position = min(offset + length, reader.end)
    while reader.position + 8 <= reader.end:
        tag, _, length_bytes = reader.take_header()
        if tag == SEQUENCE_DELIMITER:
            return reader.position
        if tag != ITEM:
            raise MalformedDataSet(
                f"neither a fragment nor the delimiter of the pixel data at byte {reader.position - 8}"
            )
        reader.position += length_bytes
    return reader.end


def _join_small(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Join the small parts of a header into blocks: no response is written in pieces of eight bytes."""
    pending: list[bytes] = []
    pending_bytes = 0
    for part in parts:
        pending.append(part)
        pending_bytes += len(part)
        if pending_bytes >= BLOCK_BYTES:
            yield b"".join(pending)
            pending, pending_bytes = [], 0
    if pending:
        yield b"".join(pending)
