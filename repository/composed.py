"""A PS3.10 file made of metadata in the DICOM JSON model and of bulk parts beside it.

Nothing is fetched: a BulkDataURI is only a name to find a received part by.

Standard: PS3.18 10.5.1, PS3.18 10.5.2, PS3.10 7
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repository.bulk_parts import BulkPart
from repository.encoding import (
    LONG_LENGTH_VRS,
    UNDEFINED_LENGTH,
    choose_vr,
    encode_element,
    encode_explicit_header,
)
from repository.file_meta import FileMeta, encode_file_meta
from repository.header.errors import NestingTooDeep, Part10Error
from repository.json_values import BINARY_VRS, KNOWN_VRS, UnreadableMetadata, decode_inline, encode_values
from repository.received_pixels import (
    OCTET_STREAM,
    MisfitBulkData,
    describe_image,
    encapsulate,
    is_compressed,
    settle_transfer_syntax,
    unwrap,
)

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
PIXEL_DATA = "7FE00010"
MAX_DEPTH = 32
FLUSH_BYTES = 64 << 10
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_CHARACTER_SET = "00080005"
_NUMBER_OF_FRAMES = "00280008"
_PIXEL_REPRESENTATION = "00280103"
_VIDEO = "video/"
_MAX_SHORT_BYTES = 0xFFFE
_ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"

DataSet = Mapping[str, Any]
FindBulk = Callable[[str], Sequence[BulkPart]]


class MissingBulkData(Part10Error):
    """A BulkDataURI of the metadata names no part of the request."""


@dataclass(frozen=True, slots=True)
class _Pixels:
    """Compressed frames that replace the BulkDataURI of Pixel Data."""

    transfer_syntax_uid: str
    frames: tuple[BulkPart, ...]


def compose_file(metadata: DataSet, find_bulk: FindBulk) -> Iterator[bytes]:
    """Yield a PS3.10 file: Explicit VR Little Endian, or the transfer syntax of compressed Pixel Data.

    Group lengths and file meta elements of the metadata are left out, text is written as UTF-8, a missing VR is
    looked up. Image Pixel Description attributes that compressed pixels state may be missing.

    Parameters
    ----------
    find_bulk
        Returns the received parts of a BulkDataURI in their order, none if it names none.

    Raises
    ------
    Part10Error
        One of its subclasses, before the first byte or between two.

    Standard: PS3.18 10.5.2
    """
    attributes = _normalise(metadata)
    attributes[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    attributes = dict(sorted(attributes.items()))
    try:
        pixels = _take_pixels(attributes, find_bulk)
        yield _encode_meta(attributes, pixels.transfer_syntax_uid if pixels else EXPLICIT_LITTLE)
        yield from _join_small(_encode_data_set(attributes, find_bulk, pixels, _Surroundings()))
    except Part10Error as error:
        error.sop_class_uid, error.sop_instance_uid = (
            _first(attributes, t) for t in ("00080016", "00080018")
        )
        raise


@dataclass(frozen=True, slots=True)
class _Surroundings:
    depth: int = 0
    pixel_representation: int = 0


def _normalise(metadata: Any) -> dict[str, Any]:
    """Return the elements by upper-case tag, in order, without what only a file has."""
    if not isinstance(metadata, dict):
        raise UnreadableMetadata("a data set of the metadata is no JSON object")
    elements = {}
    for tag, element in metadata.items():
        if not _TAG.fullmatch(tag):
            raise UnreadableMetadata(f"attribute {tag[:32]!r} is not named by eight hexadecimal digits")
        if not isinstance(element, dict):
            raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) is no JSON object")
        if tag[:4] not in ("0000", "0002", "FFFE", "fffe") and tag[4:] != "0000":
            elements[tag.upper()] = element
    return dict(sorted(elements.items()))


def _first(attributes: DataSet, tag: str) -> str:
    values = _values(attributes, tag)
    return values[0] if values and isinstance(values[0], str) else ""


def _values(attributes: DataSet, tag: str) -> list[Any]:
    values = attributes.get(tag, {}).get("Value")
    return values if isinstance(values, list) else []


def _encode_meta(attributes: DataSet, transfer_syntax_uid: str) -> bytes:
    named = ((0x00020002, "00080016"), (0x00020003, "00080018"))
    elements = tuple((tag, "UI", _first(attributes, of).encode("ascii", "replace")) for tag, of in named)
    return encode_file_meta(FileMeta(elements, 0), transfer_syntax_uid)


def _take_pixels(attributes: dict[str, Any], find_bulk: FindBulk) -> _Pixels | None:
    """Return the compressed frames of Pixel Data, and complete the attributes by what they state."""
    uri = attributes.get(PIXEL_DATA, {}).get("BulkDataURI")
    parts = find_bulk(uri) if isinstance(uri, str) else ()
    if not parts or not is_compressed(parts[0]):
        return None
    if len({(part.media_type, part.transfer_syntax_uid) for part in parts}) > 1:
        raise MisfitBulkData("the frames of Pixel Data differ in media type or transfer syntax")
    frames = tuple(map(unwrap, parts))
    syntax = settle_transfer_syntax(frames[0])
    stated = describe_image(frames[0], syntax)
    for tag in ("00280010", "00280011"):
        given = _values(attributes, tag)
        if tag in stated and given and given != stated[tag]["Value"]:
            raise MisfitBulkData(
                f"({tag[:4]},{tag[4:]}) is {given[0]}, the image has {stated[tag]['Value'][0]}"
            )
    for tag, element in stated.items():
        if not _values(attributes, tag):
            attributes[tag] = element
    if not frames[0].media_type.startswith(_VIDEO):
        _check_number_of_frames(attributes, len(frames))
    ordered = sorted(attributes.items())
    attributes.clear()
    attributes.update(ordered)
    return _Pixels(syntax, frames)


def _check_number_of_frames(attributes: dict[str, Any], count: int) -> None:
    values = _values(attributes, _NUMBER_OF_FRAMES)
    if not values:
        if count > 1:
            attributes[_NUMBER_OF_FRAMES] = {"vr": "IS", "Value": [count]}
    elif str(values[0]).strip() != str(count):
        raise MisfitBulkData(f"Number of Frames is {str(values[0])[:16]}, {count} frames came as bulk parts")


def _join_small(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Gather small pieces, so that a header of a thousand elements is one chunk."""
    gathered = bytearray()
    for piece in pieces:
        if len(piece) >= FLUSH_BYTES:
            yield bytes(gathered)
            yield piece
            gathered.clear()
        else:
            gathered += piece
            if len(gathered) >= FLUSH_BYTES:
                yield bytes(gathered)
                gathered.clear()
    yield bytes(gathered)


def _encode_data_set(
    attributes: DataSet, find_bulk: FindBulk, pixels: _Pixels | None, around: _Surroundings
) -> Iterator[bytes]:
    values = _values(attributes, _PIXEL_REPRESENTATION)
    if values and isinstance(values[0], int):
        around = _Surroundings(around.depth, values[0])
    for tag, element in attributes.items():
        vr = _settle_vr(tag, element, around)
        if tag == PIXEL_DATA and pixels is not None:
            yield encode_explicit_header(int(tag, 16), "OB", UNDEFINED_LENGTH)
            yield from encapsulate(pixels.frames)
        elif vr == "SQ":
            yield from _encode_sequence(tag, element, find_bulk, around)
        elif "BulkDataURI" in element:
            yield from _encode_bulk(tag, vr, element["BulkDataURI"], find_bulk)
        elif "InlineBinary" in element:
            yield from _encode_value(tag, vr, decode_inline(tag, element["InlineBinary"]))
        else:
            yield from _encode_value(tag, vr, _encode_listed(tag, vr, element))


def _settle_vr(tag: str, element: DataSet, around: _Surroundings) -> str:
    vr = element.get("vr")
    if vr is None:
        vr = choose_vr(int(tag, 16), around.pixel_representation, None)
    if vr not in KNOWN_VRS:
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has VR {str(vr)[:16]!r}, which is none")
    return str(vr)


def _encode_listed(tag: str, vr: str, element: DataSet) -> bytes:
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has a Value that is no array")
    if not values:
        return b""
    return encode_values(tag, vr, values)


def _encode_value(tag: str, vr: str, value: bytes) -> Iterator[bytes]:
    if len(value) > _MAX_SHORT_BYTES and vr not in LONG_LENGTH_VRS:
        vr = "UN"  # PS3.5 6.2.2: a value that a 16-bit length cannot say
    yield encode_element(int(tag, 16), vr, value)


def _encode_bulk(tag: str, vr: str, uri: Any, find_bulk: FindBulk) -> Iterator[bytes]:
    """Yield an element whose value is a bulk part as it came: bytes, little endian."""
    parts = find_bulk(uri) if isinstance(uri, str) else ()
    name = f"({tag[:4]},{tag[4:]})"
    if not parts:
        raise MissingBulkData(f"{name}: no part of the request has Content-Location {str(uri)[:200]}")
    if any(is_compressed(part) for part in parts):
        raise MisfitBulkData(f"{name} cannot be of media type {parts[0].media_type}")
    if tag == PIXEL_DATA and any(part.media_type != OCTET_STREAM for part in parts):
        raise MisfitBulkData(f"Pixel Data cannot be of media type {parts[0].media_type[:64]}")
    if any(part.transfer_syntax_uid not in ("", EXPLICIT_LITTLE) for part in parts):
        raise MisfitBulkData(f"{name} came in transfer syntax {parts[0].transfer_syntax_uid[:64]}")
    total = sum(part.length for part in parts)
    if total + total % 2 >= UNDEFINED_LENGTH:
        raise MisfitBulkData(f"{name} is longer than {UNDEFINED_LENGTH - 1} bytes")
    long_vr = vr if vr in LONG_LENGTH_VRS or total <= _MAX_SHORT_BYTES else "UN"
    yield encode_explicit_header(int(tag, 16), long_vr, total + total % 2)
    for part in parts:
        yield from part.pieces()
    if total % 2:
        yield b"\0" if vr in BINARY_VRS or vr == "UI" else b" "


def _encode_sequence(
    tag: str, element: DataSet, find_bulk: FindBulk, around: _Surroundings
) -> Iterator[bytes]:
    items = element.get("Value", [])
    if not isinstance(items, list):
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has a Value that is no array")
    if around.depth >= MAX_DEPTH:
        raise NestingTooDeep(f"sequences are nested deeper than {MAX_DEPTH} levels")
    inside = _Surroundings(around.depth + 1, around.pixel_representation)
    yield encode_explicit_header(int(tag, 16), "SQ", UNDEFINED_LENGTH)
    for item in items:
        yield b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
        attributes = _normalise(item if item is not None else {})
        attributes.pop(_CHARACTER_SET, None)
        yield from _encode_data_set(attributes, find_bulk, None, inside)
        yield _ITEM_END
    yield _SEQUENCE_END
