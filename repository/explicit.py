"""A data set rewritten as Explicit VR Little Endian while it streams by: headers change, values pass,
nothing is kept.

Sequences and items leave with undefined length, because their new length is only known when they have
passed. Group length elements (retired, and wrong after any rewriting) are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import numpy as np

from repository.encoding import (
    LONG_LENGTH_VRS,
    UNDEFINED_LENGTH,
    WORD_BYTES,
    choose_vr,
    encode_explicit_header,
)

BLOCK_BYTES: Final = 256 * 1024
MAX_NESTING_DEPTH: Final = 64

ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA: Final = 0x7FE00010
_ITEM_HEADER = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
_ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _LUT_DESCRIPTOR = 0x00280100, 0x00280103, 0x00283002
_FACTS = frozenset({_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _LUT_DESCRIPTOR})
_SHORT_VALUE_BYTES = 4096
_WINDOW_BYTES = 64 * 1024
_MAX_SHORT_LENGTH = 0xFFFE


class MalformedDataSet(ValueError):
    """The element structure of a data set breaks off or contradicts itself."""


@dataclass(slots=True)
class ElementReader:
    """Reads element headers and values in order out of a ranged reader; holds one window of 64 KiB.

    `read(offset, length)` returns the bytes of that range, fewer only at the end of the file.
    """

    read: Callable[[int, int], bytes]
    position: int
    end: int
    is_implicit: bool = False
    is_big_endian: bool = False
    _window: bytes = b""
    _window_offset: int = 0

    def take(self, length_bytes: int) -> bytes:
        """Return the next bytes and move on.

        Raises
        ------
        MalformedDataSet
            The data ends before.
        """
        start = self.position - self._window_offset
        if start < 0 or start + length_bytes > len(self._window):
            self._window = self.read(
                self.position, min(max(length_bytes, _WINDOW_BYTES), self.end - self.position)
            )
            self._window_offset, start = self.position, 0
        taken = self._window[start : start + length_bytes]
        if len(taken) < length_bytes:
            self._refuse(length_bytes)
        self.position += length_bytes
        return taken

    def take_header(self, is_implicit: bool | None = None) -> tuple[int, str, int]:
        """Return tag, VR (empty where the data set names none) and length of the next element or item."""
        order = ">" if self.is_big_endian else "<"
        head = self.take(8)
        group, element = struct.unpack_from(order + "HH", head)
        tag = group << 16 | element
        implicit = self.is_implicit if is_implicit is None else is_implicit
        if implicit or group == 0xFFFE:
            return tag, "", struct.unpack_from(order + "I", head, 4)[0]
        vr = head[4:6].decode("latin-1")
        if vr in LONG_LENGTH_VRS:
            return tag, vr, struct.unpack(order + "I", self.take(4))[0]
        if not (vr.isascii() and vr.isalpha() and vr.isupper()):
            raise MalformedDataSet(
                f"element ({group:04X},{element:04X}) at byte {self.position - 8} has no VR"
            )
        return tag, vr, struct.unpack_from(order + "H", head, 6)[0]

    def copy(self, length_bytes: int, word_bytes: int = 1) -> Iterator[bytes]:
        """Yield the next bytes in blocks, the bytes of every word turned around in big endian data."""
        if length_bytes > self.end - self.position:
            self._refuse(length_bytes)
        swap = self.is_big_endian and word_bytes > 1
        while length_bytes:
            block = self.take(min(length_bytes, BLOCK_BYTES))
            length_bytes -= len(block)
            yield _swap_words(block, word_bytes) if swap else block

    def _refuse(self, length_bytes: int) -> NoReturn:
        raise MalformedDataSet(
            f"{length_bytes} bytes are announced at byte {self.position}, the data set ends at {self.end}"
        )


@dataclass(slots=True)
class _Level:
    """An open data set or sequence: its end (None: at its delimiter) and what its elements have said."""

    is_sequence: bool
    end: int | None
    facts: dict[int, int] = field(default_factory=dict)


def rewrite_as_explicit(reader: ElementReader, pixel_representation: int | None = None) -> Iterator[bytes]:
    """Yield the data set under the reader as Explicit VR Little Endian.

    Memory is bounded by one block of 256 KiB, however large a value is.

    Parameters
    ----------
    pixel_representation
        Of the whole data set where it is known before: it decides "US or SS" in sequences that precede it.

    Raises
    ------
    MalformedDataSet
        The structure breaks off, a sequence is nested deeper than 64 levels, or encapsulated pixel data
        turns up in a transfer syntax that has none.

    Standard: PS3.5 A.1, A.2, 7.5
    """
    levels = [_Level(is_sequence=False, end=reader.end)]
    if pixel_representation is not None:
        levels[0].facts[_PIXEL_REPRESENTATION] = pixel_representation
    while levels:
        level = levels[-1]
        if level.end is not None and reader.position >= level.end - (7 if len(levels) == 1 else 0):
            _check_end(reader, level, is_root=len(levels) == 1)
            levels.pop()
            if levels:
                yield _SEQUENCE_END if level.is_sequence else _ITEM_END
        elif level.is_sequence:
            yield from _rewrite_item(reader, levels)
        else:
            yield from _rewrite_element(reader, levels)


def _check_end(reader: ElementReader, level: _Level, is_root: bool) -> None:
    if not is_root and level.end is not None and reader.position > level.end:
        raise MalformedDataSet(
            f"an element before byte {reader.position} runs past the end of its item or sequence"
        )


def _rewrite_item(reader: ElementReader, levels: list[_Level]) -> Iterator[bytes]:
    tag, _, length_bytes = reader.take_header()
    if tag == SEQUENCE_DELIMITER and levels[-1].end is None:
        levels.pop()
        yield _SEQUENCE_END
    elif tag == ITEM:
        _push(levels, _Level(False, _find_end(reader, length_bytes)))
        yield _ITEM_HEADER
    else:
        raise MalformedDataSet(f"an item is expected at byte {reader.position - 8}, not {_name(tag)}")


def _rewrite_element(reader: ElementReader, levels: list[_Level]) -> Iterator[bytes]:
    tag, vr, length_bytes = reader.take_header()
    if tag == ITEM_DELIMITER and levels[-1].end is None:
        levels.pop()
        yield _ITEM_END
        return
    if tag >> 16 == 0xFFFE:
        raise MalformedDataSet(f"{_name(tag)} at byte {reader.position - 8} where an element is expected")
    vr = vr or choose_vr(
        tag, _find_fact(levels, _PIXEL_REPRESENTATION) or 0, levels[-1].facts.get(_LUT_DESCRIPTOR)
    )
    if vr == "SQ":
        _push(levels, _Level(True, _find_end(reader, length_bytes)))
        yield encode_explicit_header(tag, "SQ", UNDEFINED_LENGTH)
    elif length_bytes == UNDEFINED_LENGTH:
        if tag == PIXEL_DATA:
            raise MalformedDataSet("encapsulated pixel data in a transfer syntax without encapsulation")
        yield encode_explicit_header(tag, "UN", UNDEFINED_LENGTH)
        yield from copy_until_delimiter(reader, is_implicit=True)
    elif tag & 0xFFFF == 0:
        for _ in reader.copy(length_bytes):
            pass
    else:
        yield from _rewrite_value(reader, levels, tag, vr, length_bytes)


def _rewrite_value(
    reader: ElementReader, levels: list[_Level], tag: int, vr: str, length_bytes: int
) -> Iterator[bytes]:
    word_bytes = WORD_BYTES.get(vr, 1)
    if tag == PIXEL_DATA and vr == "OW":
        word_bytes = max(2, (_find_fact(levels, _BITS_ALLOCATED) or 16) // 8)
    if vr not in LONG_LENGTH_VRS and length_bytes > _MAX_SHORT_LENGTH:
        vr = "UN"
    header = encode_explicit_header(tag, vr, length_bytes)
    if length_bytes <= _SHORT_VALUE_BYTES and not (reader.is_big_endian and word_bytes > 1):
        value = reader.take(length_bytes)
        if tag in _FACTS and length_bytes >= 2:
            levels[-1].facts[tag] = int.from_bytes(value[:2], "little")
        yield header + value
        return
    yield header
    if tag in _FACTS and 2 <= length_bytes <= 6:
        value = b"".join(reader.copy(length_bytes, 2))
        levels[-1].facts[tag] = int.from_bytes(value[:2], "little")
        yield value
    else:
        yield from reader.copy(length_bytes, word_bytes)


def copy_until_delimiter(reader: ElementReader, *, is_implicit: bool) -> Iterator[bytes]:
    """Yield the content of a sequence of undefined length as it is, up to and with its own delimiter.

    Parameters
    ----------
    is_implicit
        The VR encoding of its items; a UN of undefined length is implicit in every transfer syntax.

    Raises
    ------
    MalformedDataSet
        The structure breaks off or is nested too deep.

    Standard: PS3.5 6.2.2, 7.5
    """
    # A level is (whether it is a sequence, whether its elements are implicit).
    levels = [(True, is_implicit)]
    while levels:
        is_sequence, implicit = levels[-1]
        tag, vr, length_bytes = reader.take_header(implicit)
        yield _encode_header_again(tag, vr, length_bytes)
        if tag == (SEQUENCE_DELIMITER if is_sequence else ITEM_DELIMITER):
            levels.pop()
        elif is_sequence != (tag == ITEM) or tag in (ITEM_DELIMITER, SEQUENCE_DELIMITER):
            raise MalformedDataSet(f"{_name(tag)} at byte {reader.position - 8} does not belong there")
        elif length_bytes != UNDEFINED_LENGTH:
            yield from reader.copy(length_bytes)
        elif len(levels) >= MAX_NESTING_DEPTH:
            raise MalformedDataSet(f"sequences are nested deeper than {MAX_NESTING_DEPTH} levels")
        else:
            levels.append((not is_sequence, implicit or vr == "UN"))


def _encode_header_again(tag: int, vr: str, length_bytes: int) -> bytes:
    if vr:
        return encode_explicit_header(tag, vr, length_bytes)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length_bytes)


def _find_end(reader: ElementReader, length_bytes: int) -> int | None:
    return None if length_bytes == UNDEFINED_LENGTH else reader.position + length_bytes


def _push(levels: list[_Level], level: _Level) -> None:
    if len(levels) >= 2 * MAX_NESTING_DEPTH:
        raise MalformedDataSet(f"sequences are nested deeper than {MAX_NESTING_DEPTH} levels")
    levels.append(level)


def _find_fact(levels: list[_Level], tag: int) -> int | None:
    return next((level.facts[tag] for level in reversed(levels) if tag in level.facts), None)


def _swap_words(block: bytes, word_bytes: int) -> bytes:
    whole = len(block) - len(block) % word_bytes
    return np.frombuffer(block, f"u{word_bytes}", whole // word_bytes).byteswap().tobytes() + block[whole:]


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
