"""The study of a file from its first bytes, before the rest has arrived."""

import struct

STUDY_INSTANCE_UID = 0x0020000D
IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
NOT_PLAIN = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")
LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
UNDEFINED = 0xFFFFFFFF


def peek_study_instance_uid(head: bytes) -> str | None:
    """Find the Study Instance UID in the first bytes of a PS3.10 file; None when that is not plainly possible.

    Only decides where the bytes go while they arrive: the header is read in full once they are all there.
    """
    try:
        return _find(head)
    except struct.error:  # the head ends before the attribute
        return None


def _find(head: bytes) -> str | None:
    if head[128:132] != b"DICM":
        return None
    position, is_implicit = 132, False
    while struct.unpack_from("<H", head, position)[0] == 2:
        _, vr, value, length = _read_element(head, position, is_implicit=False)
        if struct.unpack_from("<HH", head, position) == (2, 0x10):
            syntax = head[value : value + length].rstrip(b"\0 ")
            if syntax in NOT_PLAIN:
                return None
            is_implicit = syntax == IMPLICIT_LITTLE_ENDIAN
        position = value + length
    while True:
        tag, vr, value, length = _read_element(head, position, is_implicit=is_implicit)
        if tag == STUDY_INSTANCE_UID:
            return head[value : value + length].rstrip(b"\0 ").decode("ascii", "replace") or None
        if tag > STUDY_INSTANCE_UID:
            return None
        if length == UNDEFINED:
            end = head.find(b"\xfe\xff\xdd\xe0\0\0\0\0", value)  # may be an inner end: then the walk fails
            if vr not in (b"SQ", b"UN", b"") or end < 0:
                return None
            value, length = end + 8, 0
        position = value + length


def _read_element(head: bytes, position: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
    group, element = struct.unpack_from("<HH", head, position)
    tag = group << 16 | element
    if is_implicit:
        return tag, b"", position + 8, struct.unpack_from("<I", head, position + 4)[0]
    vr = head[position + 4 : position + 6]
    if vr in LONG_VRS:
        return tag, vr, position + 12, struct.unpack_from("<I", head, position + 8)[0]
    return tag, vr, position + 8, struct.unpack_from("<H", head, position + 6)[0]
