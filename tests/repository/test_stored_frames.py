"""Frames, pictures and bulk values of instances that do not lie in their pack as they are sent."""

import io
import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from repository import retrieve
from tests.support import dicom

pytestmark = pytest.mark.django_db

OCTETS = "application/octet-stream"


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def store(vendor, data_set) -> str:
    """Store a data set under UIDs of its own; returns the path of the instance."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(data_set, keyword, dicom.make_uid())
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    target = io.BytesIO()
    data_set.save_as(target)
    assert vendor.store(target.getvalue()).status_code in (200, 202)  # stored, some with a warning
    series = f"/studies/{data_set.StudyInstanceUID}/series/{data_set.SeriesInstanceUID}"
    return f"{series}/instances/{data_set.SOPInstanceUID}"


def read_packaged(name: str):
    return dcmread(Path(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("accept", [OCTETS, f"{OCTETS}; transfer-syntax=*"])
def test_frames_of_a_deflated_instance_are_those_of_the_inflated_one(vendor, accept):
    data_set = read_packaged("image_dfl.dcm")
    expected = data_set.pixel_array
    path = store(vendor, data_set)
    answer = vendor.get(f"{path}/frames/1", accept)
    assert answer["Content-Type"] == f"{OCTETS}; transfer-syntax={dicom.EXPLICIT}"
    assert body_of(answer) == expected.tobytes()
    assert vendor.get(f"{path}/frames/2", accept).status_code == 404


@pytest.fixture
def inflations(monkeypatch) -> list[str]:
    """Note every instance that is inflated for its frames."""
    seen: list[str] = []
    stream = retrieve.stream_file

    def note(item, *args):
        seen.append(item.sop_instance_uid)
        return stream(item, *args)

    monkeypatch.setattr("repository.rewritten_frames.stream_file", note)
    return seen


def store_deflated(vendor, frames: int):
    file = dicom.make_ct(rows=8, columns=8, number_of_frames=frames, transfer_syntax_uid=dicom.DEFLATED)
    data_set = dcmread(io.BytesIO(file))
    return store(vendor, data_set), data_set.pixel_array


def test_a_deflated_instance_is_inflated_once_for_many_frames(vendor, settings, tmp_path, inflations):
    settings.SPOOL_ROOT = tmp_path / "spool"
    path, pixels = store_deflated(vendor, 6)
    assert vendor.get(f"{path}/frames/7", OCTETS).status_code == 404
    for number in (2, 3, 6, 2):
        assert body_of(vendor.get(f"{path}/frames/{number}", OCTETS)) == pixels[number - 1].tobytes()
    assert vendor.get(f"{path}/frames/7", OCTETS).status_code == 404
    assert len(inflations) == 2  # for the number of frames, and for the second frame and those behind it
    assert body_of(vendor.get(f"{path}/frames/1", OCTETS)) == pixels[0].tobytes()
    assert len(inflations) == 3
    compressed = [body_of(vendor.get(f"{path}/frames/4", "image/jls")) for _ in range(2)]
    assert compressed[0] == compressed[1]
    assert np.array_equal(imagecodecs.jpegls_decode(compressed[0]), pixels[3])
    assert len(inflations) == 3


def test_frames_of_a_deflated_instance_are_kept_within_the_bound(vendor, settings, tmp_path, inflations):
    settings.SPOOL_ROOT, settings.RENDITION_CACHE_BYTES = tmp_path / "spool", 16 * 300
    path, pixels = store_deflated(vendor, 6)
    for number in (1, 2, 3):  # two frames of 128 bytes fit into a sixteenth
        assert body_of(vendor.get(f"{path}/frames/{number}", OCTETS)) == pixels[number - 1].tobytes()
    assert len(inflations) == 2
    settings.RENDITION_CACHE_BYTES = 0
    for number in (6, 5):
        assert body_of(vendor.get(f"{path}/frames/{number}", OCTETS)) == pixels[number - 1].tobytes()
    assert len(inflations) == 4


def test_a_deflated_instance_has_a_picture_and_bulk_data(vendor):
    data_set = read_packaged("image_dfl.dcm")
    path = store(vendor, data_set)
    picture = Image.open(io.BytesIO(body_of(vendor.get(f"{path}/rendered", "image/png"))))
    assert picture.size == (data_set.Columns, data_set.Rows)
    [document] = json.loads(body_of(vendor.get(f"{path}/metadata", "application/dicom+json")))
    uri = document["7FE00010"]["BulkDataURI"].removeprefix("http://testserver/dicom-web")
    assert body_of(vendor.get(uri)) == data_set.PixelData
    assert vendor.get(uri.replace("7FE00010", "00420011")).status_code == 404


def test_bulk_data_of_big_endian_is_sent_in_little_endian(vendor):
    data_set = read_packaged("MR_small_bigendian.dcm")
    path = store(vendor, data_set)
    answer = vendor.get(f"{path}/bulkdata/7FE00010")
    assert np.array_equal(
        np.frombuffer(body_of(answer), "<i2").reshape(data_set.pixel_array.shape), data_set.pixel_array
    )


@pytest.mark.parametrize("frame_number", [1, 2])
def test_frames_that_end_within_a_big_endian_word_are_whole(vendor, frame_number):
    """Three by three pixels of three bytes, stored as words: the last byte of a frame lies in the next one's word."""
    data_set = read_packaged("SC_rgb_small_odd_big_endian.dcm")
    one = data_set.pixel_array
    two = np.stack([one, one[::-1]])
    data_set.NumberOfFrames = 2
    data_set["PixelData"].VR = "OW"
    # In big endian, the two bytes of a word change places.
    data_set.PixelData = np.frombuffer(two.tobytes(), "<u2").byteswap().tobytes()
    path = store(vendor, data_set)
    assert body_of(vendor.get(f"{path}/frames/{frame_number}", OCTETS)) == two[frame_number - 1].tobytes()
    picture = Image.open(
        io.BytesIO(body_of(vendor.get(f"{path}/frames/{frame_number}/rendered", "image/png")))
    )
    assert np.array_equal(np.asarray(picture.convert("RGB")), two[frame_number - 1])


def test_who_asks_for_octets_gets_decoded_pixels_of_a_lossy_frame(vendor):
    data_set = read_packaged("SC_rgb_small_odd_jpeg.dcm")
    path = store(vendor, data_set)
    stored = vendor.get(f"{path}/frames/1", "image/*")
    assert stored["Content-Type"].startswith("image/jpeg")
    assert vendor.get(f"{path}/frames/1")["Content-Type"].startswith('multipart/related; type="image/jpeg"')
    octets = vendor.get(f"{path}/frames/1", OCTETS)
    assert octets["Content-Type"] == f"{OCTETS}; transfer-syntax={dicom.EXPLICIT}"
    assert len(body_of(octets)) == data_set.Rows * data_set.Columns * 3
    untouched = vendor.get(f"{path}/frames/1", f"{OCTETS}; transfer-syntax=*")
    assert body_of(untouched) == body_of(stored)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"Rows": 0}, "Rows is 0"), ({"Rows": 4000}, "too short"), ({"PixelData": None}, "no pixel data")],
)
def test_why_there_are_no_frames_is_said(vendor, changes, reason):
    data_set = read_packaged("MR_small.dcm")
    for keyword, value in changes.items():
        if value is None:
            delattr(data_set, keyword)
        else:
            setattr(data_set, keyword, value)
    path = store(vendor, data_set)
    answer = vendor.get(f"{path}/frames/1")
    assert answer.status_code == 404
    assert reason in json.loads(answer.content)["error"]


def test_scratch_files_are_gone_after_an_answer(vendor, settings):
    path = store(vendor, read_packaged("image_dfl.dcm"))
    body_of(vendor.get(f"{path}/frames/1", OCTETS))
    left = [path for path in Path(settings.SPOOL_ROOT).iterdir() if path.name != "renditions"]
    assert left == []
