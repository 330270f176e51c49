"""Bulk values: where they lie in the pack, and their bytes, whole or in part.

Standard: PS3.18 10.4.1.1.5
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from registry.wire.media_types import media_type_of_frames
from repository import retrieve
from repository.decode import NATIVE_SYNTAXES
from repository.retrieve import (
    EXPLICIT_LITTLE_ENDIAN,
    StoredInstance,
    UnknownBulkData,
    open_pack,
    read_attributes,
    stream_file,
)
from repository.rewritten import BIG_ENDIAN, DEFLATED, open_rewritten, read_rewritten_bulk

PIXEL_PATHS = ("7FE00010", "7FE00008", "7FE00009")
DOCUMENT_PATH = "00420011"
_ITEM_HEAD_BYTES = 8

Extent = tuple[int, int]
"""Offset and length in bytes of the file."""


class BrokenEncapsulation(OSError):
    """The items of encapsulated pixel data do not fill the place where they lie."""


@dataclass(frozen=True, slots=True)
class BulkValue:
    """One bulk value of an instance; without extents it has to be converted before it can be sent."""

    path: str
    extents: tuple[Extent, ...] | None

    @property
    def length(self) -> int | None:
        """Bytes, None where only the conversion shows them."""
        return None if self.extents is None else sum(length for _, length in self.extents)


def is_video(item: StoredInstance) -> bool:
    """Tell whether the pixels of an instance are one stream, whose frames have no place of their own."""
    return media_type_of_frames(item.transfer_syntax_uid).startswith("video/")


def is_encapsulated(item: StoredInstance) -> bool:
    """Tell whether the pixel data of an instance, if it has any, lies in fragments."""
    return item.transfer_syntax_uid not in NATIVE_SYNTAXES


def list_bulk_values(item: StoredInstance) -> list[BulkValue]:
    """Return the bulk values of an instance in the order of its metadata; pixel data is as it lies."""
    if item.transfer_syntax_uid in (DEFLATED, BIG_ENDIAN):
        return [BulkValue(path, None) for path in _paths_with_uri(read_attributes(item), "")]
    return [BulkValue(path, ((at, length),)) for path, at, length, _ in _table_of(item)]


def find_bulk_value(item: StoredInstance, path: str) -> BulkValue:
    """Return the bulk value at a path such as `7FE00010` or `54000100/0/54001010`.

    Raises
    ------
    UnknownBulkData
        There is none.
    """
    wanted = path.upper()
    for value in list_bulk_values(item):
        if value.path == wanted:
            return value
    raise UnknownBulkData(f"no bulk value at {path[:100]}")


def find_stream(item: StoredInstance, value: BulkValue) -> BulkValue:
    """Return the codestream of encapsulated pixel data: its fragments without what stands between them.

    Raises
    ------
    BrokenEncapsulation
        The fragments cannot be walked.

    Standard: PS3.5 A.4
    """
    [(offset, length)] = value.extents or ((0, 0),)
    end, extents = offset + length, []
    with open_pack(item) as pack:
        while offset + _ITEM_HEAD_BYTES <= end:
            head = pack.read(item.offset + offset, _ITEM_HEAD_BYTES)
            size = int.from_bytes(head[4:], "little")
            offset += _ITEM_HEAD_BYTES
            if head[:4] != b"\xfe\xff\x00\xe0" or offset + size > end:
                raise BrokenEncapsulation(
                    f"{item.sop_instance_uid}: no fragment at byte {offset} of the file"
                )
            extents.append((offset, size))
            offset += size
    return BulkValue(value.path, tuple(extents[1:]))  # the first item is the offset table


def read_extents(
    item: StoredInstance, extents: tuple[Extent, ...], start: int, length: int
) -> Iterator[bytes]:
    """Yield `length` bytes from `start` of what the extents are one behind the other; only its blocks are read."""
    end, position = start + length, 0
    with open_pack(item) as pack:
        for offset, size in extents:
            first, last = max(start - position, 0), min(end - position, size)
            if first < last:
                yield from pack.blocks(item.offset + offset + first, last - first)
            position += size


def read_converted_value(item: StoredInstance, path: str) -> Iterator[bytes]:
    """Yield a bulk value as the instance has it in Explicit VR Little Endian, through a scratch file.

    Raises
    ------
    UnknownBulkData
        There is none at this path.
    """
    with open_rewritten(stream_file(item, EXPLICIT_LITTLE_ENDIAN)) as (view, header):
        found = read_rewritten_bulk(view, header, path)
        if found is None:
            raise UnknownBulkData(f"no bulk value at {path[:100]}")
        yield from found


def _table_of(item: StoredInstance) -> list[tuple[str, int, int, str]]:
    table: list[tuple[str, int, int, str]] = orjson.loads(item.bulk_table or b"[]")
    return table


def _paths_with_uri(attributes: dict[str, Any], prefix: str) -> Iterator[str]:
    for tag, element in attributes.items():
        if "BulkDataURI" in element:
            yield prefix + tag
        elif element.get("vr") == "SQ":
            for index, nested in enumerate(element.get("Value", ())):
                yield from _paths_with_uri(nested, f"{prefix}{tag}/{index}/")


def make_bulk_reader(item: StoredInstance) -> Callable[[str], bytes]:
    """Return a function that reads the long values of an instance whole: lookup tables, profiles, overlays."""
    return lambda path: b"".join(retrieve.read_bulk_value(item, path))
