"""PS3.10 files made to cost, to lie or to be something else as well."""

import struct
from collections.abc import Callable

from pydicom.dataset import Dataset

from tests.support.dicom import BIG_ENDIAN, IMPLICIT, RLE, make_ct, make_uid, write_file

ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
UNDEFINED = b"\xff\xff\xff\xff"
PIXELS = struct.pack("<HH", 0x7FE0, 0x0010)

PREAMBLES: dict[str, bytes] = {
    "elf": b"\x7fELF\x02\x01\x01",
    "html": b"<html><script>alert(1)</script>",
    "mach-o": b"\xcf\xfa\xed\xfe\x07\x00\x00\x01",
    "pdf": b"%PDF-1.7\n1 0 obj",
    "pe": b"MZ\x90\x00\x03\x00\x00\x00",
    "shell": b"#!/bin/sh\nrm -rf /\n",
    "tiff": b"II*\x00\x08\x00\x00\x00",
    "zip": b"PK\x03\x04\x14\x00\x00\x00",
}
"""What the 128 bytes before DICM may begin with to make the file something else too (CVE-2019-11687)."""


def with_preamble(start: bytes) -> bytes:
    """Return a sound file whose preamble begins so."""
    return start.ljust(128, b" ") + make_ct()[128:]


def insert(elements: bytes, before: bytes = PIXELS, **options: object) -> bytes:
    """Return a sound file with raw elements put in front of an element of it."""
    file = make_ct(**options)  # type: ignore[arg-type]
    at = file.rindex(before)
    return file[:at] + elements + file[at:]


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Return one element in Explicit VR Little Endian; `length` may lie."""
    said = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, said) + value
    return struct.pack("<HH2sH", group, number, vr, said) + value


def make_many_elements(count: int = 1_000_000) -> bytes:
    """Spread empty private elements over 16 groups."""
    pieces = []
    for group in range(0x0029, 0x0029 + 2 * (count // 65_000 + 1), 2):
        pieces += [struct.pack("<HH2sH", group, number, b"SH", 0) for number in range(0x0200, 0xFFE8)]
    return insert(b"".join(pieces[:count]))


def make_many_items(count: int = 100_000, transfer_syntax_uid: str | None = None) -> bytes:
    """Give one sequence so many items, each with an element."""
    if transfer_syntax_uid == IMPLICIT:
        item = ITEM + struct.pack("<I", 12) + struct.pack("<HHI", 0x0008, 0x0100, 4) + b"T123"
        sequence = struct.pack("<HHI", 0x0040, 0xA730, len(item) * count) + item * count
        return insert(sequence, transfer_syntax_uid=IMPLICIT)
    item = ITEM + UNDEFINED + element(0x0008, 0x0100, b"SH", b"T123") + ITEM_END
    return insert(element(0x0040, 0xA730, b"SQ", item * count + SEQUENCE_END, 0xFFFFFFFF))


def make_unfinished_sequences(count: int = 100_000) -> bytes:
    """Open sequences of undefined length one behind the other; the end of each is looked for to the end."""
    opened = b"".join(
        struct.pack("<HH2sHI", 0x0029, 0x1000 + n % 0xE000, b"UN", 0, 0xFFFFFFFF) for n in range(count)
    )
    return insert(opened)


def make_escapes(count: int = 200_000) -> bytes:
    """Change the character set at every letter of long texts."""
    text = (b"\x1b$B\x21\x21\x1b(B") * (count // 2)
    change = Dataset()
    change.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    return insert(element(0x0040, 0xA160, b"UT", text), change=change)


def make_wide_names(count: int = 200_000) -> bytes:
    """Give one name a great many values."""
    return insert(element(0x0040, 0xA160, b"UT", b"A^B\\" * count))


def make_big_endian_elements(count: int = 130_000) -> bytes:
    """Make the lenient reader walk through empty private elements."""
    file = make_ct(transfer_syntax_uid=BIG_ENDIAN)
    at = file.index(struct.pack(">HH2s", 0x7FE0, 0x0010, b"OW"))
    elements = b"".join(
        struct.pack(">HH2sH", 0x0029 + 2 * (n // 60_000), 0x1000 + n % 60_000, b"SH", 0) for n in range(count)
    )
    return file[:at] + elements + file[at:]


COSTLY: dict[str, Callable[[], bytes]] = {
    "a million elements": make_many_elements,
    "100,000 items": make_many_items,
    "100,000 implicit items": lambda: make_many_items(transfer_syntax_uid=IMPLICIT),
    "100,000 sequences without an end": make_unfinished_sequences,
    "200,000 changes of the character set": make_escapes,
    "200,000 values": make_wide_names,
    "130,000 big endian elements": make_big_endian_elements,
}


def make_directory() -> bytes:
    """Return a DICOMDIR that lists files outside of its folder."""
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = ["..", "..", "..", "etc", "passwd"]
    directory = Dataset()
    directory.SOPClassUID = "1.2.840.10008.1.3.10"
    directory.SOPInstanceUID = make_uid()
    directory.FileSetID = "X"
    directory.DirectoryRecordSequence = [record]
    return write_file(directory, "1.2.840.10008.1.2.1")


def _rle_items() -> tuple[bytes, bytes]:
    """Return a sound RLE file of three frames up to its pixel value, and that value."""
    file = make_ct(transfer_syntax_uid=RLE, number_of_frames=3)
    at = file.rindex(PIXELS) + 12
    return file[:at], file[at:]


def lie_in_basic_table() -> bytes:
    """Say offsets in the Basic Offset Table that overlap, go backwards and lead out."""
    head, value = _rle_items()
    _, length = struct.unpack_from("<II", value, 0)
    rest = value[8 + length :]
    table = struct.pack("<3I", 0, 0xFFFFFFF0, 4)
    return head + ITEM + struct.pack("<I", 12) + table + rest


def lie_in_extended_table() -> bytes:
    """Say offsets and lengths in the Extended Offset Table that no file has."""
    offsets = struct.pack("<3Q", 0, 2**63, 8)
    lengths = struct.pack("<3Q", 2**40, 8, 8)
    change = Dataset()
    change.ExtendedOffsetTable = offsets
    change.ExtendedOffsetTableLengths = lengths
    return make_ct(transfer_syntax_uid=RLE, number_of_frames=3, change=change)


def cut_fragment() -> bytes:
    """Let a fragment announce more than there is."""
    head, value = _rle_items()
    at = value.index(ITEM, 8)
    return head + value[: at + 4] + struct.pack("<I", 0x7FFFFFFF) + value[at + 8 :]


def claim_dimensions() -> bytes:
    """Describe 65,535 x 65,535 x 1,000,000 samples above 128 bytes."""
    change = Dataset()
    change.Rows = change.Columns = 65_535
    change.NumberOfFrames = 1_000_000
    return make_ct(change=change)


def claim_dimensions_compressed() -> bytes:
    """Describe as much above one RLE frame."""
    change = Dataset()
    change.Rows = change.Columns = 65_535
    return make_ct(transfer_syntax_uid=RLE, change=change)


LYING: dict[str, Callable[[], bytes]] = {
    "basic offset table": lie_in_basic_table,
    "extended offset table": lie_in_extended_table,
    "fragment beyond the end": cut_fragment,
    "dimensions": claim_dimensions,
    "compressed dimensions": claim_dimensions_compressed,
    "undefined length of a text": lambda: insert(element(0x0040, 0xA160, b"UT", b"x", 0xFFFFFFFF)),
    "length beyond the end": lambda: insert(element(0x0040, 0xA160, b"UT", b"x", 0xFFFFFFFE)),
    "odd lengths": lambda: insert(
        element(0x0029, 0x0010, b"LO", b"ACM") + element(0x0029, 0x1001, b"SH", b"x")
    ),
    "a creator that comes twice": lambda: insert(element(0x0029, 0x0010, b"LO", b"ACME") * 2),
    "a creator of binary": lambda: insert(element(0x0029, 0x0010, b"OB", b"\0\1\2\3")),
    "an item outside of a sequence": lambda: insert(ITEM + struct.pack("<I", 4) + b"abcd"),
    "an end without a begin": lambda: insert(ITEM_END + SEQUENCE_END),
    "escapes that lead nowhere": lambda: insert(element(0x0040, 0xA160, b"UT", b"\x1b$Z\x1b\x1b(\x1b$")),
    "a directory": make_directory,
    "meta that runs on": lambda: make_ct().replace(
        b"\x02\x00\x00\x00UL\x04\x00", b"\x02\x00\x00\x00UL\xff\xff", 1
    ),
}
