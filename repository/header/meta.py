"""Preamble and file meta of a PS3.10 file.

Standard: PS3.10 7.1
"""

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary

from repository.header.errors import (
    InvalidUid,
    MissingFileMeta,
    NotPart10,
    TruncatedDataSet,
    UnknownTransferSyntax,
    UnreadableDataSet,
)
from repository.header.fragments import Buffer
from repository.header.model import Findings
from repository.header.values import BINARY_VRS, LONG_VRS, READERS

PREAMBLE_BYTES = 128
_MAX_META_BYTES = 1 << 20
# Listed since pydicom took its dictionary: Deflated Image Frame Compression.
_NEWER = frozenset(("1.2.840.10008.1.2.8.1",))
_UID = re.compile(r"[0-9]+(\.[0-9]+)*\Z")
_LEADING_ZERO = re.compile(r"(^|\.)0[0-9]")
_VRS = frozenset((*READERS, *BINARY_VRS, "SQ"))


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The file meta: what the data set is and where it begins; empty text for what is absent."""

    media_storage_sop_class_uid: str
    media_storage_sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


def check_uid(uid: str, name: str, findings: Findings) -> str:
    """Return `uid` if it is one.

    Raises
    ------
    InvalidUid
        If it is longer than 64 characters or holds anything but numbers and dots. Components with a leading
        zero are wrong too, but exist and harm nobody: they are a warning.

    Standard: PS3.5 9.1
    """
    if len(uid) > 64:
        raise InvalidUid(f"{name} is {len(uid)} characters long, at most 64 are allowed")
    if not _UID.match(uid):
        raise InvalidUid(f"{name} is no UID: only digits in components separated by dots are allowed")
    if _LEADING_ZERO.search(uid):
        findings.warn(f"{name} has a component with a leading zero")
    return uid


def find_meta(buffer: Buffer) -> int:
    """Return where the file meta begins.

    Raises
    ------
    NotPart10
        If these bytes are no PS3.10 file.
    MissingFileMeta
        If they may be a data set without preamble.
    """
    if bytes(buffer[PREAMBLE_BYTES : PREAMBLE_BYTES + 4]) == b"DICM":
        return PREAMBLE_BYTES + 4
    if not len(buffer):
        raise NotPart10("the file is empty")
    start = bytes(buffer[:8])
    if start[:4] == b"DICM":
        raise MissingFileMeta("the 128 bytes of preamble before DICM are missing: send a PS3.10 file")
    if len(start) == 8 and start[1] == 0 and start[0] in (0x02, 0x08) and start[3] == 0:
        raise MissingFileMeta("preamble and file meta are missing: send a PS3.10 file, not a bare data set")
    if start[:2] == b"\x1f\x8b":
        raise NotPart10("the file is compressed with gzip: send it uncompressed")
    raise NotPart10(f"no PS3.10 file: DICM expected at byte {PREAMBLE_BYTES}")


def read_meta(buffer: Buffer, offset: int, findings: Findings) -> FileMeta:
    """Read the file meta that begins at `offset`.

    Raises
    ------
    TruncatedDataSet, UnreadableDataSet
        If the file meta is cut off or not in Explicit VR Little Endian.
    """
    values: dict[int, bytes] = {}
    announced_end = None
    end = min(len(buffer), offset + _MAX_META_BYTES)
    while offset + 8 <= end and bytes(buffer[offset : offset + 2]) == b"\x02\x00":
        element, length, value_offset = _read_head(buffer, offset, end)
        if length > end - value_offset:
            raise TruncatedDataSet(f"file meta: (0002,{element:04X}) announces {length} bytes beyond the end")
        offset = value_offset + length
        values[element] = bytes(buffer[value_offset:offset])
        if element == 0 and length == 4:
            announced_end = offset + struct.unpack("<I", values[0])[0]
    if len(buffer) - offset < 8:
        raise TruncatedDataSet("the file ends within its file meta or has no data set")
    if announced_end != offset:
        findings.warn("file meta: the group length (0002,0000) is missing or wrong")
    return FileMeta(_text(values, 0x02), _text(values, 0x03), _text(values, 0x10), offset)


def _read_head(buffer: Buffer, offset: int, end: int) -> tuple[int, int, int]:
    element, raw_vr, length = struct.unpack_from("<H2sH", buffer, offset + 2)
    vr = raw_vr.decode("latin-1")
    if vr not in _VRS:
        raise UnreadableDataSet(f"file meta: (0002,{element:04X}) is not in Explicit VR Little Endian")
    if vr not in LONG_VRS:
        return element, length, offset + 8
    if offset + 12 > end:
        raise TruncatedDataSet(f"file meta: (0002,{element:04X}) is cut off")
    return element, struct.unpack_from("<I", buffer, offset + 8)[0], offset + 12


def _text(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("latin-1").strip(" \0")


@lru_cache(maxsize=256)
def is_known_transfer_syntax(uid: str) -> bool:
    """Say whether the standard lists `uid` as a transfer syntax.

    Standard: PS3.6 Table A-1
    """
    return uid in _NEWER or bool(UID_dictionary.get(uid, ("", ""))[1] == "Transfer Syntax")


def check_transfer_syntax(uid: str) -> None:
    """Refuse a Transfer Syntax UID that cannot be one.

    Raises
    ------
    UnknownTransferSyntax
        If it is malformed or names something else.
    """
    if len(uid) > 64 or not _UID.match(uid):
        raise UnknownTransferSyntax("Transfer Syntax UID (0002,0010) is no UID")
    if uid in UID_dictionary and not is_known_transfer_syntax(uid):
        raise UnknownTransferSyntax(f"Transfer Syntax UID (0002,0010) {uid} is no transfer syntax")
