"""Lookup tables of an instance: palettes, modality and VOI tables, plain or segmented."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from repository.pixels import Attributes, InvalidImageDescription, read_floats

ReadBulk = Callable[[str], bytes]
"""Returns the bytes (little endian) of a bulk value by its path, for example `00281201` or `00283000/0/00283006`."""

_MAX_ENTRIES = 65536
_MAX_SEGMENTS = 4 * _MAX_ENTRIES
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table from stored values to others; values before and after it take its first and last entry.

    `entries` holds unsigned 16-bit words in native byte order, so that tables can be compared and serve as keys.
    """

    first_value: int
    bits: int
    entries: bytes

    def as_array(self) -> npt.NDArray[np.uint16]:
        """Return the entries as an array."""
        return np.frombuffer(self.entries, np.uint16)

    def look_up(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Return the entry of every value."""
        entries = self.as_array()
        positions = np.clip(values.astype(np.int64) - self.first_value, 0, entries.size - 1)
        return entries[positions]

    def scale_to_8_bits(self) -> npt.NDArray[np.uint8]:
        """Return the entries scaled to 0..255 by the width that they claim, or need."""
        entries = self.as_array()
        # Tables of 16 bits that hold nothing beyond 255 are 8-bit tables with the wrong label.
        full = 255 if self.bits == 16 and entries.max() <= 255 else max(2**self.bits - 1, int(entries.max()))
        scaled: npt.NDArray[np.uint8] = np.rint(entries * (255.0 / full)).astype(np.uint8)
        return scaled


def read_lookup_table(
    attributes: Attributes,
    tags: tuple[str, str],
    *,
    is_signed: bool,
    read_bulk: ReadBulk | None,
    path: str = "",
    is_segmented: bool = False,
) -> LookupTable:
    """Read a lookup table.

    Parameters
    ----------
    tags
        Of the descriptor and of the data.
    is_signed
        Whether the values that go in are signed.
    path
        Of the item that holds the table, with a slash at the end, for `read_bulk`.

    Raises
    ------
    InvalidImageDescription
        The descriptor is no triple, or there is less data than it says.

    Standard: PS3.3 C.11.1.1, C.7.6.3.1.5, C.7.9.2
    """
    descriptor_tag, data_tag = tags
    descriptor = [int(number) for number in read_floats(attributes, descriptor_tag)]
    if len(descriptor) != 3:
        raise InvalidImageDescription(
            f"lookup table descriptor {descriptor_tag} has not three values: {descriptor}"
        )
    count = descriptor[0] % _MAX_ENTRIES or _MAX_ENTRIES
    first_value = descriptor[1] - _MAX_ENTRIES if is_signed and descriptor[1] > 32767 else descriptor[1]
    words = _read_words(attributes, data_tag, path + data_tag, count, descriptor[2], read_bulk, is_segmented)
    if is_segmented:
        words = expand_segments(words, count)
    if words.size < count:
        raise InvalidImageDescription(
            f"lookup table {data_tag} has {words.size} entries, its descriptor says {count}"
        )
    return LookupTable(first_value, max(1, min(descriptor[2], 16)), words[:count].astype(np.uint16).tobytes())


def expand_segments(words: npt.NDArray[Any], count: int) -> npt.NDArray[np.uint16]:
    """Expand a segmented palette to its entries; stops as soon as there are `count`.

    Raises
    ------
    InvalidImageDescription
        An unknown segment type, or one that runs past the end or points to itself.

    Standard: PS3.3 C.7.9.2
    """
    entries: list[int] = []
    values = [int(word) for word in words]
    # What is open: where the next segment is, how many are to be read there, whether it may point elsewhere.
    open_runs = [(0, len(values), True)]
    for _ in range(_MAX_SEGMENTS):
        if not open_runs or len(entries) >= count:
            return np.array(entries[:count], np.uint16)
        position, segments, may_point = open_runs.pop()
        if segments == 0 or position + 2 > len(values):
            continue
        position, pointed = _expand_segment(entries, values, position, may_point=may_point)
        open_runs.append((position, segments - 1, may_point))
        open_runs.extend((target, run, False) for target, run in pointed)
    raise InvalidImageDescription(f"segmented palette: more than {_MAX_SEGMENTS} segments")


def _expand_segment(
    entries: list[int], words: list[int], position: int, *, may_point: bool
) -> tuple[int, list[tuple[int, int]]]:
    """Add the entries of one segment; return where the next one is, and the run of segments that this one points to."""
    opcode, length = words[position], words[position + 1]
    if opcode == _DISCRETE:
        entries.extend(words[position + 2 : position + 2 + length])
        return position + 2 + length, []
    if opcode == _LINEAR and entries and position + 3 <= len(words):
        steps = np.linspace(entries[-1], words[position + 2], length + 1)[1:]
        entries.extend(int(step) for step in np.rint(steps))
        return position + 3, []
    if opcode == _INDIRECT and may_point and position + 4 <= len(words):
        return position + 4, [(words[position + 2] | words[position + 3] << 16, length)]
    raise InvalidImageDescription(
        f"segmented palette: segment type {opcode} at word {position} is not readable"
    )


def _read_words(
    attributes: Attributes,
    tag: str,
    path: str,
    count: int,
    bits: int,
    read_bulk: ReadBulk | None,
    is_segmented: bool,
) -> npt.NDArray[Any]:
    element = attributes.get(tag)
    if not isinstance(element, Mapping):
        raise InvalidImageDescription(f"lookup table data {tag} is missing")
    if element.get("Value"):
        return np.array([int(value) & 0xFFFF for value in element["Value"]], np.uint16)
    if "InlineBinary" in element:
        data = base64.b64decode(element["InlineBinary"])
    elif "BulkDataURI" in element and read_bulk is not None:
        data = read_bulk(path)
    else:
        raise InvalidImageDescription(f"lookup table data {tag} is not at hand")
    is_bytes = bits <= 8 and (is_segmented or len(data) < 2 * count)
    return np.frombuffer(data, "u1" if is_bytes else "<u2", len(data) // (1 if is_bytes else 2))
