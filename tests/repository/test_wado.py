"""What WADO-RS gives back, read by pydicom, the standard library's MIME reader and Pillow."""

import email
import io
import json

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from tests.support import dicom

pytestmark = pytest.mark.django_db


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def parts_of(response):
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    return email.message_from_bytes(head + body_of(response)).get_payload()


@pytest.fixture
def stored(vendor):
    """A CT of three instances, stored; returns the facts, the files and the path of the series."""
    study = dicom.StudyFacts()
    series = dicom.make_uid()
    files = dicom.make_series(study, 3, series_instance_uid=series)
    assert vendor.store(*files).status_code == 200
    return study, files, f"/studies/{study.study_instance_uid}/series/{series}"


def instance_path(series_path, file):
    return f"{series_path}/instances/{dcmread(io.BytesIO(file)).SOPInstanceUID}"


def test_a_series_comes_back_byte_for_byte(vendor, stored):
    _, files, path = stored
    response = vendor.get(path, 'multipart/related; type="application/dicom"; transfer-syntax=*')
    parts = parts_of(response)
    assert [p.get_payload(decode=True)[128:] for p in parts] == [f[128:] for f in files]
    assert parts[0]["Content-Type"] == f"application/dicom; transfer-syntax={dicom.EXPLICIT}"


def test_a_single_instance_may_be_one_part_and_a_series_may_not(vendor, stored):
    _, files, path = stored
    response = vendor.get(instance_path(path, files[0]), "application/dicom")
    assert response["Content-Type"] == f"application/dicom; transfer-syntax={dicom.EXPLICIT}"
    assert body_of(response)[128:] == files[0][128:]
    assert vendor.get(path, "application/dicom").status_code == 406


@pytest.mark.parametrize("syntax", [dicom.IMPLICIT, dicom.BIG_ENDIAN])
def test_implicit_and_big_endian_never_leave(vendor, syntax):
    file = dicom.make_ct(transfer_syntax_uid=syntax)
    received = dcmread(io.BytesIO(file))
    vendor.store(file)
    path = (
        f"/studies/{received.StudyInstanceUID}/series/{received.SeriesInstanceUID}"
        f"/instances/{received.SOPInstanceUID}"
    )
    sent = dcmread(io.BytesIO(body_of(vendor.get(path, "application/dicom; transfer-syntax=*"))))
    assert sent.file_meta.TransferSyntaxUID == dicom.EXPLICIT
    assert np.array_equal(sent.pixel_array, received.pixel_array)
    del sent.PixelData, received.PixelData
    assert sent == received


def test_compressed_instances_are_decoded_by_default_and_kept_on_demand(vendor):
    file = dicom.make_ct(transfer_syntax_uid=dicom.RLE)
    received = dcmread(io.BytesIO(file))
    vendor.store(file)
    path = f"/studies/{received.StudyInstanceUID}"
    [part] = parts_of(vendor.get(path))
    assert part["Content-Type"].endswith(dicom.EXPLICIT)
    decoded = dcmread(io.BytesIO(part.get_payload(decode=True)))
    assert np.array_equal(decoded.pixel_array, received.pixel_array)
    [part] = parts_of(vendor.get(path, 'multipart/related; type="application/dicom"; transfer-syntax=*'))
    assert part["Content-Type"].endswith(dicom.RLE)


def test_metadata_equals_what_pydicom_makes_of_the_file(vendor, stored):
    study, files, path = stored
    documents = json.loads(body_of(vendor.get(f"{path}/metadata", "application/dicom+json")))
    assert len(documents) == 3
    expected = dcmread(io.BytesIO(files[0])).to_json_dict(bulk_data_element_handler=lambda e: "uri")
    mine = next(d for d in documents if d["00080018"] == expected["00080018"])
    assert mine.pop("7FE00010")["BulkDataURI"].startswith("http://testserver/dicom-web/studies/")
    expected.pop("7FE00010")
    assert mine == expected
    one = json.loads(body_of(vendor.get(f"{instance_path(path, files[1])}/metadata")))
    assert [d["00200013"]["Value"] for d in one] == [[2]]
    assert len(json.loads(body_of(vendor.get(f"/studies/{study.study_instance_uid}/metadata")))) == 3


def test_bulk_data_uris_can_be_fetched(vendor, stored):
    _, files, path = stored
    [document] = json.loads(body_of(vendor.get(f"{instance_path(path, files[0])}/metadata")))
    uri = document["7FE00010"]["BulkDataURI"].removeprefix("http://testserver/dicom-web")
    pixels = dcmread(io.BytesIO(files[0])).PixelData
    assert body_of(vendor.get(uri)) == pixels
    [part] = parts_of(vendor.get(uri, 'multipart/related; type="application/octet-stream"'))
    assert part.get_payload(decode=True) == pixels
    assert vendor.get(uri.replace("7FE00010", "00420011")).status_code == 404


def test_frames_come_in_the_order_asked_for(vendor):
    file = dicom.make_ct(number_of_frames=4)
    ds = dcmread(io.BytesIO(file))
    vendor.store(file)
    path = (
        f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/frames"
    )
    accept = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    parts = parts_of(vendor.get(f"{path}/3,1", accept))
    frames = [np.frombuffer(p.get_payload(decode=True), "<u2").reshape(8, 8) for p in parts]
    assert np.array_equal(frames, ds.pixel_array[[2, 0]])
    assert parts[0]["Content-Type"] == f"application/octet-stream; transfer-syntax={dicom.EXPLICIT}"
    single = vendor.get(f"{path}/2", "application/octet-stream")
    assert single.content == ds.pixel_array[1].tobytes()
    assert vendor.get(f"{path}/5").status_code == 404
    for malformed in ("0", "1,,2", "a", "-1", "1.5"):
        assert vendor.get(f"{path}/{malformed}").status_code == 400


def test_rle_frames_pass_as_stored_or_decoded(vendor):
    file = dicom.make_ct(transfer_syntax_uid=dicom.RLE)
    ds = dcmread(io.BytesIO(file))
    vendor.store(file)
    path = (
        f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/frames/1"
    )
    [part] = parts_of(vendor.get(path))
    assert part.get_payload(decode=True) == ds.pixel_array.tobytes()
    [part] = parts_of(vendor.get(path, 'multipart/related; type="image/dicom-rle"'))
    assert part["Content-Type"] == f"image/dicom-rle; transfer-syntax={dicom.RLE}"


@pytest.mark.parametrize(
    ("accept", "format_name"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("*/*", "JPEG")]
)
def test_rendered_images_open_in_pillow(vendor, stored, accept, format_name):
    _, files, path = stored
    response = vendor.get(f"{instance_path(path, files[0])}/rendered?window=40,400,linear", accept)
    image = Image.open(io.BytesIO(response.content))
    assert (image.format, image.size) == (format_name, (8, 8))


@pytest.mark.parametrize(
    "query", ["window=a,b", "viewport=0,0", "viewport=100000,100000", "quality=0", "window=1"]
)
def test_rendering_nonsense_is_refused(vendor, stored, query):
    _, files, path = stored
    assert vendor.get(f"{instance_path(path, files[0])}/rendered?{query}").status_code == 400


def test_unknown_and_invisible_are_the_same_answer(vendor, foreigner, stored):
    study, files, path = stored
    unknown = f"/studies/{dicom.make_uid()}"
    invisible = f"/studies/{study.study_instance_uid}"
    for suffix in ("", "/metadata"):
        hidden, missing = foreigner.get(invisible + suffix), foreigner.get(unknown + suffix)
        assert (
            (hidden.status_code, hidden.content)
            == (missing.status_code, missing.content)
            == (
                404,
                missing.content,
            )
        )
    for suffix in ("", "/metadata", "/rendered", "/frames/1", "/bulkdata/7FE00010"):
        assert foreigner.get(instance_path(path, files[0]) + suffix).status_code == 404


def test_foreign_parents_in_the_path_are_unknown(vendor, stored):
    _, files, path = stored
    other = dicom.StudyFacts()
    vendor.store(dicom.make_ct(other))
    sop = instance_path(path, files[0]).rsplit("/", 1)[1]
    series = path.rsplit("/", 1)[1]
    assert vendor.get(f"/studies/{other.study_instance_uid}/series/{series}").status_code == 404
    assert (
        vendor.get(f"/studies/{other.study_instance_uid}/series/{series}/instances/{sop}").status_code == 404
    )


def test_the_first_read_of_a_study_is_recorded_once(vendor, stored):
    from access.models import AuditEvent

    _, files, path = stored
    for file in files:
        vendor.get(instance_path(path, file))
    event = AuditEvent.objects.get(action="read")
    assert event.study_instance_uid == stored[0].study_instance_uid
    assert event.actor == "pacs-a"


def test_a_flipped_bit_on_disk_is_never_sent(vendor, stored, objects_root):
    _, files, path = stored
    [pack] = objects_root.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    at = data.find(files[1][200:400]) + 50
    data[at] ^= 1
    pack.write_bytes(data)
    response = vendor.get(instance_path(path, files[1]), "application/dicom; transfer-syntax=*")
    assert response.status_code == 500


def test_a_large_single_instance_takes_a_place_among_the_downloads(vendor, stored, settings, monkeypatch):
    _, files, path = stored
    settings.MAX_DOWNLOADS = 0
    accept = "application/dicom; transfer-syntax=*"
    assert vendor.get(instance_path(path, files[0]), accept).status_code == 200
    monkeypatch.setattr("repository.dicomweb.answers.TRANSFER_BYTES", 100)
    for suffix in ("", "/bulkdata/7FE00010"):
        assert vendor.get(instance_path(path, files[0]) + suffix).status_code == 503
