"""Value field -> list of DICOM JSON values, one function for each kind of VR.

Every reader takes the raw value (never empty) and the decoder of the data set. An empty list: no value.

Standard: PS3.18 F.2.3, PS3.5 6.2
"""

import struct
from collections.abc import Callable
from math import isfinite
from typing import Any

from repository.header.errors import StrictnessDoubt
from repository.header.text import TextDecoder

Reader = Callable[[bytes, TextDecoder], list[Any]]

LARGEST_EXACT_INTEGER = 2**53 - 1


def _read_strings(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = raw.decode("latin-1").rstrip(" \0")
    if not (text.isascii() and text.isprintable()):
        text = _clean_string(text, decoder)
    if "\\" in text:
        return [item.strip() or None for item in text.split("\\")]
    text = text.strip()
    return [text] if text else []


def _clean_string(text: str, decoder: TextDecoder) -> str:
    if not text.isascii():
        decoder.findings.warn("a value of the default repertoire (CS, UI, DA, ...) holds bytes beyond ASCII")
    return text.replace("\0", "").rstrip(" ")


def _read_texts(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = decoder.decode(raw)
    if "\\" in text:
        return [item.rstrip(" ") or None for item in text.split("\\")]
    text = text.rstrip(" ")
    return [text] if text else []


def _read_single_text(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = decoder.decode(raw).rstrip(" ")
    return [text] if text else []


def _read_uri(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = raw.decode("latin-1").replace("\0", "").rstrip()
    return [text] if text else []


def name_to_json(text: str) -> dict[str, str] | None:
    """Split one person name into its component groups; None if there is nothing in it.

    Standard: PS3.18 F.2.2
    """
    groups = text.split("=")
    named = zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False)
    return {group: name for group, raw in named if (name := raw.rstrip(" "))} or None


def _read_names(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = decoder.decode(raw).rstrip(" ")
    if not text:
        return []
    if "\\" not in text and "=" not in text:
        return [{"Alphabetic": text}]
    names = [name_to_json(item) for item in text.split("\\")]
    return [] if names == [None] else names


def decimal_to_json(text: str, decoder: TextDecoder) -> Any:
    """Return the number of one DS value, the text itself if it is none (PS3.18 allows it), None if empty."""
    try:
        number = float(text)
        if isfinite(number) and "_" not in text:
            return number
    except ValueError:
        pass
    return _keep_text(text, "DS", decoder)


def integer_to_json(text: str, decoder: TextDecoder) -> Any:
    """Return the number of one IS value, the text itself if it is none, None if empty."""
    try:
        number = int(text)
        if -LARGEST_EXACT_INTEGER <= number <= LARGEST_EXACT_INTEGER and "_" not in text:
            return number
    except ValueError:
        pass
    return _keep_fraction(text, decoder)


def _keep_fraction(text: str, decoder: TextDecoder) -> Any:
    value = decimal_to_json(text, decoder) if text.strip() else None
    if isinstance(value, float):
        decoder.findings.warn("a value of VR IS is not an integer")
        return int(value) if value.is_integer() and abs(value) <= LARGEST_EXACT_INTEGER else value
    return value


def _keep_text(text: str, vr: str, decoder: TextDecoder) -> str | None:
    stripped = text.replace("\0", "").strip()
    if stripped:
        decoder.findings.warn(f"a value of VR {vr} is not a number: kept as text")
    return stripped or None


def _read_decimals(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = raw.decode("latin-1").strip(" \0\t\n\r")
    if "\\" in text:
        return [decimal_to_json(item, decoder) for item in text.split("\\")]
    value = decimal_to_json(text, decoder)
    return [] if value is None else [value]


def _read_integers(raw: bytes, decoder: TextDecoder) -> list[Any]:
    text = raw.decode("latin-1").strip(" \0\t\n\r")
    if "\\" in text:
        return [integer_to_json(item, decoder) for item in text.split("\\")]
    value = integer_to_json(text, decoder)
    return [] if value is None else [value]


def _read_tags(raw: bytes, decoder: TextDecoder) -> list[Any]:
    if len(raw) % 4:
        raise StrictnessDoubt("AT length")
    return [f"{group:04X}{element:04X}" for group, element in struct.iter_unpack("<HH", raw)]


def float_to_json(number: float) -> float | str:
    """Return a number JSON can carry; NaN and the infinities become text (PS3.18 F.2.3.1)."""
    if isfinite(number):
        return number
    return "NaN" if number != number else "inf" if number > 0 else "-inf"


def _number_reader(code: str, size: int) -> Reader:
    single = struct.Struct(f"<{code}").unpack

    def read_numbers(raw: bytes, decoder: TextDecoder) -> list[Any]:
        if len(raw) == size:
            return list(single(raw))
        if len(raw) % size:
            raise StrictnessDoubt("length is no multiple of the value's size")
        return list(struct.unpack(f"<{len(raw) // size}{code}", raw))

    return read_numbers


def _float_reader(code: str, size: int) -> Reader:
    read_numbers = _number_reader(code, size)

    def read_floats(raw: bytes, decoder: TextDecoder) -> list[Any]:
        values = read_numbers(raw, decoder)
        return values if all(map(isfinite, values)) else [float_to_json(value) for value in values]

    return read_floats


READERS: dict[str, Reader] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _read_strings),
    **dict.fromkeys(("LO", "SH", "UC"), _read_texts),
    **dict.fromkeys(("LT", "ST", "UT"), _read_single_text),
    "AT": _read_tags,
    "DS": _read_decimals,
    "FD": _float_reader("d", 8),
    "FL": _float_reader("f", 4),
    "IS": _read_integers,
    "PN": _read_names,
    "SL": _number_reader("i", 4),
    "SS": _number_reader("h", 2),
    "SV": _number_reader("q", 8),
    "UL": _number_reader("I", 4),
    "UR": _read_uri,
    "US": _number_reader("H", 2),
    "UV": _number_reader("Q", 8),
}

BINARY_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
# VRs whose explicit header has two reserved bytes and a 32-bit length (PS3.5 7.1.2).
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
# Longest value in characters (PS3.5 6.2); numbers are left out.
LONGEST = {"AE": 16, "CS": 16, "LO": 64, "SH": 16, "PN": 64, "UI": 64, "DA": 8, "TM": 16}
