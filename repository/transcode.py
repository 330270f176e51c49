"""From one transfer syntax to another: a frame, or a whole instance as it streams by.

Today everything can become Explicit VR Little Endian. A compressed target adds a row to `can_convert` and
an encoder beside `encode_native_frame`; the walk over the instance stays.
"""

from __future__ import annotations

import zlib
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
    Frame,
    UndecodableFrame,
    decode_frame,
    decoded_photometric_interpretation,
)
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
from repository.pixels import PixelDescription

MAX_INFLATED_BYTES: Final = 4 * 1024**3
"""Where a deflated data set stops being read: no true one comes near."""

Read = Callable[[int, int], bytes]
"""`read(offset, length)` returns that range of the file, fewer bytes only at its end."""

_PHOTOMETRIC_INTERPRETATION, _PLANAR_CONFIGURATION = 0x00280004, 0x00280006
_MAX_VALUE_BYTES = 0xFFFFFFFE


class UnsupportedConversion(ValueError):
    """There is no way from the one transfer syntax to the other."""


class InflatedTooLarge(ValueError):
    """A deflated data set grows beyond every reasonable size."""


class NativeTooLarge(ValueError):
    """The decoded pixel data does not fit the 32-bit length of an element."""


class FrameRanges(Protocol):
    """Where the frames of an instance lie in its file; `frames.FrameTable` is one."""

    @property
    def number_of_frames(self) -> int:
        """How many frames there are."""

    def ranges_of(self, frame_index: int) -> Sequence[tuple[int, int]]:
        """Return (offset, length) of the parts of a frame, in bytes of the file."""


def can_convert(source: str, target: str) -> bool:
    """Whether instances in transfer syntax `source` can be given out in `target`."""
    return source == target or (target == EXPLICIT_VR_LITTLE_ENDIAN and source in DECODABLE_SYNTAXES)


def convert_frame(
    raw: bytes, description: PixelDescription, target: str = EXPLICIT_VR_LITTLE_ENDIAN, *, bit_offset: int = 0
) -> bytes:
    """Return one frame as it would stand in an instance of the target transfer syntax.

    A frame that is native already keeps its planar configuration and colours (the metadata describes
    those), only its byte order becomes little endian. A compressed one is decoded: colour by pixel, RGB
    where it was transformed for compression.

    Raises
    ------
    UnsupportedConversion
        The target is none that can be made from this source.
    UndecodableFrame
        See `decode_frame`.

    Standard: PS3.18 8.7.3.5, PS3.5 8.2
    """
    source = description.transfer_syntax_uid
    if source == target:
        return raw
    _check_conversion(source, target)
    if source in NATIVE_SYNTAXES and description.bits_allocated > 1:
        return _swap_native(raw, description) if source == EXPLICIT_VR_BIG_ENDIAN else raw
    return encode_native_frame(decode_frame(raw, description, bit_offset=bit_offset), description)


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
    if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        body = _inflate(_read_blocks(read, meta.data_set_offset, length_bytes))
    elif transfer_syntax_uid in NATIVE_SYNTAXES:
        is_implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
        is_big_endian = transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
        reader = ElementReader(read, meta.data_set_offset, length_bytes, is_implicit, is_big_endian)
        body = rewrite_as_explicit(reader, description.pixel_representation if description else None)
    else:
        body = _decode_instance(read, length_bytes, meta, description, frames)
    first = next(body, b"")
    yield encode_file_meta(meta, target)
    yield from _join_small(chain((first,), body))


def encode_native_frame(frame: Frame, description: PixelDescription) -> bytes:
    """Return a decoded frame as native little endian bytes, colour by pixel; one-bit samples packed, the
    last byte filled up.

    Standard: PS3.5 8.1.1
    """
    if description.bits_allocated == 1:
        return np.packbits(frame.astype(np.uint8).ravel(), bitorder="little").tobytes()
    return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()


def _check_conversion(source: str, target: str) -> None:
    if not can_convert(source, target):
        raise UnsupportedConversion(f"transfer syntax {source} cannot be converted to {target}")


def _swap_native(raw: bytes, description: PixelDescription) -> bytes:
    word_bytes = description.bits_allocated // 8
    if word_bytes == 1 and description.pixel_vr != "OW":
        return raw
    word_bytes = max(word_bytes, 2)
    padded = raw + b"\0" * (-len(raw) % word_bytes)
    return np.frombuffer(padded, f"u{word_bytes}").byteswap().tobytes()[: len(raw)]


def _read_blocks(read: Read, offset: int, end: int) -> Iterator[bytes]:
    while offset < end:
        block = read(offset, min(BLOCK_BYTES, end - offset))
        if not block:
            raise MalformedDataSet(f"the file ends at byte {offset}, {end} are known to be stored")
        offset += len(block)
        yield block


def _inflate(blocks: Iterator[bytes]) -> Iterator[bytes]:
    inflater, produced_bytes = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        for block in blocks:
            pending = block
            while pending and not inflater.eof:
                inflated = inflater.decompress(pending, BLOCK_BYTES)
                pending = inflater.unconsumed_tail
                produced_bytes += len(inflated)
                if produced_bytes > MAX_INFLATED_BYTES:
                    raise InflatedTooLarge(f"the deflated data set is larger than {MAX_INFLATED_BYTES} bytes")
                yield inflated
    except zlib.error as error:
        raise MalformedDataSet(f"the deflated data set cannot be inflated: {error}") from error
    if not inflater.eof:
        raise MalformedDataSet("the deflated data set breaks off")


def _decode_instance(
    read: Read,
    length_bytes: int,
    meta: FileMeta,
    description: PixelDescription | None,
    frames: FrameRanges | None,
) -> Iterator[bytes]:
    reader = ElementReader(read, meta.data_set_offset, length_bytes)
    if description is None or frames is None:
        # No pixel data: nothing is compressed, and the rest is Explicit VR Little Endian already.
        yield from _copy_data_set(reader, {})
        if reader.position < length_bytes:
            raise UnsupportedConversion(
                "compressed pixel data cannot be converted without a table of its frames"
            )
        return
    value_bytes = (description.frame_bits * frames.number_of_frames + 7) // 8
    if value_bytes + value_bytes % 2 > _MAX_VALUE_BYTES:
        raise NativeTooLarge(
            f"{frames.number_of_frames} decoded frames take {value_bytes} bytes, too many for one element"
        )
    decoded = _decode_frames(read, description, frames)
    first = next(decoded)
    yield from _copy_data_set(reader, _decoded_attributes(description))
    vr = "OW" if description.bits_allocated > 8 else "OB"
    yield encode_explicit_header(PIXEL_DATA, vr, value_bytes + value_bytes % 2)
    yield from chain((first,), decoded)
    yield b"\0" * (value_bytes % 2)
    yield from _copy_data_set(ElementReader(read, _find_pixel_end(reader, frames), length_bytes), {})


def _decoded_attributes(description: PixelDescription) -> dict[int, bytes]:
    colours = decoded_photometric_interpretation(description).encode("ascii")
    replaced = {_PHOTOMETRIC_INTERPRETATION: encode_element(_PHOTOMETRIC_INTERPRETATION, "CS", colours)}
    if description.samples_per_pixel > 1:
        replaced[_PLANAR_CONFIGURATION] = encode_element(_PLANAR_CONFIGURATION, "US", b"\0\0")
    return replaced


def _decode_frames(read: Read, description: PixelDescription, frames: FrameRanges) -> Iterator[bytes]:
    carried = np.zeros(0, np.uint8)
    for frame_index in range(frames.number_of_frames):
        raw = b"".join(read(offset, length) for offset, length in frames.ranges_of(frame_index))
        try:
            frame = decode_frame(raw, description)
        except UndecodableFrame as error:
            raise UndecodableFrame(f"frame {frame_index + 1}: {error}") from error
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
    replaced.

    Leaves the reader before the pixel data. Offset tables of encapsulated frames and group lengths stay
    behind.
    """
    while reader.position + 8 <= reader.end:
        start = reader.position
        tag, vr, length_bytes = reader.take_header()
        if tag == PIXEL_DATA:
            reader.position = start
            return
        dropped = tag & 0xFFFF == 0 or PIXEL_DATA & 0xFFFF0000 <= tag < PIXEL_DATA or tag in replaced
        if tag in replaced:
            yield replaced[tag]
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
    """Return the offset behind the encapsulated pixel data: behind the delimiter after the last frame."""
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
