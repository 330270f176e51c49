"""How values of each VR are written, and which VR an element has where the data set does not say."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pydicom.datadict import dictionary_VR

LONG_LENGTH_VRS: Final = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)
"""VRs whose explicit header is 12 bytes with a length of 32 bits."""

WORD_BYTES: Final = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""Bytes of the unit that byte order turns around; VRs not named here are strings of bytes."""

UNDEFINED_LENGTH: Final = 0xFFFFFFFF
LUT_DATA: Final = 0x00283006


@lru_cache(maxsize=8192)
def find_dictionary_vr(tag: int) -> str:
    """Return the VR of an element in the data dictionary, two where it depends ("US or SS"), UN where it is
    unknown.

    Private elements are UN, their creators LO.

    Standard: PS3.5 6.2.2, PS3.6 6
    """
    group, element = tag >> 16, tag & 0xFFFF
    if group % 2:
        return "LO" if 0x0010 <= element <= 0x00FF else "UN"
    if element == 0:
        return "UL"
    try:
        return str(dictionary_VR(tag))  # knows the repeating groups 50xx and 60xx too
    except KeyError:
        return "UN"


def choose_vr(tag: int, pixel_representation: int, lut_entries: int | None) -> str:
    """Return the one VR of an element of an implicit VR data set.

    Parameters
    ----------
    pixel_representation
        Of the nearest data set that has one: 0 makes "US or SS" unsigned.
    lut_entries
        First value of the LUT Descriptor beside: one entry alone is US, a table OW.

    Standard: PS3.5 A.1, PS3.3 C.11.1.1.1
    """
    vr = find_dictionary_vr(tag)
    if " or " not in vr:
        return vr
    if vr == "US or SS":
        return "SS" if pixel_representation else "US"
    if tag == LUT_DATA and lut_entries == 1:
        return "US"
    return "OW"


def encode_explicit_header(tag: int, vr: str, length_bytes: int) -> bytes:
    """Return the header of an element in Explicit VR Little Endian; the length must fit the VR.

    Standard: PS3.5 7.1.2
    """
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode("ascii")
    if vr in LONG_LENGTH_VRS:
        return head + b"\0\0" + length_bytes.to_bytes(4, "little")
    return head + length_bytes.to_bytes(2, "little")


def encode_element(tag: int, vr: str, value: bytes) -> bytes:
    """Return a whole short element in Explicit VR Little Endian, its value padded to even length.

    Standard: PS3.5 6.2
    """
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    return encode_explicit_header(tag, vr, len(value)) + value
