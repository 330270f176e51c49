"""The header reader on files made for one question each."""

import mmap
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from repository.frames import build_frame_table
from repository.header.errors import (
    ContradictingAttributes,
    DeflateBomb,
    DirectoryFile,
    HeaderTooLarge,
    InvalidUid,
    MisdeclaredTransferSyntax,
    MissingAttribute,
    MissingFileMeta,
    NestingTooDeep,
    NotPart10,
    TruncatedDataSet,
    UnknownTransferSyntax,
)
from repository.part10 import Part10Error, complete_file, read_header
from tests.repository.dicom_files import make_data_set, normalise, read_with_pydicom, write_file

EXPLICIT = "1.2.840.10008.1.2.1"
PIXELS = {
    "Rows": 4,
    "Columns": 4,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "SamplesPerPixel": 1,
    "PixelRepresentation": 0,
    "PhotometricInterpretation": "MONOCHROME2",
}


def make_image(transfer_syntax_uid: str = EXPLICIT, **attributes) -> bytes:
    data_set = make_data_set(**PIXELS, **attributes)
    data_set.PixelData = bytes(range(16))
    data_set["PixelData"].VR = "OW" if transfer_syntax_uid == ImplicitVRLittleEndian else "OB"
    return write_file(data_set, transfer_syntax_uid)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def wrap(data_set: bytes, transfer_syntax_uid: str = EXPLICIT) -> bytes:
    uid = transfer_syntax_uid.encode()
    meta = element(0x00020010, b"UI", uid + b"\0" * (len(uid) % 2))
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + data_set


def identity(instance: bytes = b"1.2.3.4 ") -> bytes:
    return element(0x00080016, b"UI", b"1.2\0") + element(0x00080018, b"UI", instance)


RELATION = element(0x0020000D, b"UI", b"1.2.3\0") + element(0x0020000E, b"UI", b"1.2.3.5\0")


@pytest.mark.parametrize("transfer_syntax_uid", [EXPLICIT, ImplicitVRLittleEndian])
def test_identity_pixels_and_bulk_of_an_image(transfer_syntax_uid):
    data = make_image(transfer_syntax_uid, PatientName="Åström^Bo", SpecificCharacterSet="ISO_IR 100")
    header = read_header(data)
    assert header.parsed_by == "strict"
    assert header.transfer_syntax_uid == transfer_syntax_uid
    assert header.attributes["00100010"]["Value"] == [{"Alphabetic": "Åström^Bo"}]
    assert header.attributes["00080005"]["Value"] == ["ISO_IR 192"]
    assert header.pixel is not None
    assert header.pixel.value_length == 16
    assert data[header.pixel.value_offset :][:16] == bytes(range(16))
    bulk = header.bulk_values[0]
    assert (bulk.path, bulk.offset, bulk.length) == ("7FE00010", header.pixel.value_offset, 16)
    assert header.attributes["7FE00010"]["BulkDataURI"] == (
        f"/dicom-web/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"
        f"/instances/{header.sop_instance_uid}/bulkdata/7FE00010"
    )
    assert not header.has_unaddressed_bulk
    assert header.warnings == ()


@pytest.mark.parametrize("wrapped", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_reads_alike(wrapped):
    data = make_image()
    assert read_header(wrapped(data)) == read_header(data)


def test_mapped_file_can_be_closed_afterwards():
    data = make_image()
    with mmap.mmap(-1, len(data)) as mapped:
        mapped.write(data)
        header = read_header(mapped)
        assert header == read_header(data)
        assert build_frame_table(mapped, header) == build_frame_table(data, header)
        length_at = data.index(struct.pack("<HH", 0x7FE0, 0x0010)) + 8
        mapped[length_at : length_at + 4] = struct.pack("<I", 1 << 20)
        with pytest.raises(Part10Error):
            read_header(mapped)


def test_bulk_value_in_a_sequence_is_addressed():
    item = Dataset()
    item.add_new(0x54001010, "OW", b"ab" * 600)
    data = write_file(make_data_set(WaveformSequence=[item]))
    header = read_header(data)
    bulk = header.bulk_values[0]
    assert bulk.path == "54000100/0/54001010"
    assert data[bulk.offset : bulk.offset + bulk.length] == b"ab" * 600
    assert header.attributes["54000100"]["Value"][0]["54001010"]["BulkDataURI"].endswith(bulk.path)


def test_binary_of_1024_bytes_stays_inline():
    small, large = make_data_set(), make_data_set()
    small.add_new(0x00420011, "OB", bytes(1024))
    large.add_new(0x00420011, "OB", bytes(1026))
    assert "InlineBinary" in read_header(write_file(small)).attributes["00420011"]
    assert "BulkDataURI" in read_header(write_file(large)).attributes["00420011"]


def test_deflated_file_has_no_addresses():
    header = read_header(make_image(DeflatedExplicitVRLittleEndian))
    assert header.parsed_by == "strict"
    assert header.has_unaddressed_bulk
    assert header.bulk_values == ()
    assert header.pixel is not None
    assert header.pixel.value_offset is None
    assert header.attributes["00280010"]["Value"] == [4]


def test_big_endian_numbers_are_right_and_bulk_is_not_addressed():
    data_set = make_data_set(**PIXELS)
    data_set.add_new(0x7FE00010, "OW", bytes(range(16)))
    header = read_header(write_file(data_set, "1.2.840.10008.1.2.2"))
    assert header.parsed_by == "pydicom"
    assert header.attributes["00280010"]["Value"] == [4]
    assert header.has_unaddressed_bulk
    assert header.pixel is not None
    assert header.pixel.value_length == 16


def test_deflate_bomb_is_refused():
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = identity() + element(0x00080020, b"DA", b"20260101") + bytes(64 << 20)
    with pytest.raises(DeflateBomb, match="200-fold"):
        read_header(wrap(stream.compress(body) + stream.flush(), "1.2.840.10008.1.2.1.99"))


def test_cut_deflate_stream_is_refused():
    data = make_image(DeflatedExplicitVRLittleEndian)
    with pytest.raises(TruncatedDataSet):
        read_header(data[:-20])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotPart10, "empty"),
        (b"plain text, no DICOM" * 20, NotPart10, "byte 128"),
        (b"\x1f\x8b" + bytes(200), NotPart10, "gzip"),
        (wrap(RELATION), MissingAttribute, "SOP Class UID"),
        (wrap(identity() + RELATION[:14]), MissingAttribute, "Series Instance UID"),
        (wrap(identity(b"1.2.3.x ") + RELATION), InvalidUid, "SOP Instance UID"),
        (wrap(identity(b"1" * 66) + RELATION), InvalidUid, "66 characters"),
        (
            wrap(identity() + RELATION, "1.2.840.10008.5.1.4.1.1.2"),
            UnknownTransferSyntax,
            "no transfer syntax",
        ),
        (wrap(identity() + RELATION, "1.2.840.10008.1.2"), MisdeclaredTransferSyntax, "Explicit VR"),
        (wrap(element(0x00041220, b"LO", b"")), DirectoryFile, "DICOMDIR"),
        (wrap(identity() + RELATION)[:-4], TruncatedDataSet, "announces"),
    ],
)
def test_refusals_say_what_is_wrong(data, error, message):
    with pytest.raises(error, match=message) as caught:
        read_header(data)
    assert caught.value.failure_reason in (0x0110, 0xA900, 0xC000, 0xC122)


def test_where_file_meta_names_another_instance_the_data_set_decides():
    data = make_image()
    uid = read_header(data).sop_instance_uid
    other = uid[:-1] + ("1" if uid[-1:] != "1" else "2")
    header = read_header(data.replace(uid.encode(), other.encode(), 1))
    assert header.sop_instance_uid == uid
    assert any("(0002,0003) differs" in warning for warning in header.warnings)


def test_two_patient_ids_are_refused():
    twice = element(0x00100020, b"LO", b"A1") + element(0x00100020, b"LO", b"B2")
    with pytest.raises(ContradictingAttributes, match="twice"):
        read_header(wrap(identity() + twice + RELATION))


def test_private_transfer_syntax_is_kept_with_a_warning():
    header = read_header(wrap(identity() + RELATION, "1.2.3.99"))
    assert header.transfer_syntax_uid == "1.2.3.99"
    assert any("unknown" in warning for warning in header.warnings)


def test_missing_transfer_syntax_is_taken_from_the_look():
    data = wrap(identity() + RELATION)
    start = data.index(struct.pack("<HH2s", 2, 0x10, b"UI"))
    end = data.index(identity())
    header = read_header(data[:start] + data[end:])
    assert header.transfer_syntax_uid == EXPLICIT
    assert any("missing" in warning for warning in header.warnings)


@pytest.mark.parametrize("transfer_syntax_uid", [EXPLICIT, ImplicitVRLittleEndian])
def test_bare_data_set_can_be_completed(transfer_syntax_uid):
    data = make_image(transfer_syntax_uid)
    bare = data[data.index(struct.pack("<HH", 8, 0x16)) :]
    for part in (bare, data[128:], data[132:]):
        with pytest.raises(MissingFileMeta):
            read_header(part)
        header = read_header(complete_file(part))
        assert header.transfer_syntax_uid == transfer_syntax_uid
        assert header.attributes == read_header(data).attributes


def test_text_oddities_are_warnings():
    data = wrap(identity() + element(0x00100010, b"PN", b"\xc5str\xf6m\0x") + RELATION)
    header = read_header(data)
    assert header.attributes["00100010"]["Value"] == [{"Alphabetic": "Åströmx"}]
    assert any("no Specific Character Set" in warning for warning in header.warnings)
    lies = (
        element(0x00080005, b"CS", b"ISO_IR 192")
        + identity()
        + element(0x00100010, b"PN", b"\xc5str")
        + RELATION
    )
    header = read_header(wrap(lies))
    assert header.attributes["00100010"]["Value"] == [{"Alphabetic": "\ufffdstr"}]
    assert any("does not match" in warning for warning in header.warnings)


def test_numbers_that_are_none_stay_text():
    odd = element(0x00281050, b"DS", b"1.5\\NaN\\\\1_0 ") + element(0x00281053, b"DS", b"")
    header = read_header(wrap(identity() + RELATION + odd))
    assert header.attributes["00281050"]["Value"] == [1.5, "NaN", None, "1_0"]
    assert header.attributes["00281053"] == {"vr": "DS"}


def test_deep_nesting_is_refused_by_both_readers():
    data_set = make_data_set()
    for _ in range(40):
        outer = Dataset()
        outer.ContentSequence = [data_set]
        data_set = outer
    item = b""
    for _ in range(2000):
        item = struct.pack("<HHIHHI", 0xFFFE, 0xE000, 0xFFFFFFFF, 0x0040, 0xA730, 0xFFFFFFFF) + item
    nested = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + item
    with pytest.raises(NestingTooDeep):
        read_header(wrap(identity() + RELATION + nested))
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(data_set, keyword, "1.2.3")
    for syntax in (EXPLICIT, "1.2.840.10008.1.2.2"):
        with pytest.raises(NestingTooDeep):
            read_header(write_file(data_set, syntax))


def test_endless_header_is_refused():
    many = b"".join(element(0x00210000 | number, b"LO", b"") for number in range(0x1000, 0xFFFF))
    out_of_order = many * 3
    with pytest.raises(HeaderTooLarge):
        read_header(wrap(identity() + RELATION + out_of_order))


def test_endless_changes_of_the_character_set_are_refused():
    terms = element(0x00080005, b"CS", b"\\ISO 2022 IR 87 ")
    text = struct.pack("<HH2sHI", 0x0040, 0xA160, b"UT", 0, 1_200_000) + b"\x1b$B\x1b(B" * 200_000
    with pytest.raises(HeaderTooLarge, match="character set"):
        read_header(wrap(terms + identity() + RELATION + text))


def test_endless_fragments_are_refused():
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    empty = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    with pytest.raises(HeaderTooLarge, match="fragments"):
        read_header(wrap(identity() + RELATION + head + empty * 1_000_001))


def test_every_truncation_is_refused_or_read():
    data = make_image(PatientName="A^B", ContentSequence=[make_data_set()])
    for end in range(len(data)):
        try:
            header = read_header(data[:end])
        except Part10Error:
            continue
        assert header.pixel is None
        assert (
            any("no pixel data" in warning for warning in header.warnings)
            or "00280011" not in header.attributes
        )


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_escape(tail):
    for data in (tail, bytes(128) + b"DICM" + tail, wrap(tail), wrap(identity() + tail)):
        with pytest.raises(Part10Error):
            read_header(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_files_are_read_or_refused(draw):
    data = bytearray(make_image(PatientName="A^B", ContentSequence=[make_data_set()], StudyDate="20260101"))
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(132, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        header = read_header(bytes(data))
    except Part10Error:
        return
    assert header.json.startswith(b"{")


@pytest.mark.parametrize("length", range(1, 71))
def test_uids_of_every_length(length):
    uid = ("1.2345" * 12)[:length].rstrip(".") or "1"
    uid = uid + "7" * (length - len(uid))
    data = wrap(identity(uid.encode() + b"\0" * (len(uid) % 2)) + RELATION)
    if length <= 64:
        assert read_header(data).sop_instance_uid == uid
    else:
        with pytest.raises(InvalidUid):
            read_header(data)


text = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_characters="\\=^\x7f"),
    min_size=1,
    max_size=16,
)


@st.composite
def data_sets(draw, depth=0):
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.PatientComments = draw(text)
    data_set.ImageType = draw(
        st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "AXIAL"]), min_size=1, max_size=4)
    )
    data_set.SliceThickness = draw(st.none() | st.integers(-1000, 1000))
    data_set.SimpleFrameList = draw(st.lists(st.integers(0, 2**32 - 1), max_size=4))
    data_set.RealWorldValueSlope = draw(st.floats(allow_nan=True, allow_infinity=True))
    data_set.add_new(
        0x00420011, "OB", draw(st.binary(max_size=20).map(lambda raw: raw + b"\0" * (len(raw) % 2)))
    )
    if depth < 3:
        data_set.ContentSequence = draw(st.lists(data_sets(depth + 1), max_size=2))
    return data_set


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.sampled_from([EXPLICIT, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]))
def test_generated_data_sets_read_as_pydicom_reads_them(data_set, transfer_syntax_uid):
    data_set.update(make_data_set())
    data = write_file(data_set, transfer_syntax_uid)
    header = read_header(data)
    assert header.parsed_by == "strict"
    assert normalise(header.attributes) == normalise(read_with_pydicom(data))
