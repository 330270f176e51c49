"""What `/rendered` answers at every level: pictures, films, pages; and with what it refuses nonsense."""

import email
import io
import subprocess

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from repository import renditions
from tests.support import dicom

pytestmark = pytest.mark.django_db

MULTIPART_JPEG = 'multipart/related; type="image/jpeg"'


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def parts_of(response):
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    return email.message_from_bytes(head + body_of(response)).get_payload()


def open_picture(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def path_of(file: bytes, level: str = "instance") -> str:
    dataset = dcmread(io.BytesIO(file), stop_before_pixels=True)
    path = f"/studies/{dataset.StudyInstanceUID}"
    if level != "study":
        path += f"/series/{dataset.SeriesInstanceUID}"
    return f"{path}/instances/{dataset.SOPInstanceUID}" if level == "instance" else path


@pytest.fixture
def slices(vendor):
    """A series of three small images."""
    files = dicom.make_series(dicom.StudyFacts(), 3)
    vendor.store(*files)
    return files


@pytest.fixture
def film(vendor):
    """An image of four frames, five a second."""
    change = Dataset()
    change.FrameTime = 200
    file = dicom.make_ct(number_of_frames=4, change=change)
    vendor.store(file)
    return file


@pytest.mark.parametrize("level", ["study", "series"])
def test_a_study_and_a_series_are_a_part_for_each_image(vendor, slices, level):
    path = f"{path_of(slices[0], level)}/rendered"
    for accept in (MULTIPART_JPEG, "*/*", "multipart/related", "multipart/related; type=image/jpeg"):
        response = vendor.get(path, accept)
        assert response.status_code == 200
        assert response["Content-Type"].startswith('multipart/related; type="image/jpeg"; boundary=')
        parts = parts_of(response)
        assert [part.get_content_type() for part in parts] == ["image/jpeg"] * 3
        assert [open_picture(part.get_payload(decode=True)).size for part in parts] == [(8, 8)] * 3
        places = [part["Content-Location"].removeprefix("http://testserver/dicom-web") for part in parts]
        assert places == [f"{path_of(file)}/frames/1/rendered" for file in slices]
        assert all(vendor.get(place).status_code == 200 for place in places)
    assert vendor.get(path, "image/jpeg").status_code == 406
    assert [
        part.get_content_type() for part in parts_of(vendor.get(path, 'multipart/related; type="image/png"'))
    ] == ["image/png"] * 3


def test_frames_come_in_the_order_of_the_list(vendor, film):
    path = f"{path_of(film)}/frames"
    pixels = dcmread(io.BytesIO(film)).pixel_array
    parts = parts_of(
        vendor.get(f"{path}/3,1/rendered?window=1024,4096,linear", 'multipart/related; type="image/png"')
    )
    for part, frame in zip(parts, (pixels[2], pixels[0]), strict=True):
        levels = np.asarray(open_picture(part.get_payload(decode=True))).astype(int)
        expected = np.clip((frame.astype(float) - 1024 - 1023.5) / 4095 + 0.5, 0, 1) * 255
        assert np.abs(levels - expected).max() <= 1
    assert vendor.get(f"{path}/3,1/rendered", "image/jpeg").status_code == 406
    assert vendor.get(f"{path}/3,1/rendered")["Content-Type"].startswith("multipart/related")
    assert vendor.get(f"{path}/2/rendered")["Content-Type"] == "image/jpeg"
    assert vendor.get(f"{path}/5/rendered").status_code == 404
    assert vendor.get(f"{path}/1,5/rendered").status_code == 404
    for malformed in ("0", "1,,2", "a", "-1"):
        assert vendor.get(f"{path}/{malformed}/rendered").status_code == 400


def test_an_image_of_many_frames_is_its_first_one_or_a_film(vendor, film):
    path = f"{path_of(film)}/rendered"
    first = open_picture(vendor.get(path, "image/png").content)
    assert np.array_equal(
        first, open_picture(vendor.get(f"{path_of(film)}/frames/1/rendered", "image/png").content)
    )
    moving = open_picture(body_of(vendor.get(path, "image/gif")))
    assert (moving.format, moving.n_frames, moving.info["duration"]) == ("GIF", 4, 200)
    some = open_picture(body_of(vendor.get(f"{path_of(film)}/frames/2,4/rendered", "image/gif")))
    assert some.n_frames == 2
    assert len(parts_of(vendor.get(path, MULTIPART_JPEG))) == 4


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("image/png;q=0.9, image/jpeg;q=0.1", "image/png"),
        ("image/*", "image/jpeg"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/jpeg"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "image/jpeg"),
        ("image/gif", "image/gif"),
        ("image/jpeg;q=0, image/*", "image/png"),
    ],
)
def test_the_best_acceptable_type_is_sent(vendor, slices, accept, expected):
    assert vendor.get(f"{path_of(slices[0])}/rendered", accept)["Content-Type"] == expected
    assert vendor.get(f"{path_of(slices[0])}/rendered?accept={expected}")["Content-Type"] == expected


@pytest.mark.parametrize(
    "accept", ["image/webp", "text/html", "application/pdf", "application/dicom", "image/jpeg;q=0"]
)
def test_what_cannot_be_made_is_not_acceptable(vendor, slices, accept):
    response = vendor.get(f"{path_of(slices[0])}/rendered", accept)
    assert response.status_code == 406
    assert b"image/jpeg" in response.content


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("window=40", "window"),
        ("window=40,400", "window"),
        ("window=40,0,linear", "width"),
        ("window=40,400,cubic", "window function"),
        ("window=40,400,linear&window=40,400,linear", "window is given 2 times"),
        ("viewport=100000,100000", "viewport"),
        ("viewport=8,8,20,20,1,1", "not inside"),
        ("viewport=8", "viewport"),
        ("quality=0", "quality"),
        ("quality=", "quality"),
        ("annotation=", "annotation"),
        ("annotation=patient,%20;", "annotation"),
        ("iccprofile=cmyk", "iccprofile"),
        ("iccprofile=yes&accept=image/gif", "ICC"),
    ],
)
def test_nonsense_is_refused_with_words(vendor, slices, query, word):
    response = vendor.get(f"{path_of(slices[0])}/rendered?{query}")
    assert response.status_code == 400
    assert word in response.json()["error"]


def test_size_and_region_and_turn(vendor, slices):
    path = f"{path_of(slices[0])}/rendered"
    whole = np.asarray(open_picture(vendor.get(path, "image/png").content))
    assert open_picture(vendor.get(f"{path}?viewport=20,40").content).size == (20, 20)
    turned = open_picture(vendor.get(f"{path}?viewport=8,8,,,-8,-8", "image/png").content)
    assert np.array_equal(turned, whole[::-1, ::-1])
    part = open_picture(vendor.get(f"{path}?viewport=3,2,1,2,3,2", "image/png").content)
    assert np.array_equal(part, whole[2:4, 1:4])


def test_annotations_are_burned_in_and_unknown_ones_warned_of(vendor):
    file = dicom.make_ct(rows=128, columns=128)
    vendor.store(file)
    path = f"{path_of(file)}/rendered"
    plain, patient, both = (
        np.asarray(open_picture(vendor.get(f"{path}{query}", "image/png").content)).astype(int)
        for query in ("", "?annotation=patient", "?annotation=patient,technique")
    )
    assert (patient != plain).any()
    assert not (patient != plain)[64:].any()
    assert (both != patient)[:, 64:].any()
    response = vendor.get(f"{path}?annotation=patient,hologram")
    assert response.status_code == 200
    assert response["Warning"].startswith("299 ")
    assert response["Warning"].endswith("not supported: hologram")


@pytest.mark.parametrize("wanted", ["yes", "srgb", "adobergb", "rommrgb"])
def test_profiles_are_embedded_on_demand(vendor, slices, wanted):
    for accept in ("image/jpeg", "image/png"):
        response = vendor.get(f"{path_of(slices[0])}/rendered?iccprofile={wanted}", accept)
        assert open_picture(response.content).info["icc_profile"][36:40] == b"acsp"
    without = vendor.get(f"{path_of(slices[0])}/rendered?iccprofile=no")
    assert "icc_profile" not in open_picture(without.content).info


def test_a_client_that_has_a_picture_is_not_sent_it_again(vendor, slices, monkeypatch):
    path = f"{path_of(slices[0])}/rendered"
    first = vendor.get(path)
    headers = {**vendor.headers, "Accept": "*/*", "If-None-Match": first["ETag"]}
    monkeypatch.setattr(renditions, "render_frames", None)  # nothing is made
    again = vendor.client.get(f"/dicom-web{path}", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    monkeypatch.undo()
    other = vendor.get(f"{path}?quality=50")
    assert other["ETag"] != first["ETag"]
    assert vendor.get(f"{path}?quality=50", "image/png")["ETag"] == vendor.get(path, "image/png")["ETag"]


def test_a_picture_is_made_once(vendor, slices, monkeypatch):
    path = f"{path_of(slices[0])}/rendered?viewport=30,30"
    first = vendor.get(path)
    monkeypatch.setattr(renditions, "decode_frame", None)
    assert vendor.get(path).content == first.content
    assert vendor.get(f"{path_of(slices[0], 'series')}/frames").status_code == 404


def test_what_was_kept_is_given_to_nobody_else(vendor, foreigner, slices):
    path = f"{path_of(slices[0])}/rendered"
    assert vendor.get(path).status_code == 200
    assert foreigner.get(path).status_code == 404
    etag = {**foreigner.headers, "If-None-Match": vendor.get(path)["ETag"]}
    assert foreigner.client.get(f"/dicom-web{path}", headers=etag).status_code == 404


def test_letters_are_never_kept(vendor, slices, settings, tmp_path):
    vendor.get(f"{path_of(slices[0])}/rendered?annotation=patient")
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


def test_head_tells_what_get_sends(vendor, slices):
    path = f"/dicom-web{path_of(slices[0])}/rendered"
    get = vendor.client.get(path, headers={**vendor.headers, "Accept": "*/*"})
    head = vendor.client.head(path, headers={**vendor.headers, "Accept": "*/*"})
    assert (head.status_code, head["Content-Type"], head["ETag"]) == (200, get["Content-Type"], get["ETag"])


def test_one_image_of_a_series_may_be_a_single_part(vendor):
    file = dicom.make_ct()
    vendor.store(file)
    path = f"{path_of(file, 'series')}/rendered"
    assert vendor.get(path, "image/jpeg")["Content-Type"] == "image/jpeg"
    assert vendor.get(path)["Content-Type"].startswith("multipart/related")


def test_a_video_passes_as_it_is_stored(vendor):
    stream = bytes(range(256)) * 40
    dataset = dcmread(io.BytesIO(dicom.make_ct(number_of_frames=5)))
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4.1"
    file = dicom.write_file(dataset, "1.2.840.10008.1.2.4.102")
    vendor.store(file)
    path = f"{path_of(file)}/rendered"
    for query, accept in (("", "*/*"), ("", "video/mp4"), ("?accept=video/mp4", "*/*")):
        response = vendor.get(path + query, accept)
        assert (response.status_code, response["Content-Type"]) == (200, "video/mp4")
        assert body_of(response) == stream
    headers = {**vendor.headers, "Range": "bytes=1000-1009"}
    part = vendor.client.get(f"/dicom-web{path}", headers=headers)
    assert (part.status_code, body_of(part)) == (206, stream[1000:1010])
    assert vendor.get(path, "image/jpeg").status_code == 406
    assert vendor.get(f"{path_of(file)}/frames/1/rendered").status_code == 404
    assert open_picture(vendor.get(f"{path_of(file)}/thumbnail").content).size == (128, 128)


def test_an_image_that_would_fill_the_memory_is_refused_before_it_is_decoded(vendor):
    dataset = dcmread(io.BytesIO(dicom.make_ct(transfer_syntax_uid=dicom.RLE)))
    dataset.Rows = dataset.Columns = 65535
    file = dicom.write_file(dataset, dicom.RLE)
    assert vendor.store(file).status_code == 200
    for suffix in ("/rendered", "/rendered?viewport=10,10", "/thumbnail", "/frames/1/rendered"):
        response = vendor.get(path_of(file) + suffix)
        assert response.status_code == 406
        assert "bytes" in response.json()["error"]


@pytest.mark.parametrize("bits", [1, 8])
def test_masks_of_single_bits_are_black_and_white(vendor, bits):
    mask = np.zeros((3, 8, 8), np.uint8)
    mask[0, :4], mask[1, :, 4:], mask[2, 2:6, 2:6] = 1, 1, 1
    dataset = dcmread(io.BytesIO(dicom.make_ct(number_of_frames=3)))
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, keyword)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, 1, 0
    packed = np.packbits(mask, bitorder="little") if bits == 1 else mask
    dataset.PixelData = packed.tobytes()
    dataset["PixelData"].VR = "OB"
    file = dicom.write_file(dataset, dicom.EXPLICIT)
    vendor.store(file)
    parts = parts_of(vendor.get(f"{path_of(file)}/rendered", 'multipart/related; type="image/png"'))
    levels = [np.asarray(open_picture(part.get_payload(decode=True))) for part in parts]
    assert np.array_equal(levels, mask * 255)


@pytest.mark.parametrize("window", [(40, 400), (1000, 1500), (-500.5, 200), (0, 2)])
def test_dcmtk_shows_the_same_window(vendor, tmp_path, window):
    dataset = dcmread(io.BytesIO(dicom.make_ct(rows=64, columns=96)))
    file = dicom.write_file(dataset, dicom.EXPLICIT)
    vendor.store(file)
    center, width = window
    mine = vendor.get(f"{path_of(file)}/rendered?window={center},{width},linear", "image/png").content
    (tmp_path / "image.dcm").write_bytes(file)
    command = ["dcmj2pnm", "+op", "+Ww", str(center), str(width), "image.dcm", "shown.pgm"]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    theirs = np.asarray(Image.open(tmp_path / "shown.pgm")).astype(int)
    assert np.abs(np.asarray(open_picture(mine)).astype(int) - theirs).max() <= 1
