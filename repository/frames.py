"""The frame table of an instance: where every frame lies in its file.

Made once at store, kept with the instance, read back at every frame request without touching the file.

Standard: PS3.5 8.1.1, A.4
"""

import base64
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from repository.header.checks import compute_frame_bits, read_number
from repository.header.errors import Part10Error
from repository.header.fragments import Buffer, walk_fragments
from repository.header.model import Header

_HEAD = struct.Struct("<cQIQII")
_NATIVE, _ENCAPSULATED = b"N", b"E"
_ITEM_HEAD_BYTES = 8
MAX_FRAMES = 2**31

# What a frame's first fragment begins with: JPEG and JPEG-LS, JPEG 2000 and HTJ2K, JP2 file, JPEG XL.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP", b"\xff\x0a", b"\x00\x00\x00\x0cJXL")
_ENDS = (b"\xff\xd9", b"\xff\xd9\x00")
# MPEG2, MPEG-4 AVC and HEVC: one stream, whose frames have no place of their own.
_VIDEO = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
_VIDEO_FRAGMENTABLE = frozenset(f"1.2.840.10008.1.2.4.{number}.1" for number in range(100, 107))


class InvalidFrameTable(ValueError):
    """Bytes that are no frame table."""


class FrameOutOfRange(IndexError):
    """There is no frame with this index."""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the frames lie.

    Attributes
    ----------
    number_of_frames
        Frames that can be addressed.
    first_offset
        Bytes from the start of the file to the pixel value (native) or to the first fragment's value.
    frame_bits
        Bits of one native frame; 0 if encapsulated.
    fragment_lengths
        Length in bytes of every fragment as little endian uint32; they lie one behind the other.
    fragment_counts
        Fragments of every frame as little endian uint32; empty if each has one.
    """

    number_of_frames: int
    first_offset: int
    frame_bits: int
    fragment_lengths: bytes = b""
    fragment_counts: bytes = b""

    def ranges_of(self, frame_index: int) -> tuple[tuple[int, int], ...]:
        """Return (offset, length) in the file of what makes up one frame, in bytes.

        Native frames of single bits may begin and end within a byte: see `cut`.

        Raises
        ------
        FrameOutOfRange
            If `frame_index` (from 0) is not below `number_of_frames`.
        """
        if not 0 <= frame_index < self.number_of_frames:
            raise FrameOutOfRange(f"frame {frame_index + 1} of {self.number_of_frames}")
        if self.frame_bits:
            start = frame_index * self.frame_bits // 8
            end = ((frame_index + 1) * self.frame_bits + 7) // 8
            return ((self.first_offset + start, end - start),)
        return self._fragments_of(frame_index)

    def _fragments_of(self, frame_index: int) -> tuple[tuple[int, int], ...]:
        lengths = np.frombuffer(self.fragment_lengths, "<u4")
        first, count = frame_index, 1
        if self.fragment_counts:
            counts = np.frombuffer(self.fragment_counts, "<u4")
            first, count = int(counts[:frame_index].sum(dtype=np.uint64)), int(counts[frame_index])
        offset = self.first_offset + int(lengths[:first].sum(dtype=np.uint64)) + first * _ITEM_HEAD_BYTES
        ranges = []
        for length in lengths[first : first + count].tolist():
            ranges.append((offset, length))
            offset += length + _ITEM_HEAD_BYTES
        return tuple(ranges)

    def bit_offset_of(self, frame_index: int) -> int:
        """Return how many bits of the first byte still belong to the frame before (0 to 7)."""
        return frame_index * self.frame_bits % 8

    def cut(self, frame_index: int, raw: bytes) -> bytes:
        """Return the bytes of a frame beginning at a byte, from the bytes of `ranges_of`.

        Only native frames of single bits are changed: shifted to the start and padded with zero bits.

        Standard: PS3.5 8.1.1
        """
        if not self.frame_bits % 8:
            return raw
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        start = self.bit_offset_of(frame_index)
        return np.packbits(bits[start : start + self.frame_bits], bitorder="little").tobytes()

    def to_bytes(self) -> bytes:
        """Return the table as stored: 29 bytes if native, else 4 more for every fragment (and frame)."""
        kind = _NATIVE if self.frame_bits else _ENCAPSULATED
        sizes = len(self.fragment_lengths) // 4, len(self.fragment_counts) // 4
        head = _HEAD.pack(kind, self.first_offset, self.number_of_frames, self.frame_bits, *sizes)
        return head + self.fragment_lengths + self.fragment_counts

    @staticmethod
    def from_bytes(stored: bytes | memoryview) -> "FrameTable":
        """Return the table `to_bytes` wrote.

        Raises
        ------
        InvalidFrameTable
            If these bytes are none.
        """
        data = bytes(stored)
        if len(data) < _HEAD.size:
            raise InvalidFrameTable(f"a frame table has at least {_HEAD.size} bytes, not {len(data)}")
        kind, first_offset, number_of_frames, frame_bits, fragments, counts = _HEAD.unpack_from(data)
        middle = _HEAD.size + 4 * fragments
        if kind not in (_NATIVE, _ENCAPSULATED) or len(data) != middle + 4 * counts:
            raise InvalidFrameTable("these bytes are no frame table")
        return FrameTable(
            number_of_frames, first_offset, frame_bits, data[_HEAD.size : middle], data[middle:]
        )


def build_frame_table(buffer: Buffer | mmap.mmap, header: Header) -> FrameTable | None:
    """Return the frame table of a file, None if its frames cannot be addressed; see `find_frames`."""
    return find_frames(buffer, header)[0]


def find_frames(buffer: Buffer | mmap.mmap, header: Header) -> tuple[FrameTable | None, tuple[str, ...]]:
    """Find the frames of a file.

    Parameters
    ----------
    buffer
        The whole file that `header` was read from.

    Returns
    -------
    tuple
        The table, None for instances without pixels and for those whose frames have no place of their own
        (video, deflated, damaged); and what is odd, readable. Nothing here refuses a file.

    Standard: PS3.5 A.4
    """
    pixel = header.pixel
    if pixel is None:
        return None, ()
    if pixel.value_offset is None:
        return None, ()
    number_of_frames = read_number(header.attributes, "00280008", 1) or 1
    if not 0 < number_of_frames < MAX_FRAMES:
        return None, (f"Number of Frames (0028,0008) {number_of_frames} is not possible",)
    if pixel.value_length is not None:
        return _find_native(header, pixel.value_offset, pixel.value_length, number_of_frames)
    if header.transfer_syntax_uid in _VIDEO or header.transfer_syntax_uid in _VIDEO_FRAGMENTABLE:
        return None, ("frames of a video cannot be addressed",)
    with memoryview(buffer) as view, view.cast("B") as flat:
        return _find_encapsulated(flat, header, pixel.value_offset, number_of_frames)


def _find_native(
    header: Header, offset: int, length: int, number_of_frames: int
) -> tuple[FrameTable | None, tuple[str, ...]]:
    frame_bits = compute_frame_bits(header.attributes)
    if frame_bits is None:
        return None, ("the attributes do not say how large a frame is",)
    if (frame_bits * number_of_frames + 7) // 8 > length:
        return None, (f"the pixel data is too short for {number_of_frames} frames",)
    return FrameTable(number_of_frames, offset, frame_bits), ()


def _find_encapsulated(
    view: memoryview, header: Header, offset: int, number_of_frames: int
) -> tuple[FrameTable | None, tuple[str, ...]]:
    try:
        items = list(walk_fragments(view, offset, len(view)))
    except Part10Error as error:
        return None, (str(error),)
    if len(items) < 2:
        return None, ("the encapsulated pixel data has no fragments",)
    fragments = items[1:]
    basic = bytes(view[items[0][0] : items[0][0] + items[0][1]])
    counts, warnings = _group_fragments(view, header, fragments, basic, number_of_frames)
    if counts is None:
        return None, warnings
    lengths = np.fromiter((length for _, length in fragments), "<u4", len(fragments)).tobytes()
    packed = b"" if max(counts) == 1 else np.array(counts, "<u4").tobytes()
    return FrameTable(number_of_frames, fragments[0][0], 0, lengths, packed), warnings


Fragments = list[tuple[int, int]]


def _group_fragments(
    view: memoryview, header: Header, fragments: Fragments, basic: bytes, number_of_frames: int
) -> tuple[list[int] | None, tuple[str, ...]]:
    """Return how many fragments each frame has."""
    extended = read_extended_offsets(view, header)
    offsets = extended or _read_offsets(basic, "<u4")
    wrong = (f"the {'Extended' if extended else 'Basic'} Offset Table does not fit the fragments",)
    by_table = _match_offsets(fragments, offsets, number_of_frames) if offsets else None
    warnings: tuple[str, ...] = wrong if offsets and by_table is None else ()
    if len(fragments) == number_of_frames:
        return [1] * number_of_frames, warnings
    if number_of_frames == 1:
        return [len(fragments)], warnings
    if by_table is not None:
        return by_table, ()
    by_marker = _match_markers(view, fragments, number_of_frames)
    if by_marker is None:
        warnings += (f"{len(fragments)} fragments cannot be told apart into {number_of_frames} frames",)
    return by_marker, warnings


def read_extended_offsets(view: memoryview, header: Header) -> list[int]:
    """Return the Extended Offset Table (7FE0,0001), empty if there is none.

    Standard: PS3.3 C.7.6.3.1.8
    """
    element = header.attributes.get("7FE00001", {})
    if "InlineBinary" in element:
        return _read_offsets(base64.b64decode(element["InlineBinary"]), "<u8")
    for bulk in header.bulk_values:
        if bulk.path == "7FE00001":
            return _read_offsets(bytes(view[bulk.offset : bulk.offset + bulk.length]), "<u8")
    return []


def _read_offsets(table: bytes, kind: str) -> list[int]:
    size = np.dtype(kind).itemsize
    return [int(offset) for offset in np.frombuffer(table[: len(table) // size * size], kind).tolist()]


def _match_offsets(fragments: Fragments, offsets: Sequence[int], number_of_frames: int) -> list[int] | None:
    """Return the fragments of each frame by an offset table, None if one of its offsets meets no fragment."""
    base = fragments[0][0]
    index_of = {start - base: index for index, (start, _) in enumerate(fragments)}
    firsts = [index_of.get(offset, -1) for offset in offsets]
    if len(firsts) != number_of_frames or firsts[0] != 0 or -1 in firsts:
        return None
    return _count_between(firsts, len(fragments))


def _count_between(firsts: list[int], total: int) -> list[int] | None:
    counts = [second - first for first, second in pairwise([*firsts, total])]
    return counts if min(counts) > 0 else None


def _match_markers(view: memoryview, fragments: Fragments, number_of_frames: int) -> list[int] | None:
    """Return the fragments of each frame by the markers a compressed frame begins (and ends) with."""
    starts = [
        index
        for index, (offset, length) in enumerate(fragments)
        if bytes(view[offset : offset + min(length, 8)]).startswith(_STARTS)
    ]
    if len(starts) > number_of_frames:
        starts = [index for index in starts if index == 0 or _ends_frame(view, fragments[index - 1])]
    if len(starts) != number_of_frames or starts[0] != 0:
        return None
    return _count_between(starts, len(fragments))


def _ends_frame(view: memoryview, fragment: tuple[int, int]) -> bool:
    offset, length = fragment
    return bytes(view[offset + max(0, length - 3) : offset + length]).endswith(_ENDS)
