"""Compressed pixel data that came as bulk parts: its transfer syntax, what it says of itself, its encapsulation.

Standard: PS3.18 10.5.2, PS3.18 8.7.3.3.2, PS3.5 A.4
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from registry.wire.media_types import SYNTAXES_OF_MEDIA_TYPE
from repository.bulk_parts import BulkPart
from repository.codestream import Codestream, UnreadableCodestream, read_jpeg_2000_header, read_jpeg_header
from repository.header.errors import Part10Error

OCTET_STREAM = "application/octet-stream"
SYNTAXES = {name.lower(): syntaxes for name, syntaxes in SYNTAXES_OF_MEDIA_TYPE.items()}
HEAD_BYTES = 1 << 20
_JPEG = "1.2.840.10008.1.2.4."
_SOF = {0xC0: "50", 0xC1: "51", 0xC3: "57"}
_SOS = 0xDA
_ITEM = struct.Struct("<HHI").pack
_MAX_FRAGMENT_BYTES = 0xFFFFFFFE


class MisfitBulkData(Part10Error):
    """The bulk parts of an element cannot be its value; the message says why."""


def is_compressed(part: BulkPart) -> bool:
    """Tell whether the media type of a part is one of compressed images or video."""
    return part.media_type in SYNTAXES and part.media_type != OCTET_STREAM


def unwrap(part: BulkPart) -> BulkPart:
    """Return the codestream of a JP2 file, or the part itself.

    Standard: PS3.5 A.4.4, ISO/IEC 15444-1 I.4
    """
    head = part.read_head(HEAD_BYTES)
    if head[4:8] != b"jP  ":
        return part
    at = 0
    while at + 16 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, at + 8)
            start += 8
        end = at + length if length else part.length
        if kind == b"jp2c" and start < end <= part.length:
            return part.cut(start, end)
        if end <= at:
            break
        at = end
    raise MisfitBulkData("the JP2 file holds no codestream")


def settle_transfer_syntax(part: BulkPart) -> str:
    """Return the transfer syntax of a compressed part: as it says, else as its codestream shows, else the default.

    Raises
    ------
    MisfitBulkData
        The part names a transfer syntax that its media type does not have.

    Standard: PS3.18 Table 8.7.3-5
    """
    listed = SYNTAXES[part.media_type]
    named = part.transfer_syntax_uid
    if named:
        if named not in listed:
            raise MisfitBulkData(f"media type {part.media_type} has no transfer syntax {named[:64]}")
        return named
    shown = _sniff(part.media_type, part.read_head(HEAD_BYTES))
    return shown if shown in listed else listed[0]


def _sniff(media_type: str, head: bytes) -> str:
    if media_type == "image/jpeg":
        return _sniff_jpeg(head)
    if media_type == "image/jls":
        scan = head.find(b"\xff\xda")
        near = head[scan + 5 + 2 * head[scan + 4]] if 0 < scan < len(head) - 16 else 0
        return _JPEG + ("81" if near else "80")
    if media_type in ("image/jp2", "image/jpx", "image/jphc"):
        return _sniff_jpeg_2000(media_type, head)
    return ""


def _sniff_jpeg(head: bytes) -> str:
    at, frame = 2, ""
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], struct.unpack_from(">H", head, at + 2)[0]
        frame = _SOF.get(marker, frame)
        if marker == _SOS:
            predictor = head[at + 5 + 2 * head[at + 4]] if at + 4 < len(head) - 16 else 0
            return _JPEG + ("70" if frame == "57" and predictor == 1 else frame)
        at += 2 + length
    return ""


def _sniff_jpeg_2000(media_type: str, head: bytes) -> str:
    """Tell by the wavelet of the COD segment: 5/3 is reversible."""
    at = head.find(b"\xff\x52", 0, 4096)
    is_reversible = 0 <= at < len(head) - 14 and head[at + 13] == 1
    if media_type == "image/jphc":
        return _JPEG + ("201" if is_reversible else "203")
    first, second = ("90", "91") if media_type == "image/jp2" else ("92", "93")
    return _JPEG + (first if is_reversible else second)


def describe_image(part: BulkPart, transfer_syntax_uid: str) -> dict[str, Any]:
    """Return the Image Pixel Description attributes that the codestream states, as DICOM JSON; {} for others.

    Raises
    ------
    MisfitBulkData
        The part does not begin as its media type says.

    Standard: PS3.18 10.5.2, PS3.3 C.7.6.3
    """
    head = part.read_head(HEAD_BYTES)
    try:
        if part.media_type in ("image/jpeg", "image/jls"):
            stream, colour = read_jpeg_header(head), _name_jpeg_colour
        elif part.media_type in ("image/jp2", "image/jpx", "image/jphc"):
            stream, colour = read_jpeg_2000_header(head), _name_jpeg_2000_colour
        else:
            return {}
    except UnreadableCodestream as error:
        raise MisfitBulkData(f"the part of media type {part.media_type} cannot be: {error}") from error
    described = {
        "00280002": ("US", stream.components),
        "00280004": (
            "CS",
            "MONOCHROME2" if stream.components == 1 else colour(stream, transfer_syntax_uid, head),
        ),
        "00280010": ("US", stream.rows),
        "00280011": ("US", stream.columns),
        "00280100": ("US", 8 if stream.precision <= 8 else 16),
        "00280101": ("US", stream.precision),
        "00280102": ("US", stream.precision - 1),
        "00280103": ("US", int(stream.is_signed)),
        **({"00280006": ("US", 0)} if stream.components > 1 else {}),
    }
    return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in described.items()}


def _name_jpeg_colour(stream: Codestream, transfer_syntax_uid: str, head: bytes) -> str:
    is_lossy_jpeg = transfer_syntax_uid in (_JPEG + "50", _JPEG + "51")
    if not is_lossy_jpeg or stream.adobe_transform == 0:
        return "RGB"
    return "YBR_FULL_422" if stream.is_chroma_subsampled else "YBR_FULL"


def _name_jpeg_2000_colour(stream: Codestream, transfer_syntax_uid: str, head: bytes) -> str:
    at = head.find(b"\xff\x52", 0, 4096)
    if not 0 <= at < len(head) - 14 or not head[at + 8]:
        return "RGB"
    return "YBR_RCT" if head[at + 13] == 1 else "YBR_ICT"


def encapsulate(frames: Sequence[BulkPart]) -> Iterator[bytes]:
    """Yield the value of encapsulated Pixel Data, one fragment a frame, with its delimiter.

    Raises
    ------
    MisfitBulkData
        A frame is too long for a fragment.

    Standard: PS3.5 A.4
    """
    lengths = [frame.length + frame.length % 2 for frame in frames]
    if max(lengths) > _MAX_FRAGMENT_BYTES:
        raise MisfitBulkData(f"a frame is longer than {_MAX_FRAGMENT_BYTES} bytes")
    offsets, at = [], 0
    for length in lengths:
        offsets.append(at)
        at += 8 + length
    has_table = len(frames) > 1 and offsets[-1] <= 0xFFFFFFFF
    table = struct.pack(f"<{len(offsets)}I", *offsets) if has_table else b""
    yield _ITEM(0xFFFE, 0xE000, len(table)) + table
    for frame, length in zip(frames, lengths, strict=True):
        yield _ITEM(0xFFFE, 0xE000, length)
        yield from frame.pieces()
        if length != frame.length:
            yield b"\0"
    yield _ITEM(0xFFFE, 0xE0DD, 0)
