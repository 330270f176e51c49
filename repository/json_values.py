"""Values of the DICOM JSON model as bytes in Explicit VR Little Endian.

Standard: PS3.18 F.2.3, PS3.5 6.2
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from pydicom.valuerep import format_number_as_ds

from repository.header.errors import Part10Error

_STRUCTS = {
    "FD": "<d",
    "FL": "<f",
    "SL": "<i",
    "SS": "<h",
    "SV": "<q",
    "UL": "<I",
    "US": "<H",
    "UV": "<Q",
}
_TEXTS = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
BINARY_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_DECIMAL_CHARACTERS = 16


class UnreadableMetadata(Part10Error):
    """The metadata of an instance does not follow the DICOM JSON model; the message names the attribute."""


def encode_values(tag: str, vr: str, values: Sequence[Any]) -> bytes:
    """Encode the Value array of an element that is no sequence; text becomes UTF-8, nothing is padded.

    Raises
    ------
    UnreadableMetadata
        A value that its VR cannot hold.
    """
    encode = _ENCODERS.get(vr)
    if encode is None:
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has Value, which VR {vr} cannot have")
    try:
        return encode(values)
    except (TypeError, ValueError, OverflowError, struct.error, AttributeError) as error:
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has a value that VR {vr} cannot hold") from error


def decode_inline(tag: str, text: Any) -> bytes:
    """Decode InlineBinary.

    Raises
    ------
    UnreadableMetadata
        It is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise UnreadableMetadata(f"({tag[:4]},{tag[4:]}) has InlineBinary that is no base64") from error


def _encode_texts(values: Sequence[Any]) -> bytes:
    return "\\".join("" if value is None else _take_text(value) for value in values).encode("utf-8")


def _take_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _encode_names(values: Sequence[Any]) -> bytes:
    return "\\".join(map(_join_name, values)).encode("utf-8")


def _join_name(value: Any) -> str:
    if value is None or isinstance(value, str):  # text instead of an object: of old writers
        return value or ""
    return "=".join(_take_text(value.get(group) or "") for group in _GROUPS).rstrip("=")


def _encode_decimals(values: Sequence[Any]) -> bytes:
    return "\\".join(map(_write_decimal, values)).encode("ascii")


def _write_decimal(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    text = str(value) if isinstance(value, int) else repr(float(value)).removesuffix(".0")
    return text if len(text) <= _DECIMAL_CHARACTERS else str(format_number_as_ds(float(value)))


def _encode_integers(values: Sequence[Any]) -> bytes:
    return "\\".join(_write_integer(value) for value in values).encode("ascii")


def _write_integer(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if int(value) != value:
        raise ValueError(value)
    return str(int(value))


def _encode_tags(values: Sequence[Any]) -> bytes:
    pieces = []
    for value in values:
        if not _TAG.fullmatch(value):
            raise ValueError(value)
        pieces.append(struct.pack("<HH", int(value[:4], 16), int(value[4:], 16)))
    return b"".join(pieces)


def _number_encoder(layout: str) -> Callable[[Sequence[Any]], bytes]:
    read = float if layout in ("<d", "<f") else int
    pack = struct.Struct(layout).pack

    def encode_numbers(values: Sequence[Any]) -> bytes:
        numbers = []
        for value in values:
            number = read(value)
            if isinstance(value, float) and number != value and value == value:
                raise ValueError(value)
            numbers.append(pack(number))
        return b"".join(numbers)

    return encode_numbers


_ENCODERS: dict[str, Callable[[Sequence[Any]], bytes]] = {
    **dict.fromkeys(_TEXTS, _encode_texts),
    **{vr: _number_encoder(layout) for vr, layout in _STRUCTS.items()},
    "AT": _encode_tags,
    "DS": _encode_decimals,
    "IS": _encode_integers,
    "PN": _encode_names,
}
KNOWN_VRS = frozenset((*_ENCODERS, *BINARY_VRS, "SQ"))
