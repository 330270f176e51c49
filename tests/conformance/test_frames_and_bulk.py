"""Frames, bulk data and pixel data.

Standard: PS3.18 8.7.3, 10.4.1.1.3, 10.4.1.1.5, 10.4.1.1.6
"""

import imagecodecs
import numpy as np
import pytest

from tests.conformance.archive import DICOM_JSON, PDF, Archive
from tests.conformance.wire import Reply

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

OCTETS = 'multipart/related; type="application/octet-stream"'
EXPLICIT = "1.2.840.10008.1.2.1"
SINGLE_FRAMES = ("ct1", "implicit", "big_endian", "deflated", "rle", "rgb", "jpeg_ls", "jpeg_2000", "htj2k")


def frames(archive: Archive, name: str, numbers: str, accept: str = OCTETS, **options) -> Reply:
    return archive.ask(f"{archive[name].path}/frames/{numbers}", accept, **options)


def native(archive: Archive, name: str) -> list[bytes]:
    """Return the frames as little endian values."""
    pixels = archive[name].pixels
    frames = pixels if int(archive[name].dataset.get("NumberOfFrames") or 1) > 1 else pixels[None]
    return [frame.astype(frame.dtype.newbyteorder("<")).tobytes() for frame in frames]


@pytest.mark.parametrize("name", SINGLE_FRAMES)
def test_a_frame_is_decoded_by_default(archive, name):
    """PS3.18 table 8.7.3-5: application/octet-stream is Explicit VR Little Endian."""
    answer = frames(archive, name, "1")
    assert answer.status == 200, answer.describe()
    [part] = answer.parts()
    assert part.headers["content-type"].startswith("application/octet-stream")
    assert EXPLICIT in part.headers["content-type"]
    assert part.body[: len(native(archive, name)[0])] == native(archive, name)[0]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("1", [1]),
        ("5", [5]),
        ("1,2,3", [1, 2, 3]),
        ("3,1", [3, 1]),
        ("2%2C4", [2, 4]),
        ("1,2,3,4,5", [1, 2, 3, 4, 5]),
    ],
)
def test_a_list_of_frames_comes_in_its_order(archive, numbers, expected):
    """PS3.18 10.4.1.1.3."""
    answer = frames(archive, "multiframe", numbers)
    assert answer.status == 200, answer.describe()
    pixels = native(archive, "multiframe")
    assert [part.body for part in answer.parts()] == [pixels[number - 1] for number in expected]


@pytest.mark.parametrize("numbers", ["6", "1,6", "99999999", "1,2,3,4,5,6"])
def test_a_frame_beyond_the_end_is_404(archive, numbers):
    """PS3.18 table 10.4.3-1."""
    answer = frames(archive, "multiframe", numbers)
    assert answer.status == 404, answer.describe()


@pytest.mark.parametrize(
    "numbers", ["0", "-1", "a", "1,", ",1", "1,,2", "1-3", "1.0", "%20", "1;2", "0,1", "1,b", "9" * 40]
)
def test_a_list_that_is_none_is_400(archive, numbers):
    """PS3.18 10.4.1.1.3: positive integers separated by commas."""
    answer = frames(archive, "multiframe", numbers)
    assert answer.status == 400 or (answer.status == 404 and numbers.isdigit()), answer.describe()


@pytest.mark.parametrize("name", ["sr", "pdf"])
def test_what_has_no_frames_says_so(archive, name):
    answer = frames(archive, name, "1")
    assert answer.status in (400, 404, 406), answer.describe()


def test_one_frame_can_be_a_single_part(archive):
    answer = frames(archive, "multiframe", "2", "application/octet-stream")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "application/octet-stream"
    assert answer.body == native(archive, "multiframe")[1]


def test_several_frames_cannot(archive):
    """PS3.18 10.4.4."""
    answer = frames(archive, "multiframe", "1,2", "application/octet-stream")
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize(
    ("name", "media_type", "syntax"),
    [
        ("jpeg", "image/jpeg", "1.2.840.10008.1.2.4.50"),
        ("jpeg_ls", "image/jls", "1.2.840.10008.1.2.4.80"),
        ("jpeg_2000", "image/jp2", "1.2.840.10008.1.2.4.90"),
        ("htj2k", "image/jphc", "1.2.840.10008.1.2.4.201"),
        ("rle", "image/dicom-rle", "1.2.840.10008.1.2.5"),
    ],
)
@pytest.mark.parametrize("form", ["star", "typed", "named", "single"])
def test_a_compressed_frame_comes_as_it_is_stored(archive, name, media_type, syntax, form):
    """PS3.18 table 8.7.3-5."""
    accept = {
        "star": "multipart/related; type=application/octet-stream; transfer-syntax=*",
        "typed": f'multipart/related; type="{media_type}"; transfer-syntax=*',
        "named": f'multipart/related; type="{media_type}"; transfer-syntax={syntax}',
        "single": f"{media_type}; transfer-syntax={syntax}",
    }[form]
    answer = frames(archive, name, "1", accept)
    assert answer.status == 200, answer.describe()
    kind, content = answer.content_type, answer.body
    if form != "single":
        [part] = answer.parts()
        kind, content = part.headers["content-type"], part.body
    assert syntax in kind, kind
    assert content.strip(b"\0") in archive[name].file


@pytest.mark.parametrize("name", ["ct1", "rle", "jpeg_2000", "multiframe"])
@pytest.mark.parametrize(
    ("media_type", "decode"),
    [
        ("image/jls", imagecodecs.jpegls_decode),
        ("image/jp2", imagecodecs.jpeg2k_decode),
        ("image/jphc", imagecodecs.jpeg2k_decode),
        ("image/jpeg", imagecodecs.ljpeg_decode),
    ],
)
def test_a_frame_is_encoded_without_loss_on_demand(archive, name, media_type, decode):
    """PS3.18 table 8.7.3-5: the default of each image type is its lossless syntax; .70 for image/jpeg."""
    answer = frames(archive, name, "1", f'multipart/related; type="{media_type}"')
    assert answer.status == 200, answer.describe()
    [part] = answer.parts()
    assert part.headers["content-type"].startswith(media_type)
    assert decode(part.body).astype("<u2").tobytes() == native(archive, name)[0]


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/dicom",
        "video/mp4",
        'multipart/related; type="text/plain"',
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2",
        "multipart/related; type=application/octet-stream;q=0",
    ],
)
def test_what_a_frame_is_not_is_406(archive, accept):
    answer = frames(archive, "ct1", "1", accept)
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "multipart/related; type=application/octet-stream",
        'multipart/related; type="*/*"',
        "multipart/*",
        "application/*",
        'image/png, multipart/related; type="application/octet-stream";q=0.2',
        "application/octet-stream",
        "application/octet-stream; transfer-syntax=*",
    ],
)
def test_a_frame_answers_what_browsers_and_viewers_say(archive, accept):
    answer = frames(archive, "ct1", "1", accept)
    assert answer.status == 200, answer.describe()


def test_parts_of_frames_lead_to_the_frames(archive):
    """PS3.18 8.7.3.5.2, RFC 2557."""
    for part in frames(archive, "multiframe", "4,2").parts():
        location = part.headers["content-location"]
        again = archive.ask(location, "application/octet-stream")
        assert again.body == part.body, location


def test_a_frame_is_served_by_ranges(archive):
    whole = frames(archive, "ct1", "1", "application/octet-stream; transfer-syntax=*").body
    part = frames(
        archive, "ct1", "1", "application/octet-stream; transfer-syntax=*", headers={"Range": "bytes=16-31"}
    )
    assert part.status == 206, part.describe()
    assert part.body == whole[16:32]
    assert part.headers["content-range"] == f"bytes 16-31/{len(whole)}"


@pytest.mark.parametrize("level", ["study_path", "series_path", "path"])
@pytest.mark.parametrize("resource", ["bulkdata", "pixeldata"])
def test_bulk_and_pixel_data_of_each_level(archive, level, resource):
    """PS3.18 10.4.1.1.5, 10.4.1.1.6."""
    answer = archive.ask(f"{getattr(archive['ct1'], level)}/{resource}", OCTETS)
    assert answer.status == 200, answer.describe()
    parts = answer.parts()
    expected = {
        known.file
        for known in archive.known.values()
        if known.path.startswith(getattr(archive["ct1"], level))
    }
    assert len(parts) == len(expected)
    assert all(any(part.body in file for file in expected) for part in parts)
    for part in parts:
        assert archive.ask(part.headers["content-location"], "application/octet-stream").body == part.body


def test_octet_stream_of_an_instance_is_its_bulk_data(archive):
    """PS3.18 10.4.4: kept for historical reasons."""
    answer = archive.ask(archive["ct1"].path, OCTETS)
    assert answer.status == 200, answer.describe()
    assert [part.body for part in answer.parts()] == [archive["ct1"].dataset.PixelData]


def test_pixel_data_of_one_frame_can_be_a_single_part(archive):
    answer = archive.ask(f"{archive['ct1'].path}/pixeldata", "application/octet-stream")
    assert answer.status == 200, answer.describe()
    assert answer.body == archive["ct1"].dataset.PixelData


def test_bulk_data_of_a_document_is_the_document(archive):
    answer = archive.ask(f"{archive['pdf'].path}/bulkdata", "*/*")
    assert answer.status == 200, answer.describe()
    content = answer.parts()[0].body if answer.media_type.startswith("multipart") else answer.body
    assert content.rstrip(b"\0") == PDF.rstrip(b"\0")


def test_a_report_has_no_pixel_data(archive):
    answer = archive.ask(f"{archive['sr'].path}/pixeldata", OCTETS)
    assert answer.status in (404, 406), answer.describe()


@pytest.mark.parametrize(
    "path",
    [
        "bulkdata/nonsense",
        "bulkdata/7FE00010/9",
        "bulkdata/00100010",
        "bulkdata/../../x",
        "bulkdata/7fe00011",
    ],
)
def test_a_bulk_value_that_is_not_there_is_404(archive, path):
    answer = archive.ask(f"{archive['ct1'].path}/{path}", "*/*")
    assert answer.status in (400, 404), answer.describe()


def test_a_bulk_value_is_served_by_ranges(archive):
    [row] = archive.ask(archive["ct1"].path + "/metadata", DICOM_JSON).json()
    uri = row["7FE00010"]["BulkDataURI"]
    answer = archive.ask(uri, "application/octet-stream", headers={"Range": "bytes=-8"})
    assert answer.status == 206, answer.describe()
    assert answer.body == archive["ct1"].dataset.PixelData[-8:]


def test_frames_of_a_multiframe_are_its_pixel_data(archive):
    everything = b"".join(part.body for part in frames(archive, "multiframe", "1,2,3,4,5").parts())
    assert everything == archive["multiframe"].dataset.PixelData
    assert (np.frombuffer(everything, "<u2").reshape(5, 16, 16) == archive["multiframe"].pixels).all()
