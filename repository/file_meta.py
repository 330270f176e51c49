"""The file meta information at the head of a PS3.10 file: read it, and write the one of a file made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from repository.encoding import LONG_LENGTH_VRS, encode_element

IMPLEMENTATION_CLASS_UID: Final = "2.25.93618034421675408183157902210948315077"
IMPLEMENTATION_VERSION_NAME: Final = "SAMSYN_0_1"

_PREFIX_OFFSET_BYTES = 128
_MAX_META_BYTES = 64 * 1024
_GROUP_LENGTH, _VERSION, _TRANSFER_SYNTAX = 0x00020000, 0x00020001, 0x00020010
_IMPLEMENTATION_CLASS, _IMPLEMENTATION_VERSION = 0x00020012, 0x00020013


class UnreadableFileMeta(ValueError):
    """The file does not begin as a PS3.10 file does."""


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The elements of group 0002 as (tag, VR, value) and the offset at which the data set begins."""

    elements: tuple[tuple[int, str, bytes], ...]
    data_set_offset: int

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax that the file names for its data set, empty where it names none."""
        values = [value for tag, _, value in self.elements if tag == _TRANSFER_SYNTAX]
        return values[0].rstrip(b"\0 ").decode("ascii", "replace") if values else ""


def read_file_meta(read: Callable[[int, int], bytes]) -> FileMeta:
    """Read the file meta information by walking its elements; the group length is not trusted.

    Parameters
    ----------
    read
        Returns up to so many bytes from an offset of the file: `read(offset, length)`.

    Raises
    ------
    UnreadableFileMeta
        No DICM prefix, or an element that runs past the end.

    Standard: PS3.10 7.1
    """
    head = read(0, _MAX_META_BYTES)
    position = _PREFIX_OFFSET_BYTES + 4
    if head[_PREFIX_OFFSET_BYTES:position] != b"DICM":
        raise UnreadableFileMeta("no DICM after 128 bytes: this is no PS3.10 file")
    elements = []
    while head[position : position + 2] == b"\x02\x00":
        vr = head[position + 4 : position + 6].decode("latin-1")
        if not (vr.isascii() and vr.isalpha() and vr.isupper()):
            raise UnreadableFileMeta(f"file meta element at byte {position} has no VR but {vr!r}")
        tag = 0x00020000 | int.from_bytes(head[position + 2 : position + 4], "little")
        value_offset = position + (12 if vr in LONG_LENGTH_VRS else 8)
        length_offset = position + (8 if vr in LONG_LENGTH_VRS else 6)
        length_bytes = int.from_bytes(head[length_offset:value_offset], "little")
        if value_offset + length_bytes > len(head):
            raise UnreadableFileMeta(
                f"file meta element (0002,{tag & 0xFFFF:04X}) runs past the end of the group"
            )
        elements.append((tag, vr, head[value_offset : value_offset + length_bytes]))
        position = value_offset + length_bytes
    return FileMeta(tuple(elements), position)


def encode_file_meta(received: FileMeta, transfer_syntax_uid: str) -> bytes:
    """Return preamble, prefix and file meta information for a converted file.

    What was received stays, but for the transfer syntax and the implementation that wrote the file, which
    is now this one.

    Standard: PS3.10 7.1
    """
    own = {
        _VERSION: ("OB", b"\0\1"),
        _TRANSFER_SYNTAX: ("UI", transfer_syntax_uid.encode("ascii")),
        _IMPLEMENTATION_CLASS: ("UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _IMPLEMENTATION_VERSION: ("SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
    }
    merged = {tag: (vr, value) for tag, vr, value in received.elements if tag != _GROUP_LENGTH} | own
    group = b"".join(encode_element(tag, vr, value) for tag, (vr, value) in sorted(merged.items()))
    group_length = encode_element(_GROUP_LENGTH, "UL", len(group).to_bytes(4, "little"))
    return b"\0" * _PREFIX_OFFSET_BYTES + b"DICM" + group_length + group
