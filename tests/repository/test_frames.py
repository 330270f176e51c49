"""Frame tables, held against pydicom's idea of frames."""

import struct
import warnings
from io import BytesIO

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from repository.frames import FrameOutOfRange, FrameTable, InvalidFrameTable, build_frame_table, find_frames
from repository.part10 import Part10Error, read_header
from tests.repository.dicom_files import list_packaged_files, list_shared_files, make_data_set, write_file

DESCRIPTION = {
    "Rows": 4,
    "Columns": 6,
    "SamplesPerPixel": 1,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelRepresentation": 0,
    "PhotometricInterpretation": "MONOCHROME2",
}


def make_native(number_of_frames: int, pixels: bytes, **attributes) -> bytes:
    data_set = make_data_set(**{**DESCRIPTION, "NumberOfFrames": number_of_frames, **attributes})
    data_set.add_new(0x7FE00010, "OB", pixels + b"\0" * (len(pixels) % 2))
    return write_file(data_set)


def make_encapsulated(
    number_of_frames: int, value: bytes, syntax: str = JPEGBaseline8Bit, **attributes
) -> bytes:
    data_set = make_data_set(**{**DESCRIPTION, "NumberOfFrames": number_of_frames, **attributes})
    data_set.add_new(0x7FE00010, "OB", value)
    data_set["PixelData"].is_undefined_length = True
    return write_file(data_set, syntax)


def item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def read_frames(data: bytes) -> tuple[list[bytes] | None, tuple[str, ...]]:
    table, found = find_frames(data, read_header(data))
    if table is None:
        return None, found
    table = FrameTable.from_bytes(table.to_bytes())
    frames = []
    for index in range(table.number_of_frames):
        raw = b"".join(data[offset : offset + length] for offset, length in table.ranges_of(index))
        frames.append(table.cut(index, raw))
    return frames, found


JPEGS = [b"\xff\xd8\xff\xe0" + bytes([number]) * (6 + 2 * number) + b"\xff\xd9" for number in range(5)]


def test_native_frames_lie_one_behind_the_other():
    pixels = bytes(range(24)) * 3
    frames, found = read_frames(make_native(3, pixels))
    assert frames == [bytes(range(24))] * 3
    assert found == ()


def test_native_table_is_small_for_any_number_of_frames():
    table = FrameTable(200_000, 1000, 512 * 512 * 16)
    assert len(table.to_bytes()) < 32
    assert table.ranges_of(199_999) == ((1000 + 199_999 * 524_288, 524_288),)


@pytest.mark.parametrize("columns", [3, 5, 7, 8])
def test_single_bit_frames_begin_within_a_byte(columns):
    bits = np.random.default_rng(columns).integers(0, 2, (5, 3, columns), dtype=np.uint8)
    pixels = np.packbits(bits.ravel(), bitorder="little").tobytes()
    frames, _ = read_frames(
        make_native(5, pixels, Rows=3, Columns=columns, BitsAllocated=1, BitsStored=1, HighBit=0)
    )
    assert frames == [np.packbits(frame.ravel(), bitorder="little").tobytes() for frame in bits]


def test_half_of_the_chroma_is_counted_for_422():
    attributes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    frames, _ = read_frames(make_native(2, bytes(range(96)), **attributes))
    assert frames == [bytes(range(48)), bytes(range(48, 96))]


@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("fragments_per_frame", [1, 3])
def test_encapsulated_frames_by_table_or_by_marker(has_bot, fragments_per_frame):
    value = encapsulate(JPEGS, fragments_per_frame=fragments_per_frame, has_bot=has_bot)
    frames, found = read_frames(make_encapsulated(5, value))
    assert frames is not None
    assert [frame.rstrip(b"\0") for frame in frames] == [frame.rstrip(b"\0") for frame in JPEGS]
    assert found == ()


def test_extended_offset_table_is_used_and_its_lies_found():
    value, offsets, lengths = encapsulate_extended(JPEGS)
    data = make_encapsulated(5, value, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)
    frames, found = read_frames(data)
    assert (frames, found) == (JPEGS, ())
    lies = make_encapsulated(
        5, value, ExtendedOffsetTable=offsets[:-8] + b"\1" * 8, ExtendedOffsetTableLengths=lengths
    )
    frames, found = read_frames(lies)
    assert frames == JPEGS
    assert "Extended Offset Table" in found[0]


def test_large_extended_offset_table_is_read_from_its_place():
    many = [b"\xff\xd8\xff" + bytes([number]) * 5 for number in range(200)]
    value, offsets, lengths = encapsulate_extended(many)
    data = make_encapsulated(200, value, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)
    header = read_header(data)
    assert "BulkDataURI" in header.attributes["7FE00001"]
    assert read_frames(data) == (many, ())


@pytest.mark.parametrize("offsets", [(0, 7), (4, 30), (0, 0), (0, 20, 40), (0, 0xFFFFFFF0)])
def test_wrong_basic_offset_table_falls_back_to_the_markers(offsets):
    parts = [JPEGS[1][:6], JPEGS[1][6:], JPEGS[2][:4], JPEGS[2][4:]]
    value = item(struct.pack(f"<{len(offsets)}I", *offsets)) + b"".join(map(item, parts))
    frames, found = read_frames(make_encapsulated(2, value))
    assert frames == [JPEGS[1], JPEGS[2]]
    assert "Basic Offset Table" in found[0]


def test_marker_within_a_frame_does_not_begin_another():
    parts = [JPEGS[1][:6], b"\xff\xd8\xff" + JPEGS[1][6:] + b"\0", JPEGS[2]]
    frames, _ = read_frames(make_encapsulated(2, item(b"") + b"".join(map(item, parts))))
    assert frames == [parts[0] + parts[1], parts[2]]


def test_jpeg_2000_frames_by_marker():
    streams = [b"\xff\x4f\xff\x51" + bytes([number]) * 8 for number in (1, 2)]
    value = item(b"") + item(streams[0][:6]) + item(streams[0][6:]) + item(streams[1])
    assert read_frames(make_encapsulated(2, value, JPEG2000Lossless)) == (streams, ())


def test_one_frame_takes_all_fragments():
    value = item(b"") + item(b"ab") + item(b"cdef")
    assert read_frames(make_encapsulated(1, value, RLELossless)) == ([b"abcdef"], ())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_native(3, bytes(24)), "too short"),
        (make_native(1, bytes(24), BitsAllocated=0), "how large"),
        (make_encapsulated(3, item(b"") + item(b"ab") + item(b"cd"), RLELossless), "told apart"),
        (make_encapsulated(2, item(b"") + item(b"ab"), RLELossless), "told apart"),
        (make_encapsulated(1, item(b"")), "no fragments"),
        (make_encapsulated(9, item(b"") + item(b"video!"), "1.2.840.10008.1.2.4.102"), "video"),
    ],
)
def test_frames_without_a_place_give_no_table_and_a_reason(data, reason):
    frames, found = read_frames(data)
    assert frames is None
    assert reason in found[0]


def test_instance_without_pixels_has_no_table():
    data = write_file(make_data_set())
    assert find_frames(data, read_header(data)) == (None, ())
    assert build_frame_table(data, read_header(data)) is None


def test_index_beyond_the_end_is_refused():
    table = FrameTable(2, 0, 8)
    for index in (-1, 2):
        with pytest.raises(FrameOutOfRange):
            table.ranges_of(index)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_table_are_refused(data):
    if data[:1] not in (b"N", b"E"):
        with pytest.raises(InvalidFrameTable):
            FrameTable.from_bytes(data)
    table = FrameTable(3, 10, 0, b"\1\0\0\0" * 3)
    with pytest.raises(InvalidFrameTable):
        FrameTable.from_bytes(table.to_bytes() + data + b"x")


def split_with_pydicom(data: bytes) -> list[bytes] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(BytesIO(data))
        number_of_frames = int(data_set.get("NumberOfFrames", 1) or 1)
        extended = None
        if "ExtendedOffsetTable" in data_set:
            extended = (data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths)
        try:
            return list(
                generate_frames(
                    data_set.PixelData, number_of_frames=number_of_frames, extended_offsets=extended
                )
            )
        except (ValueError, KeyError):
            return None


def test_frames_of_sample_files_are_pydicoms():
    compared = 0
    for path in (*list_packaged_files(), *list_shared_files()):
        data = path.read_bytes()
        try:
            header = read_header(data)
        except Part10Error:
            continue
        table = build_frame_table(data, header)
        if table is None or table.frame_bits:
            continue
        expected = split_with_pydicom(data)
        frames, _ = read_frames(data)
        if expected is not None:
            assert frames is not None
            assert [frame.rstrip(b"\0") for frame in frames] == [frame.rstrip(b"\0") for frame in expected], (
                path
            )
            compared += 1
    assert compared >= 30
