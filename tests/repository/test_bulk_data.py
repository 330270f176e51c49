"""Bulk data and pixel data: by URI, and of whole instances, series and studies."""

import io
import json

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import EncapsulatedPDFStorage

from tests.repository.reading import body_of, parts_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db
OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = "application/octet-stream; transfer-syntax=*"
MPEG4 = "1.2.840.10008.1.2.4.102"
PDF = b"%PDF-1.4 nothing to see."


def base_of(response_or_location: str) -> str:
    return response_or_location.removeprefix("http://testserver/dicom-web")


def change(**elements) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def make_video() -> tuple[bytes, bytes]:
    """Return a file that says it holds a video, and the stream in its two fragments."""
    stream = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 20
    pixels = change(NumberOfFrames=3, BitsAllocated=8, BitsStored=8, HighBit=7)
    ds = dcmread(io.BytesIO(dicom.make_ct(number_of_frames=3, change=pixels)))
    ds.PixelData = encapsulate([stream[:1000] + stream[1000:]], fragments_per_frame=2, has_bot=False)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return dicom.write_file(ds, MPEG4), stream


@pytest.fixture
def mixed(vendor):
    """A study with a CT of three frames, the same compressed, and a PDF."""
    study = dicom.StudyFacts()
    native = dicom.make_ct(study, number_of_frames=3, series_number=1)
    rle = dicom.make_ct(study, number_of_frames=3, series_number=2, transfer_syntax_uid=dicom.RLE)
    pdf = change(EncapsulatedDocument=PDF + bytes(2000), MIMETypeOfEncapsulatedDocument="application/pdf")
    ds = dcmread(io.BytesIO(dicom.make_ct(study, sop_class_uid=EncapsulatedPDFStorage, series_number=3)))
    del ds.PixelData
    ds.update(pdf)
    files = native, rle, dicom.write_file(ds, dicom.EXPLICIT)
    assert vendor.store(*files).status_code in (200, 202)
    return files


def pixels_of(file: bytes) -> bytes:
    return bytes(dcmread(io.BytesIO(file)).pixel_array.tobytes())


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("resource", ["/bulkdata", "/pixeldata", ""])
def test_all_values_come_as_parts_that_can_be_fetched(vendor, mixed, level, resource):
    native, rle, _ = mixed
    response = vendor.get(path_of(rle, level) + resource, OCTETS)
    assert response["Content-Type"].startswith('multipart/related; type="application/octet-stream"')
    expected = [pixels_of(native), pixels_of(rle)] if level == "study" else [pixels_of(rle)]
    if level == "study" and resource != "/pixeldata":
        expected.append(PDF + bytes(2000))
    parts = parts_of(response)
    assert [part.get_payload(decode=True) for part in parts] == expected
    for part in parts:
        assert part["Content-Type"] == f"application/octet-stream; transfer-syntax={dicom.EXPLICIT}"
        again = vendor.get(base_of(part["Content-Location"]), "application/octet-stream")
        assert body_of(again) == part.get_payload(decode=True)


def test_compressed_pixels_come_frame_by_frame_each_with_a_place(vendor, mixed):
    rle = mixed[1]
    response = vendor.get(f"{path_of(rle)}/pixeldata", 'multipart/related; type="image/dicom-rle"')
    parts = parts_of(response)
    assert [part["Content-Type"] for part in parts] == [f"image/dicom-rle; transfer-syntax={dicom.RLE}"] * 3
    for number, part in enumerate(parts, start=1):
        location = base_of(part["Content-Location"])
        assert location.endswith(f"/bulkdata/7FE00010/frames/{number}")
        assert body_of(vendor.get(location, "image/dicom-rle")) == part.get_payload(decode=True)
    assert vendor.get(f"{path_of(rle)}/pixeldata", "image/dicom-rle").status_code == 406


def test_one_frame_alone_may_be_one_part(vendor):
    file = dicom.make_ct(transfer_syntax_uid=dicom.RLE)
    vendor.store(file)
    for resource in ("/pixeldata", "/bulkdata", "/bulkdata/7fe00010"):
        response = vendor.get(path_of(file) + resource, "image/dicom-rle")
        assert response["Content-Type"] == f"image/dicom-rle; transfer-syntax={dicom.RLE}"
        assert body_of(response) == body_of(vendor.get(f"{path_of(file)}/frames/1", "image/dicom-rle"))


def test_single_parts_are_for_one_value_only(vendor, mixed):
    native = mixed[0]
    assert body_of(vendor.get(f"{path_of(native)}/pixeldata", "application/octet-stream")) == pixels_of(
        native
    )
    for level in ("series", "study"):
        for resource in ("/bulkdata", "/pixeldata"):
            assert (
                vendor.get(path_of(native, level) + resource, "application/octet-stream").status_code == 406
            )
    icon = change(IconImageSequence=[change(PixelData=bytes(2000), Rows=20, Columns=50, BitsAllocated=16)])
    icon.IconImageSequence[0]["PixelData"].VR = "OW"
    two = dicom.make_ct(change=icon)
    vendor.store(two)
    assert vendor.get(f"{path_of(two)}/bulkdata", "application/octet-stream").status_code == 406
    assert len(parts_of(vendor.get(f"{path_of(two)}/bulkdata"))) == 2
    [part] = parts_of(vendor.get(f"{path_of(two)}/pixeldata", OCTETS))
    assert part.get_payload(decode=True) == pixels_of(two)


def test_a_document_is_served_as_what_it_is(vendor, mixed):
    path = f"{path_of(mixed[2])}/bulkdata/00420011"
    response = vendor.get(path + "?accept=application/pdf")
    assert (response["Content-Type"], body_of(response)) == ("application/pdf", PDF + bytes(2000))
    assert vendor.get(path)["Content-Type"].startswith("application/octet-stream")
    [part] = parts_of(vendor.get(path, 'multipart/related; type="application/pdf"'))
    assert part["Content-Type"] == "application/pdf"
    assert vendor.get(path, "text/html").status_code == 406


def test_a_document_that_claims_to_be_a_page_is_only_bytes(vendor):
    ds = dcmread(io.BytesIO(dicom.make_ct(sop_class_uid=EncapsulatedPDFStorage)))
    del ds.PixelData
    page = b"<script>alert(1)</script>" * 80
    ds.update(change(EncapsulatedDocument=page, MIMETypeOfEncapsulatedDocument="text/html"))
    file = dicom.write_file(ds, dicom.EXPLICIT)
    vendor.store(file)
    assert vendor.get(f"{path_of(file)}/bulkdata/00420011", "text/html").status_code == 406


def test_a_video_passes_as_it_is_with_ranges(vendor):
    file, stream = make_video()
    assert vendor.store(file).status_code in (200, 202)
    path = f"{path_of(file)}/pixeldata?accept=video/mp4"
    response = vendor.get(path)
    assert response["Content-Type"] == f"video/mp4; transfer-syntax={MPEG4}"
    assert body_of(response).rstrip(b"\0") == stream.rstrip(b"\0")
    part = vendor.client.get(f"/dicom-web{path}", headers={**vendor.headers, "Range": "bytes=4-11"})
    assert (part.status_code, body_of(part)) == (206, b"ftypisom")
    across = vendor.client.get(
        f"/dicom-web{path}",
        headers={**vendor.headers, "Range": f"bytes={len(stream) // 2 - 20}-{len(stream) // 2 + 20}"},
    )
    assert body_of(across) == stream[len(stream) // 2 - 20 : len(stream) // 2 + 21]
    for accept in ("*/*", "video/*", OCTETS, 'multipart/related; type="video/mp4"'):
        response = vendor.get(f"{path_of(file)}/bulkdata", accept)
        whole = (
            body_of(response)
            if "multipart" not in response["Content-Type"]
            else parts_of(response)[0].get_payload(decode=True)
        )
        assert whole.rstrip(b"\0") == stream.rstrip(b"\0")
    assert vendor.get(f"{path_of(file)}/frames/1").status_code in (404, 406)


@pytest.mark.parametrize("syntax", [dicom.BIG_ENDIAN, dicom.DEFLATED, dicom.IMPLICIT])
def test_values_that_do_not_lie_as_they_are_sent_are_converted(vendor, syntax):
    file = dicom.make_ct(number_of_frames=2, transfer_syntax_uid=syntax)
    vendor.store(file)
    expected = dcmread(io.BytesIO(file)).pixel_array.astype("<u2").tobytes()
    [document] = json.loads(body_of(vendor.get(f"{path_of(file)}/metadata")))
    assert body_of(vendor.get(base_of(document["7FE00010"]["BulkDataURI"]))) == expected
    assert body_of(vendor.get(f"{path_of(file)}/pixeldata", AS_STORED)) == expected
    [part] = parts_of(vendor.get(f"{path_of(file, 'study')}/bulkdata", OCTETS))
    assert part.get_payload(decode=True) == expected


def test_odd_pixel_data_is_padded_as_in_the_file(vendor):
    odd = change(BitsAllocated=8, BitsStored=8, HighBit=7)
    ds = dcmread(io.BytesIO(dicom.make_ct(rows=3, columns=3, change=odd)))
    ds.PixelData = bytes(range(9)) + b"\0"
    ds["PixelData"].VR = "OB"
    native = dicom.write_file(ds, dicom.EXPLICIT)
    ds.compress(dicom.RLE, generate_instance_uid=False)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = dicom.make_uid()
    rle = dicom.write_file(ds, dicom.RLE)
    vendor.store(native, rle)
    for file in (native, rle):
        assert (
            body_of(vendor.get(f"{path_of(file)}/pixeldata", "application/octet-stream"))
            == bytes(range(9)) + b"\0"
        )


def test_an_instance_without_bulk_data_has_none(vendor, foreigner, mixed):
    ds = dcmread(io.BytesIO(dicom.make_ct(sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11")))
    del ds.PixelData
    report = dicom.write_file(ds, dicom.EXPLICIT)
    vendor.store(report)
    for resource in (
        "/bulkdata",
        "/pixeldata",
        "/bulkdata/7FE00010",
        "/bulkdata/",
        "/bulkdata/7FE00010/frames/1",
    ):
        response = vendor.get(path_of(report) + resource)
        assert response.status_code == 404, resource
        assert response["Content-Type"] == "application/json", resource
    assert vendor.get(f"{path_of(mixed[2])}/pixeldata").status_code == 404
    for level in ("study", "series", "instance"):
        for resource in ("/bulkdata", "/pixeldata"):
            assert foreigner.get(path_of(mixed[0], level) + resource).status_code == 404


def test_what_cannot_be_made_for_every_instance_is_not_acceptable(vendor, mixed):
    response = vendor.get(f"{path_of(mixed[0], 'study')}/pixeldata", 'multipart/related; type="video/mp4"')
    assert (response.status_code, b"offered" in response.content) == (406, True)


def test_single_bits_are_packed_as_in_an_image_that_was_never_compressed(vendor):
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 5), np.uint8)
    ds = dcmread(io.BytesIO(dicom.make_ct(rows=5, columns=5, number_of_frames=3)))
    ds.update(change(BitsAllocated=1, BitsStored=1, HighBit=0))
    ds.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    ds["PixelData"].VR = "OB"
    file = dicom.write_file(ds, dicom.EXPLICIT)
    vendor.store(file)
    assert body_of(vendor.get(f"{path_of(file)}/pixeldata", AS_STORED))[:10] == ds.PixelData[:10]
    frame = body_of(vendor.get(f"{path_of(file)}/frames/2", AS_STORED))
    assert np.array_equal(
        np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:25], bits[1].ravel()
    )
