"""Transcoding as a client of WADO-RS meets it: what it names is what it gets, or a reason why not."""

import io
import json

import numpy as np
import pytest
from pydicom import dcmread

from registry.wire.media_types import media_type_of_frames
from repository import guarded_codecs, rendition_cache, stored_frames
from repository.decode import decode_frame
from repository.pixels import describe_pixels
from tests.repository.test_stored_frames import body_of, read_packaged, store
from tests.support import dicom
from tests.support.pixel_files import SHARED_FILES, make_image, make_phantom, read_frame
from tests.support.pixel_files import describe as describe_dataset

pytestmark = pytest.mark.django_db

OCTETS, DICOM, EXPLICIT = "application/octet-stream", "application/dicom", "1.2.840.10008.1.2.1"
RLE, DEFLATED, JPEG = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4."
DEFAULT_OF_TYPE = {
    "image/jpeg": JPEG + "70",
    "image/dicom-rle": RLE,
    "image/jls": JPEG + "80",
    "image/jp2": JPEG + "90",
    "image/jphc": JPEG + "201",
}


@pytest.fixture
def ct(vendor) -> str:
    data_set = read_packaged("CT_small.dcm")
    return store(vendor, data_set)


def decode_answer(answer, data_set, syntax: str):
    """Decode a frame by the attributes of the instance as the client knows them."""
    return decode_frame(body_of(answer), describe_pixels(data_set.to_json_dict(), syntax))


@pytest.mark.parametrize("media_type", DEFAULT_OF_TYPE)
def test_a_type_alone_means_its_default_syntax(vendor, ct, media_type):
    """Standard: PS3.18 8.7.3.3.2"""
    data_set = read_packaged("CT_small.dcm")
    answer = vendor.get(f"{ct}/frames/1", media_type)
    assert answer["Content-Type"] == f"{media_type}; transfer-syntax={DEFAULT_OF_TYPE[media_type]}"
    decoded = decode_answer(answer, data_set, DEFAULT_OF_TYPE[media_type])
    assert np.array_equal(decoded, data_set.pixel_array)


@pytest.mark.parametrize("syntax", [*DEFAULT_OF_TYPE.values(), JPEG + "57", JPEG + "202"])
def test_octets_and_every_named_syntax_hold_the_same_pixels(vendor, ct, syntax):
    data_set = read_packaged("CT_small.dcm")
    media_type = media_type_of_frames(syntax)
    accept = f'multipart/related; type="{media_type}"; transfer-syntax={syntax}'
    answer = vendor.get(f"{ct}/frames/1", accept)
    assert answer["Content-Type"].startswith(f'multipart/related; type="{media_type}"')
    head, _, rest = body_of(answer).partition(b"\r\n\r\n")
    assert f"transfer-syntax={syntax}".encode() in head
    raw = rest[: rest.rindex(b"\r\n--")]
    description = describe_pixels(data_set.to_json_dict(), syntax)
    assert np.array_equal(decode_frame(raw, description), data_set.pixel_array)


def test_the_first_syntax_that_fits_is_taken_where_several_are_named(vendor, ct):
    """The request of OHIF with a transfer syntax set: the parameter comes twice."""
    accept = f'multipart/related; type="image/jls"; transfer-syntax="{JPEG}80"; transfer-syntax="*"'
    assert f"transfer-syntax={JPEG}80".encode() in body_of(vendor.get(f"{ct}/frames/1", accept))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{OCTETS}; transfer-syntax=*", f"{OCTETS}; transfer-syntax={EXPLICIT}"),
        ("image/jls; transfer-syntax=*", f"image/jls; transfer-syntax={JPEG}80"),
        ("image/*", f"image/jpeg; transfer-syntax={JPEG}70"),
        (f"image/jls; transfer-syntax={JPEG}81, image/jphc; q=0.2", f"image/jphc; transfer-syntax={JPEG}201"),
    ],
)
def test_wishes_for_anything_are_met_with_what_is_at_hand(vendor, ct, accept, content_type):
    """Standard: PS3.18 8.7.3.5"""
    assert vendor.get(f"{ct}/frames/1", accept)["Content-Type"] == content_type


def test_anything_of_a_compressed_frame_is_what_is_stored(vendor):
    path = store(vendor, read_packaged("MR_small_RLE.dcm"))
    for accept in ("image/*", "image/dicom-rle; transfer-syntax=*", f"{OCTETS}; transfer-syntax=*"):
        answer = vendor.get(f"{path}/frames/1", accept)
        assert answer["Content-Type"] == f"image/dicom-rle; transfer-syntax={RLE}"
    assert vendor.get(f"{path}/frames/1", OCTETS)["Content-Type"] == f"{OCTETS}; transfer-syntax={EXPLICIT}"
    assert vendor.get(f"{path}/frames/1", "*/*")["Content-Type"].startswith(
        f'multipart/related; type="{OCTETS}"'
    )


def test_lossy_frames_are_made_only_by_name(vendor):
    frame = make_phantom(40, 50, "u1", 0, 255)
    path = store(vendor, make_image(frame[None]))
    named = vendor.get(f"{path}/frames/1", f"image/jpeg; transfer-syntax={JPEG}50")
    assert named["Content-Type"] == f"image/jpeg; transfer-syntax={JPEG}50"
    assert body_of(named)[:3] == b"\xff\xd8\xff"
    for accept in ("image/jpeg", "image/*", "image/jpeg; transfer-syntax=*"):
        assert vendor.get(f"{path}/frames/1", accept)["Content-Type"].endswith(f"{JPEG}70")


def test_a_lossy_instance_is_not_made(vendor):
    """It would need a SOP Instance UID of its own (PS3.3 C.7.6.1.1.5)."""
    path = store(vendor, make_image(make_phantom(40, 50, "u1", 0, 255)[None]))
    answer = vendor.get(path, f"{DICOM}; transfer-syntax={JPEG}50")
    assert answer.status_code == 406
    assert JPEG + "90" in json.loads(answer.content)["error"]


@pytest.mark.parametrize("syntax", [DEFLATED, *DEFAULT_OF_TYPE.values(), JPEG + "202"])
@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_jp2klossless.dcm"]
)
def test_instances_leave_in_the_syntax_that_is_named(vendor, name, syntax):
    data_set = read_packaged(name)
    expected = data_set.pixel_array if "jp2k" not in name else read_packaged("MR_small.dcm").pixel_array
    path = store(vendor, data_set)
    answer = vendor.get(path, f"{DICOM}; transfer-syntax={syntax}")
    assert answer["Content-Type"] == f"{DICOM}; transfer-syntax={syntax}"
    received = dcmread(io.BytesIO(body_of(answer)))
    assert received.file_meta.TransferSyntaxUID == syntax
    assert received.SOPInstanceUID == data_set.SOPInstanceUID
    description = describe_dataset(received)
    assert np.array_equal(decode_frame(read_frame(received, description), description), expected)


def test_reports_leave_uncompressed_beside_compressed_images(vendor):
    """Standard: PS3.18 8.7.8.2"""
    image, report = read_packaged("CT_small.dcm"), read_packaged("test-SR.dcm")
    path = store(vendor, image)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID"):
        setattr(report, keyword, image.get(keyword))
    report.SeriesInstanceUID, report.SOPInstanceUID = dicom.make_uid(), dicom.make_uid()
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    target = io.BytesIO()
    report.save_as(target)
    assert vendor.store(target.getvalue()).status_code in (200, 202)
    study = path[: path.index("/series/")]
    body = body_of(vendor.get(study, f'multipart/related; type="{DICOM}"; transfer-syntax={JPEG}80'))
    assert body.count(f"transfer-syntax={JPEG}80\r\n".encode()) == 1
    assert body.count(f"transfer-syntax={EXPLICIT}\r\n".encode()) == 1
    alone = f"/studies/{report.StudyInstanceUID}/series/{report.SeriesInstanceUID}/instances/{report.SOPInstanceUID}"
    assert vendor.get(alone, f"{DICOM}; transfer-syntax={JPEG}80").status_code == 406


@pytest.mark.parametrize("accept", ["image/jphc", f"image/jls; transfer-syntax={JPEG}80"])
def test_why_pixels_cannot_be_compressed_is_said(vendor, accept):
    path = store(vendor, make_image(np.zeros((1, 8, 8), "u4")))
    answer = vendor.get(f"{path}/frames/1", accept)
    assert answer.status_code == 406
    assert OCTETS in json.loads(answer.content)["error"]
    assert vendor.get(f"{path}/frames/1", f"{accept}, {OCTETS}; q=0.1").status_code == 200


def test_a_study_with_an_image_that_cannot_be_compressed_is_refused_whole(vendor):
    path = store(vendor, make_image(np.zeros((1, 8, 8), "u4")))
    study = path[: path.index("/series/")]
    answer = vendor.get(study, f'multipart/related; type="{DICOM}"; transfer-syntax={JPEG}201')
    assert answer.status_code == 406
    assert vendor.get(study).status_code == 200


def test_a_frame_that_was_compressed_once_is_found_again(vendor, ct, monkeypatch):
    first = body_of(vendor.get(f"{ct}/frames/1", "image/jphc"))
    compressed_again = []

    def compress(*arguments):
        compressed_again.append(arguments)
        return b"new"

    monkeypatch.setattr(stored_frames, "convert_frame", compress)
    assert body_of(vendor.get(f"{ct}/frames/1", "image/jphc")) == first
    assert not compressed_again
    monkeypatch.setattr(rendition_cache, "find", lambda _: None)
    assert body_of(vendor.get(f"{ct}/frames/1", "image/jphc")) == b"new"


def test_busy_decoders_are_told_as_such(vendor, ct, monkeypatch):
    def be_busy(*_, **__):
        raise guarded_codecs.CodecsBusy("all decoders are busy; try again")

    monkeypatch.setattr(guarded_codecs, "run_codec", be_busy)
    answer = vendor.get(f"{ct}/frames/1", "image/jls")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0


def test_a_codec_that_crashes_costs_one_answer(vendor, ct, monkeypatch):
    guarded_codecs.stop_codecs()
    monkeypatch.setattr(guarded_codecs, "PROGRAM", "tests.support.no_such_codec")
    answer = vendor.get(f"{ct}/frames/1", "image/jls")
    assert answer.status_code == 406
    assert "no decoder could be started" in json.loads(answer.content)["error"]
    monkeypatch.undo()
    assert vendor.get(f"{ct}/frames/1", "image/jls").status_code == 200


FOUR_SYNTAXES = sorted((SHARED_FILES / "series/ihe-xca").glob("*/*-tsevrle.dcm"))


@pytest.mark.skipif(not FOUR_SYNTAXES, reason="the shared sample data is not here")
@pytest.mark.parametrize("target", [JPEG + "70", JPEG + "80", JPEG + "90", JPEG + "201", RLE, EXPLICIT])
@pytest.mark.parametrize("stored", ["ts70", "ts80", "ts90", "tsevrle"])
def test_real_images_in_four_syntaxes_leave_with_the_same_pixels(vendor, stored, target):
    path = next(path for path in FOUR_SYNTAXES if path.stat().st_size < 1 << 20)
    native = dcmread(path)
    url = store(vendor, dcmread(path.with_name(path.name.replace("tsevrle", stored))))
    received = dcmread(io.BytesIO(body_of(vendor.get(url, f"{DICOM}; transfer-syntax={target}"))))
    description = describe_dataset(received)
    expected = decode_frame(native.PixelData, describe_dataset(native))
    assert np.array_equal(decode_frame(read_frame(received, description), description), expected)
