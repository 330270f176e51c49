"""The fast reader: a little endian data set straight to the DICOM JSON model.

It reads what is well formed and nothing else. Whatever it is not sure of raises StrictnessDoubt, and the
lenient reader (`fallback.py`) decides. Reading stops behind the pixel data; what follows is `read_tail`'s.

Standard: PS3.5 7, PS3.18 F.2
"""

import binascii
import struct
from dataclasses import dataclass, field
from typing import Any

from repository.header.errors import HeaderTooLarge, NestingTooDeep, StrictnessDoubt, TruncatedDataSet
from repository.header.fragments import (
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    Buffer,
    find_encapsulated_end,
)
from repository.header.model import Findings, PixelElement
from repository.header.text import TextDecoder, default_decoder, select_decoder
from repository.header.values import BINARY_VRS, LONG_VRS, LONGEST, READERS, Reader
from repository.header.vr import KNOWN_VRS, LUT_DESCRIPTORS, find_private_vr, find_standard_vr, settle_vr

MAX_DEPTH = 32
MAX_ELEMENTS = 500_000
FREE_ELEMENTS = 220_000
BYTES_AN_ELEMENT = (
    128  # of the whole file, beyond the free ones: the costly header of a small file is no image's
)
MAX_INLINE_BYTES = 64 << 20
INLINE_BINARY_BYTES = 1024
MAX_PLAIN_BYTES = 0xFFFF

PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
PIXEL_DATA = 0x7FE00010
TRAILING_PADDING = 0xFFFCFFFC
_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_LUT_DESCRIPTOR = 0x00283002
_WATCHED = frozenset((_CHARACTER_SET, _PIXEL_REPRESENTATION, *LUT_DESCRIPTORS))

_EXPLICIT_VRS = {vr.encode(): (vr, vr in LONG_VRS) for vr in (*READERS, *BINARY_VRS, "SQ")}
# VR, key, and whether nothing else is to be done about the element.
_KNOWN = {
    tag: (vr, f"{tag:08X}", tag & 0xFFFF != 0 and tag != TRAILING_PADDING and tag not in _WATCHED)
    for tag, vr in KNOWN_VRS.items()
}
_NO_LIMIT = 1 << 62
_EXPLICIT_HEAD = struct.Struct("<HH2sH").unpack_from
_IMPLICIT_HEAD = struct.Struct("<HHI").unpack_from
_LONG_LENGTH = struct.Struct("<I").unpack_from


@dataclass(slots=True)
class Scan:
    """One reading of one file; `total` is the size of the data, of which `buffer` may hold only the start.

    `free_elements` may be had by a file of any size.
    """

    buffer: Buffer
    total: int
    findings: Findings
    is_addressable: bool = True
    inline_bytes: int = 0
    free_elements: int = 0
    max_elements: int = field(init=False)

    def __post_init__(self) -> None:
        """Count how many elements the file may have."""
        free = self.free_elements or FREE_ELEMENTS
        self.max_elements = max(free, min(free + self.total // BYTES_AN_ELEMENT, MAX_ELEMENTS))


@dataclass(slots=True)
class Level:
    """One data set on the way down: the file's own or a sequence item's."""

    is_implicit: bool
    decoder: TextDecoder
    path: str = ""
    depth: int = 0
    is_delimited: bool = False
    last_tag: int = -1
    pixel_representation: int | None = None
    lut_entries: int | None = None
    creators: dict[int, str] = field(default_factory=dict)


def read_top_level(scan: Scan, offset: int, *, is_implicit: bool) -> tuple[dict[str, Any], int]:
    """Read the data set from `offset` up to and including the pixel data.

    Returns
    -------
    tuple
        The attributes and the offset behind them.

    Raises
    ------
    StrictnessDoubt
        If anything is not as the standard says.
    TruncatedDataSet, NestingTooDeep, HeaderTooLarge
        If there is no point in asking the lenient reader.
    """
    level = Level(is_implicit, default_decoder(scan.findings))
    return _read_data_set(scan, level, offset, len(scan.buffer))


def read_tail(scan: Scan, attributes: dict[str, Any], offset: int, *, is_implicit: bool) -> None:
    """Read what follows the pixel data (signatures, padding); anything else becomes a warning.

    Standard: PS3.10 7.2
    """
    level = Level(is_implicit, default_decoder(scan.findings), last_tag=PIXEL_DATA)
    try:
        tail, _ = _read_data_set(scan, level, offset, len(scan.buffer))
    except (StrictnessDoubt, TruncatedDataSet):
        scan.findings.warn(f"{scan.total - offset} trailing bytes after the data set are no elements")
        return
    attributes.update(tail)


def _read_explicit_head(buffer: Buffer, pos: int, end: int) -> tuple[int, str, int, int]:
    if pos + 8 > end:
        raise StrictnessDoubt("element header cut off")
    group, element, raw_vr, length = _EXPLICIT_HEAD(buffer, pos)
    known = _EXPLICIT_VRS.get(raw_vr)
    if known is None:
        if group != 0xFFFE:
            raise StrictnessDoubt("unknown VR")
        return group << 16 | element, "", 0, pos + 8
    if known[1]:
        if pos + 12 > end:
            raise StrictnessDoubt("element header cut off")
        return group << 16 | element, known[0], _LONG_LENGTH(buffer, pos + 8)[0], pos + 12
    return group << 16 | element, known[0], length, pos + 8


def _read_implicit_head(buffer: Buffer, pos: int, end: int) -> tuple[int, str, int, int]:
    if pos + 8 > end:
        raise StrictnessDoubt("element header cut off")
    group, element, length = _IMPLICIT_HEAD(buffer, pos)
    return group << 16 | element, "", length, pos + 8


def _read_data_set(scan: Scan, level: Level, pos: int, end: int) -> tuple[dict[str, Any], int]:
    attributes: dict[str, Any] = {}
    read_head = _read_implicit_head if level.is_implicit else _read_explicit_head
    buffer, last = scan.buffer, level.last_tag
    element: dict[str, Any]
    while pos < end:
        tag, declared, length, pos = read_head(buffer, pos, end)
        if not last < tag < ITEM_DELIMITATION:
            return attributes, _close_item(level, tag, pos)
        last = tag
        known_vr, key, is_plain = _KNOWN.get(tag) or ("unlisted", f"{tag:08X}", False)
        vr = declared if declared == known_vr else _settle(scan, level, tag, declared, length)
        reader = READERS.get(vr)
        if reader:
            value_end = pos + length
            if not length:
                element = {"vr": vr}
            elif value_end <= end and not length & 1 and length <= LONGEST.get(vr, MAX_PLAIN_BYTES):
                # What nearly every element is, without another call: there are a hundred and more of them.
                values = reader(bytes(buffer[pos:value_end]), level.decoder)
                element = {"vr": vr, "Value": values} if values else {"vr": vr}
            else:
                element = _read_value(scan, level, vr, reader, length, pos, end)
            pos = value_end
        else:
            element, pos = _read_structure(scan, level, tag, vr, declared, length, pos, end)
        if is_plain or _is_kept(scan, level, tag, element):
            attributes[key] = element
        if tag in PIXEL_TAGS and not level.depth:
            return attributes, pos
    if level.is_delimited:
        raise StrictnessDoubt("item without delimiter")
    return attributes, pos


def _is_kept(scan: Scan, level: Level, tag: int, element: dict[str, Any]) -> bool:
    """Note what the rest of the data set hangs on; say whether the element is part of the model."""
    if tag & 0x10000:
        _watch_private(scan, level, tag, element)
    elif tag in _WATCHED:
        _watch(scan, level, tag, element)
    return tag & 0xFFFF != 0 and tag != TRAILING_PADDING


def _close_item(level: Level, tag: int, pos: int) -> int:
    if tag == ITEM_DELIMITATION and level.is_delimited:
        return pos
    raise StrictnessDoubt("elements out of order")


def _read_value(
    scan: Scan, level: Level, vr: str, reader: Reader, length: int, pos: int, end: int
) -> dict[str, Any]:
    if length > end - pos:
        raise StrictnessDoubt("value beyond the end")
    if length & 1:
        scan.findings.warn(f"a value of VR {vr} has an odd length")
    if length > MAX_PLAIN_BYTES:
        _count_inline(scan, length)
    values = reader(bytes(scan.buffer[pos : pos + length]), level.decoder)
    if not values:
        return {"vr": vr}
    if length > LONGEST.get(vr, _NO_LIMIT):
        warn_overlong(scan.findings, vr, values)
    return {"vr": vr, "Value": values}


def warn_overlong(findings: Findings, vr: str, values: list[Any]) -> None:
    """Warn if a text value is longer than its VR allows; it is kept whole."""
    limit = LONGEST[vr]
    for value in values:
        groups = value.values() if isinstance(value, dict) else (value,)
        if any(isinstance(group, str) and len(group) > limit for group in groups):
            findings.warn(f"a value of VR {vr} is longer than {limit} characters")


def _count_inline(scan: Scan, length: int) -> None:
    scan.inline_bytes += length
    if scan.inline_bytes > MAX_INLINE_BYTES:
        raise HeaderTooLarge(
            f"more than {MAX_INLINE_BYTES >> 20} MiB of text and numbers outside the pixel data"
        )


def _settle(scan: Scan, level: Level, tag: int, declared: str, length: int) -> str:
    _count(scan, 1)
    if declared not in ("", "UN"):
        known = "" if tag & 0x10000 else KNOWN_VRS.get(tag)
        if known and declared not in known:
            scan.findings.warn(
                f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has VR {declared}, the dictionary says {known}"
            )
        return declared
    if declared == "UN" and length == UNDEFINED:
        return "SQ"
    if declared == "UN" and not tag & 0x10000 and length >= 0xFFFF:
        return "UN"
    vr = find_private_vr(tag, level.creators) if tag & 0x10000 else find_standard_vr(tag)
    if vr == "UN" and length == UNDEFINED:
        return "SQ"
    if declared == "UN" and (vr == "SQ" or " or " in vr):
        raise StrictnessDoubt("UN that is a sequence or ambiguous")
    if " or " in vr:
        return settle_vr(tag, vr, level.pixel_representation, level.lut_entries, is_nested=level.depth > 0)
    return vr


def _count(scan: Scan, elements: int) -> None:
    """Count elements: those not listed one by one, of the others (a few thousand at most) a whole item."""
    scan.findings.elements += elements
    if scan.findings.elements > scan.max_elements:
        raise HeaderTooLarge(f"more than {scan.max_elements} elements outside the pixel data")


def _watch(scan: Scan, level: Level, tag: int, element: dict[str, Any]) -> None:
    values = element.get("Value", ())
    if tag == _CHARACTER_SET:
        level.decoder = select_decoder(values, scan.findings)
        element["Value"] = ["ISO_IR 192"]
    elif tag == _PIXEL_REPRESENTATION and len(values) == 1:
        level.pixel_representation = values[0] if isinstance(values[0], int) else None
    elif tag in LUT_DESCRIPTORS and values and isinstance(values[0], int):
        values[0] &= 0xFFFF
        if tag == _LUT_DESCRIPTOR:
            level.lut_entries = values[0]


def _watch_private(scan: Scan, level: Level, tag: int, element: dict[str, Any]) -> None:
    number = tag & 0xFFFF
    if 0x10 <= number < 0x100:
        values = element.get("Value", ())
        if values and isinstance(values[0], str):
            level.creators[(tag >> 16) << 8 | number] = values[0]
    elif number and (tag >> 16) << 8 | number >> 8 not in level.creators and not scan.findings.is_full:
        scan.findings.warn(f"private element ({tag >> 16:04X},{number:04X}) has no Private Creator")


def _read_structure(
    scan: Scan, level: Level, tag: int, vr: str, declared: str, length: int, pos: int, end: int
) -> tuple[dict[str, Any], int]:
    if vr == "SQ":
        is_implicit = level.is_implicit or declared == "UN"
        return _read_sequence(scan, level, tag, length, pos, end, is_implicit=is_implicit)
    if vr not in BINARY_VRS:
        raise StrictnessDoubt("no value can follow")
    element: dict[str, Any] = {"vr": vr}
    if tag in PIXEL_TAGS and not level.depth:
        return element, _take_pixel(scan, tag, element, length, pos)
    if length == UNDEFINED:
        value_end = find_encapsulated_end(scan.buffer, pos, end)
        _defer(scan, level, tag, element, pos, value_end - pos)
        return element, value_end + 8
    if length > end - pos:
        raise StrictnessDoubt("value beyond the end")
    if length > INLINE_BINARY_BYTES or (tag in PIXEL_TAGS and length):
        _defer(scan, level, tag, element, pos, length)
    elif length:
        raw = bytes(scan.buffer[pos : pos + length])
        element["InlineBinary"] = binascii.b2a_base64(raw, newline=False).decode("ascii")
    return element, pos + length


def _defer(scan: Scan, level: Level, tag: int, element: dict[str, Any], offset: int, length: int) -> None:
    scan.findings.add_bulk(element, f"{level.path}{tag:08X}", offset if scan.is_addressable else None, length)


def _take_pixel(scan: Scan, tag: int, element: dict[str, Any], length: int, pos: int) -> int:
    """Note the pixel element; return the offset behind it, which may lie beyond a partly inflated buffer."""
    if length == UNDEFINED:
        value_end = find_encapsulated_end(scan.buffer, pos, len(scan.buffer))
        value_length, next_pos = value_end - pos, value_end + 8
    else:
        value_length, next_pos = length, pos + length
        if next_pos > scan.total:
            raise TruncatedDataSet(
                f"({tag:08X}) announces {length} bytes of pixel data, {scan.total - pos} are left"
            )
    known_length = None if length == UNDEFINED else length
    offset = pos if scan.is_addressable else None
    scan.findings.pixel = PixelElement(f"{tag:08X}", element["vr"], offset, known_length)
    scan.findings.add_bulk(element, f"{tag:08X}", offset, value_length)
    return next_pos


def _read_sequence(
    scan: Scan, level: Level, tag: int, length: int, pos: int, end: int, *, is_implicit: bool
) -> tuple[dict[str, Any], int]:
    if level.depth >= MAX_DEPTH:
        raise NestingTooDeep(f"sequences are nested deeper than {MAX_DEPTH} levels at byte {pos}")
    has_delimiter = length == UNDEFINED
    if not has_delimiter:
        if length > end - pos:
            raise StrictnessDoubt("sequence beyond the end")
        end = pos + length
    path = f"{level.path}{tag:08X}/"
    items: list[dict[str, Any]] = []
    while has_delimiter or pos < end:
        item_tag, _, item_length, pos = _read_implicit_head(scan.buffer, pos, end)
        if item_tag == SEQUENCE_DELIMITATION and has_delimiter:
            break
        if item_tag != ITEM:
            raise StrictnessDoubt("no item where one is due")
        child = Level(
            is_implicit,
            level.decoder,
            f"{path}{len(items)}/",
            level.depth + 1,
            item_length == UNDEFINED,
            pixel_representation=level.pixel_representation,
        )
        if item_length != UNDEFINED and item_length > end - pos:
            raise StrictnessDoubt("item beyond the end")
        item, pos = _read_data_set(scan, child, pos, end if child.is_delimited else pos + item_length)
        _count(scan, len(item) + 1)
        items.append(item)
    return ({"vr": "SQ", "Value": items} if items else {"vr": "SQ"}), pos
