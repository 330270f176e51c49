"""Data sets written as bytes: Explicit VR Little Endian, text in UTF-8, every length known.

Elements are given in order of their tags. Bytes are joined, never kept as objects: a manifest of ten
thousand instances is some megabytes.

Standard: PS3.5 7.1.2, 7.5
"""

import struct
from collections.abc import Iterable
from functools import lru_cache

from registry.identity import is_oid
from registry.manifest.model import Code, Identifier

LOCAL_SCHEME = "99OID"
"""The designator of schemes that have none: their UID stands beside."""

_LONG_VRS = frozenset({"SQ", "UC", "UR", "UT"})
_LONGEST_VALUE_BYTES = 0xFFFE
_ITEM = struct.Struct("<HHI")
_SHORT_HEADER = struct.Struct("<HH2sH")
_LONG_HEADER = struct.Struct("<HH2sHI")


class UnwritableValue(ValueError):
    """A value is too long for an element of its kind."""


def write(tag: int, vr: str, *values: str) -> bytes:
    """Return one element of text; without a value it is empty.

    Raises
    ------
    UnwritableValue
        It has more bytes than the length of its VR can say.
    """
    value = "\\".join(values).encode()
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    if vr in _LONG_VRS:
        return _LONG_HEADER.pack(tag >> 16, tag & 0xFFFF, vr.encode(), 0, len(value)) + value
    if len(value) > _LONGEST_VALUE_BYTES:
        raise UnwritableValue(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has {len(value)} bytes, {vr} has 65534")
    return _SHORT_HEADER.pack(tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def write_sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """Return a sequence of items, each given as its elements."""
    parts = [b""]
    for item in items:
        parts += (_ITEM.pack(0xFFFE, 0xE000, len(item)), item)
    value = b"".join(parts)
    return _LONG_HEADER.pack(tag >> 16, tag & 0xFFFF, b"SQ", 0, len(value)) + value


@lru_cache(maxsize=1024)
def write_code(code: Code) -> bytes:
    """Return the item of a coded concept.

    A value of more than sixteen characters is long, an address is a URN.

    Standard: PS3.3 8.1
    """
    scheme_uid = write(0x0008010C, "UI", code.scheme) if is_oid(code.scheme) else b""
    designator = LOCAL_SCHEME if scheme_uid else code.scheme
    scheme = write(0x00080102, "SH", designator) if designator else b""
    is_short = len(code.value) <= 16
    if code.value.startswith(("urn:", "http://", "https://")):
        value, is_short = write(0x00080120, "UR", code.value), False
    elif is_short:
        value = write(0x00080100, "SH", code.value)
    else:
        value = write(0x00080119, "UC", code.value)
    meaning = write(0x00080104, "LO", code.meaning or code.value[:64])
    head = value + scheme + meaning if is_short else scheme + meaning
    return head + scheme_uid + (b"" if is_short else value)


def write_issuer(identifier: Identifier) -> tuple[bytes, ...]:
    """Return the items of an HL7v2 hierarchic designator: none without an issuer, else one.

    Standard: PS3.3 10.14
    """
    local = identifier.namespace or ("" if is_universal(identifier.issuer) else identifier.issuer)
    elements = [write(0x00400031, "UT", local)] if local else []
    if is_universal(identifier.issuer):
        kind = "ISO" if is_oid(identifier.issuer) else "URI"
        elements += [write(0x00400032, "UT", identifier.issuer), write(0x00400033, "CS", kind)]
    return (b"".join(elements),) if elements else ()


def is_universal(issuer: str) -> bool:
    """Tell whether an issuer is known everywhere: an OID or an address."""
    return is_oid(issuer) or "://" in issuer or issuer.startswith("urn:")
