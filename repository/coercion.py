"""Attributes set in a PS3.10 file, what they were kept beside: pure, by cutting bytes out and in.

Nothing else of the file moves or changes, so its pixels are the sender's, byte for byte. What is done is a function of
the file, the changes and the stamp: done again with the stamp of a stored instance, it makes the same bytes. That is
how an instance sent again is recognised, without anything kept but the stored instance itself.

Standard: PS3.3 C.12.1.1.9, PS3.18 10.5.3
"""

import hashlib
import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.charset import python_encoding

from registry.identity import is_oid
from repository.encoding import UNDEFINED_LENGTH, encode_explicit_header
from repository.explicit import (
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    ElementReader,
    MalformedDataSet,
)
from repository.header.meta import find_meta, read_meta
from repository.header.model import Findings, Header

IMPLICIT = "1.2.840.10008.1.2"
UNTOUCHED = frozenset(
    ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
)
"""Big endian and deflated data sets: kept as they came."""
MODIFYING_SYSTEM = "SAMSYN"
REASON = "COERCE"
ISSUER, ISSUER_QUALIFIERS = 0x00100021, 0x00100024
SETTABLE = {ISSUER: "LO", ISSUER_QUALIFIERS: "SQ", 0x00080080: "LO", 0x00081040: "LO"}
"""What rules set when an instance is stored."""
ACCESSION_NUMBER, ACCESSION_ISSUER = 0x00080050, 0x00080051
PATIENT_ID, PROCEDURE_CODES = 0x00100020, 0x00081032
TRANSLATABLE = {
    ACCESSION_NUMBER: "SH",
    ACCESSION_ISSUER: "SQ",
    PROCEDURE_CODES: "SQ",
    PATIENT_ID: "LO",
    ISSUER: "LO",
    ISSUER_QUALIFIERS: "SQ",
}
"""What a receiver has its own numbers and codes for."""
_VRS = SETTABLE | TRANSLATABLE
_NEVER_ABSENT = frozenset((ACCESSION_NUMBER, PATIENT_ID))
_CHARACTER_SET = 0x00080005
_ORIGINAL_ATTRIBUTES, _MODIFIED_ATTRIBUTES = 0x04000561, 0x04000550
_BLOCK_BYTES = 256 << 10
_PREAMBLE_BYTES = 128


class Uncoercible(ValueError):
    """The file cannot be changed safely, or the value cannot be written in its character set."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new value of one attribute; "" takes the attribute away, or its value where it has to be there.

    That of issuers is an OID, of the accession number's also a local name; that of a code is code, scheme and meaning.
    """

    tag: int
    value: str | tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Stamp:
    """When the attributes were changed (a DICOM DT), and who said what they were before."""

    changed_at: str
    source: str


@dataclass(frozen=True, slots=True)
class Splice:
    """Bytes of the file from `start` to `end` are replaced by `data`."""

    start: int
    end: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    vr: str
    start: int
    value_start: int
    end: int
    is_delimited: bool


View = bytes | memoryview | mmap.mmap


def plan_coercion(view: View, header: Header, changes: Sequence[Change], stamp: Stamp) -> list[Splice]:
    """Return what is to be cut out of and into a file so that it has the new values and tells the old ones.

    Raises
    ------
    Uncoercible
        The file is to stay as it is; the message says why.

    Standard: PS3.3 Table C.12-1
    """
    if header.parsed_by != "strict":
        raise Uncoercible("its data set is not in plain little endian order")
    return plan_changes(view, header.transfer_syntax_uid, changes, stamp)


def plan_changes(
    view: View, transfer_syntax_uid: str, changes: Sequence[Change], stamp: Stamp, *, is_whole: bool = True
) -> list[Splice]:
    """Return the same for a file, or for a beginning of it that reaches beyond Original Attributes Sequence.

    Raises
    ------
    Uncoercible
        It is to stay as it is, or a longer beginning is needed.
    """
    if transfer_syntax_uid in UNTOUCHED:
        raise Uncoercible("its data set is not in plain little endian order")
    is_implicit = transfer_syntax_uid == IMPLICIT
    offset = read_meta(_flat(view), find_meta(_flat(view)), Findings()).data_set_offset
    try:
        elements, end = _scan(view, offset, is_implicit=is_implicit)
    except MalformedDataSet as error:
        raise Uncoercible(str(error)) from error
    if end >= len(view) and not is_whole:
        raise Uncoercible("its beginning does not reach beyond the attributes that are changed")
    encoding = _find_encoding(view, elements.get(_CHARACTER_SET))
    ordered = sorted(changes, key=lambda change: change.tag)
    item = _encode_item(_original_attributes(view, elements, ordered, stamp, is_implicit=is_implicit))
    replaced = {c.tag: _encode_change(c, encoding, is_implicit=is_implicit) for c in ordered}
    replaced[_ORIGINAL_ATTRIBUTES] = _append_item(
        view, elements.get(_ORIGINAL_ATTRIBUTES), item, is_implicit=is_implicit
    )
    groups = {tag & 0xFFFF0000 for tag in replaced}  # a group length would be wrong now, and is retired
    replaced.update({tag: b"" for tag in groups if tag in elements})
    return [_splice(tag, data, elements, end) for tag, data in sorted(replaced.items())]


def apply_coercion(view: View, splices: Sequence[Splice]) -> Iterator[bytes]:
    """Yield the changed file in blocks; the first is longer than the file preamble."""
    at = 0
    start = b""
    for splice in splices:
        start += bytes(view[at : splice.start]) + splice.data
        at = splice.end
    yield start
    while at < len(view):
        yield bytes(view[at : at + _BLOCK_BYTES])
        at += _BLOCK_BYTES


def repeat_coercion(view: View, header: Header, stored: Mapping[str, Any]) -> bytes | None:
    """Return the SHA-256 that the file would have with the changes that a stored instance went through.

    None where that was not changed here. The same as the stored one's means: it was this file that was sent then.

    Parameters
    ----------
    stored
        The stored instance in the DICOM JSON model.
    """
    item = find_own_item(stored)
    if item is None:
        return None
    changes = [Change(int(tag, 16), _stored_value(stored, tag)) for tag in modified_tags(item)]
    stamp = Stamp(_text(item, "04000562"), _text(item, "04000564"))
    try:
        pieces = apply_coercion(view, plan_coercion(view, header, changes, stamp))
    except Uncoercible:
        return None
    digest = hashlib.sha256(next(pieces)[_PREAMBLE_BYTES:])
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def find_own_item(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what an instance says of the last change made here, None where there was none."""
    items = attributes.get(f"{_ORIGINAL_ATTRIBUTES:08X}", {}).get("Value") or [{}]
    item = items[-1]
    is_own = (_text(item, "04000563"), _text(item, "04000565")) == (MODIFYING_SYSTEM, REASON)
    return item if is_own and all(int(tag, 16) in SETTABLE for tag in modified_tags(item)) else None


def modified_tags(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags that an item of Original Attributes Sequence tells the former values of."""
    return tuple((item.get(f"{_MODIFIED_ATTRIBUTES:08X}", {}).get("Value") or [{}])[0])


def _stored_value(stored: Mapping[str, Any], tag: str) -> str:
    if int(tag, 16) == ISSUER_QUALIFIERS:
        return _text((stored.get(tag, {}).get("Value") or [{}])[0], "00400032")
    return _text(stored, tag)


def _text(attributes: Mapping[str, Any], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0])


def _flat(view: View) -> bytes | memoryview:
    return memoryview(view) if isinstance(view, mmap.mmap) else view


def _scan(view: View, offset: int, *, is_implicit: bool) -> tuple[dict[int, _Element], int]:
    """Return the top-level elements up to Original Attributes Sequence, and where the next one begins."""
    reader = ElementReader(lambda at, length: bytes(view[at : at + length]), offset, len(view), is_implicit)
    elements: dict[int, _Element] = {}
    while reader.position < reader.end:
        start = reader.position
        tag, vr, length = reader.take_header()
        if tag > _ORIGINAL_ATTRIBUTES:
            return elements, start
        value_start = reader.position
        _skip(reader, length, is_implicit=is_implicit or vr == "UN")
        is_delimited = length == UNDEFINED_LENGTH
        elements[tag] = _Element(tag, vr, start, value_start, reader.position, is_delimited)
    return elements, reader.position


def _skip(reader: ElementReader, length: int, *, is_implicit: bool) -> None:
    """Move on behind a value; of undefined length it is a sequence. The header reader has bounded its depth."""
    if length != UNDEFINED_LENGTH:
        if length > reader.end - reader.position:
            raise MalformedDataSet(f"an element at byte {reader.position} reaches beyond the end")
        reader.position += length
        return
    while True:
        tag, _, item_length = reader.take_header(is_implicit)
        if tag == SEQUENCE_DELIMITER:
            return
        if tag != ITEM:
            raise MalformedDataSet(f"no item at byte {reader.position - 8}")
        if item_length != UNDEFINED_LENGTH:
            _skip(reader, item_length, is_implicit=is_implicit)
            continue
        while True:
            tag, vr, length = reader.take_header(is_implicit)
            if tag == ITEM_DELIMITER:
                break
            _skip(reader, length, is_implicit=is_implicit or vr == "UN")


def _find_encoding(view: View, element: _Element | None) -> str:
    """Return the Python name of the first character set of the file."""
    raw = bytes(view[element.value_start : element.end]).decode("latin-1") if element else ""
    first = raw.split("\\")[0].strip(" \0")
    return str(python_encoding.get(first, "ascii")) if first else "ascii"


def _original_attributes(
    view: View,
    elements: Mapping[int, _Element],
    changes: Sequence[Change],
    stamp: Stamp,
    *,
    is_implicit: bool,
) -> bytes:
    """Write the content of the item; an attribute that was absent is there without a value."""
    former = b"".join(
        bytes(view[elements[c.tag].start : elements[c.tag].end])
        if c.tag in elements
        else _encode(c.tag, _VRS[c.tag], b"", is_implicit=is_implicit)
        for c in changes
    )
    texts = (
        (0x04000562, "DT", stamp.changed_at),
        (0x04000563, "LO", MODIFYING_SYSTEM),
        (0x04000564, "LO", stamp.source),
        (0x04000565, "CS", REASON),
    )
    modified = _encode(_MODIFIED_ATTRIBUTES, "SQ", _encode_item(former), is_implicit=is_implicit)
    return modified + b"".join(
        _encode(tag, vr, text.encode("ascii", "replace"), is_implicit=is_implicit) for tag, vr, text in texts
    )


def _append_item(view: View, known: _Element | None, item: bytes, *, is_implicit: bool) -> bytes:
    if known is None:
        return _encode(_ORIGINAL_ATTRIBUTES, "SQ", item, is_implicit=is_implicit)
    if known.vr not in ("", "SQ"):
        raise Uncoercible("its Original Attributes Sequence is no sequence")
    end = known.end - 8 if known.is_delimited else known.end
    items = bytes(view[known.value_start : end]) + item
    return _encode(_ORIGINAL_ATTRIBUTES, "SQ", items, is_implicit=is_implicit)


def _encode_change(change: Change, encoding: str, *, is_implicit: bool) -> bytes:
    if not change.value:
        is_empty = change.tag in _NEVER_ABSENT
        return _encode(change.tag, _VRS[change.tag], b"", is_implicit=is_implicit) if is_empty else b""
    try:
        value = _encode_value(change, encoding, is_implicit=is_implicit)
    except (UnicodeEncodeError, LookupError) as error:
        raise Uncoercible(
            f"({change.tag >> 16:04X},{change.tag & 0xFFFF:04X}) cannot be written in its character set"
        ) from error
    return _encode(change.tag, _VRS[change.tag], value, is_implicit=is_implicit)


def _encode_value(change: Change, encoding: str, *, is_implicit: bool) -> bytes:
    if isinstance(change.value, str) and _VRS[change.tag] != "SQ":
        return change.value.encode(encoding)
    if isinstance(change.value, str):
        is_universal = change.tag == ISSUER_QUALIFIERS or is_oid(change.value)
        texts = [(0x00400032, "UT", change.value), (0x00400033, "CS", "ISO")]
        texts = texts if is_universal else [(0x00400031, "UT", change.value)]
    else:
        tags = ((0x00080100, "SH"), (0x00080102, "SH"), (0x00080104, "LO"))
        texts = [(tag, vr, text) for (tag, vr), text in zip(tags, change.value, strict=True)]
    return _encode_item(
        b"".join(_encode(tag, vr, text.encode(encoding), is_implicit=is_implicit) for tag, vr, text in texts)
    )


def _encode_item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def _encode(tag: int, vr: str, value: bytes, *, is_implicit: bool) -> bytes:
    if len(value) % 2:
        value += b" "
    if is_implicit:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value
    return encode_explicit_header(tag, vr, len(value)) + value


def _splice(tag: int, data: bytes, elements: Mapping[int, _Element], end: int) -> Splice:
    """Place an element over the one of its tag, else before the first that comes behind it."""
    known = elements.get(tag)
    if known is not None:
        return Splice(known.start, known.end, data)
    at = min((element.start for element in elements.values() if element.tag > tag), default=end)
    return Splice(at, at, data)
