"""The items of an encapsulated value.

Standard: PS3.5 A.4
"""

import struct
from collections.abc import Iterator

from repository.header.errors import HeaderTooLarge, TruncatedDataSet, UnreadableDataSet

Buffer = bytes | bytearray | memoryview

ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
SEQUENCE_DELIMITATION = 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
MAX_ITEMS = 1_000_000

_ITEM_HEAD = struct.Struct("<HHI").unpack_from


def walk_fragments(buffer: Buffer, offset: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of every item's value, the offset table first.

    Parameters
    ----------
    offset
        Start of the encapsulated value.
    end
        Where the data ends at the latest.

    Raises
    ------
    TruncatedDataSet
        If an item or the delimiter is cut off.
    UnreadableDataSet
        If something other than an item comes.
    HeaderTooLarge
        If there are more than a million.
    """
    for _ in range(MAX_ITEMS):
        if offset + 8 > end:
            raise TruncatedDataSet(f"encapsulated value: no sequence delimiter before the end at byte {end}")
        group, element, length = _ITEM_HEAD(buffer, offset)
        tag = group << 16 | element
        offset += 8
        if tag == SEQUENCE_DELIMITATION:
            return
        if tag != ITEM or length == UNDEFINED:
            raise UnreadableDataSet(f"encapsulated value: no item at byte {offset - 8}, found {tag:08X}")
        if length > end - offset:
            raise TruncatedDataSet(
                f"encapsulated value: the item at byte {offset - 8} announces {length} bytes, "
                f"{end - offset} are left"
            )
        yield offset, length
        offset += length
    raise HeaderTooLarge(f"encapsulated value: more than {MAX_ITEMS} fragments")


def find_encapsulated_end(buffer: Buffer, offset: int, end: int) -> int:
    """Return where the sequence delimiter of an encapsulated value begins; raises like `walk_fragments`."""
    for start, length in walk_fragments(buffer, offset, end):
        offset = start + length
    return offset
