"""Storing metadata with bulk data beside it: the instance that comes out is the one that was meant."""

import base64
import io
import json
from typing import Any

import imagecodecs
import numpy as np
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from registry.models import Instance
from registry.wire.dicom_xml import xml_of_dicom_json
from repository.dicomweb import metadata_bodies
from tests.repository.conftest import Vendor, outcome
from tests.support import dicom

pytestmark = pytest.mark.django_db

JSON, XML = "application/dicom+json", "application/dicom+xml"
PIXELS = "7FE00010"
COMMENT = "00000902"


def describe(file: bytes | None = None, *, uri: str | None = "bulk/1") -> dict[str, Any]:
    """Return the DICOM JSON of a file, Pixel Data by name."""
    data_set: dict[str, Any] = json.loads(dcmread(io.BytesIO(file or dicom.make_ct())).to_json())
    data_set.pop(PIXELS, None)
    if uri is not None:
        data_set[PIXELS] = {"vr": "OW", "BulkDataURI": uri}
    return data_set


def body_of(parts: list[tuple[dict[str, str], bytes]]) -> bytes:
    pieces = []
    for headers, content in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--b\r\n{head}\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + b"--b--\r\n"


def bulk(content: bytes | bytearray, location: str = "bulk/1", media_type: str = "application/octet-stream"):
    return {"Content-Type": media_type, "Content-Location": location}, bytes(content)


def send(vendor: Vendor, data_sets, *parts, media_type: str = JSON, path: str = "/dicom-web/studies"):
    """Store data sets as JSON, or one document each as XML, with bulk parts behind."""
    documents = [json.dumps(data_sets).encode()]
    if media_type == XML:
        documents = [xml_of_dicom_json(data_set) for data_set in data_sets]
    body = body_of([({"Content-Type": media_type}, document) for document in documents] + list(parts))
    content_type = f'multipart/related; type="{media_type}"; boundary=b'
    return vendor.client.generic("POST", path, body, content_type=content_type, headers=vendor.headers)


def fetch(vendor: Vendor, data_set: dict):
    uids = [data_set[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
    path = "/studies/{}/series/{}/instances/{}".format(*uids)
    response = vendor.get(path, "application/dicom; transfer-syntax=*")
    assert response.status_code == 200
    return dcmread(io.BytesIO(response.getvalue()))


@pytest.mark.parametrize("media_type", [JSON, XML])
def test_an_instance_in_parts_is_the_instance_as_a_file(vendor, media_type):
    file = dicom.make_ct(patient_name="Åström^Örjan")
    sent, data_set = dcmread(io.BytesIO(file)), describe(file)
    response = send(vendor, [data_set], bulk(sent.PixelData), media_type=media_type)
    assert response.status_code == 200, response.content
    got = fetch(vendor, data_set)
    assert got.file_meta.TransferSyntaxUID == dicom.EXPLICIT
    assert got == sent


@pytest.mark.parametrize("single", [True, False])
def test_metadata_without_bulk_data_needs_no_parts(vendor, single):
    data_set = describe(uri=None)
    data_set[PIXELS] = {"vr": "OW", "InlineBinary": base64.b64encode(bytes(128)).decode()}
    if single:
        document = json.dumps([data_set])
        response = vendor.client.post(
            "/dicom-web/studies", document, content_type=JSON, headers=vendor.headers
        )
    else:
        response = send(vendor, [data_set])
    assert response.status_code == 200
    assert fetch(vendor, data_set).PixelData == bytes(128)


def test_bulk_data_within_sequences_and_by_every_kind_of_name(vendor):
    data_set = describe(uri="cid:pixels@x")
    item = {"54001010": {"vr": "OW", "BulkDataURI": "../wave"}}
    data_set["54000100"] = {"vr": "SQ", "Value": [item]}
    data_set["00420011"] = {"vr": "OB", "BulkDataURI": "http://elsewhere.example/doc?x=1"}
    response = send(
        vendor,
        [data_set],
        bulk(b"abcd", "http://testserver/dicom-web/wave"),
        bulk(b"%PDF-1", "http://elsewhere.example/doc?x=1", "application/pdf"),
        ({"Content-Type": "application/octet-stream", "Content-ID": "<pixels@x>"}, bytes(128)),
    )
    assert response.status_code == 200, response.content
    got = fetch(vendor, data_set)
    assert got.WaveformSequence[0].WaveformData == b"abcd"
    assert got.EncapsulatedDocument == b"%PDF-1"
    assert got.PixelData == bytes(128)


PICTURE = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
COLOUR = np.dstack([PICTURE, PICTURE[::-1], PICTURE.T])
WIDE = PICTURE.astype(np.uint16) * 16
COMPRESSED = [
    ("image/jpeg", imagecodecs.jpeg8_encode(PICTURE, level=90), ".50", "MONOCHROME2", PICTURE),
    ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR, level=90), ".50", "YBR_FULL_422", COLOUR),
    ("image/jpeg", imagecodecs.ljpeg_encode(WIDE, bitspersample=16), ".57", "MONOCHROME2", WIDE),
    ("image/jls", imagecodecs.jpegls_encode(WIDE), ".80", "MONOCHROME2", WIDE),
    ("image/jls", imagecodecs.jpegls_encode(WIDE, level=2), ".81", "MONOCHROME2", WIDE),
    (
        "image/jp2",
        imagecodecs.jpeg2k_encode(WIDE, codecformat="j2k", reversible=True),
        ".90",
        "MONOCHROME2",
        WIDE,
    ),
    (
        "image/jp2",
        imagecodecs.jpeg2k_encode(WIDE, codecformat="jp2", reversible=True),
        ".90",
        "MONOCHROME2",
        WIDE,
    ),
    ("image/jp2", imagecodecs.jpeg2k_encode(WIDE, level=40, codecformat="j2k"), ".91", "MONOCHROME2", WIDE),
    ("image/jphc", imagecodecs.htj2k_encode(WIDE, reversible=True), ".201", "MONOCHROME2", WIDE),
]
IMAGE_TAGS = (
    "00280002",
    "00280004",
    "00280006",
    "00280010",
    "00280011",
    "00280100",
    "00280101",
    "00280102",
    "00280103",
)


@pytest.mark.parametrize(("media_type", "content", "syntax", "colour", "picture"), COMPRESSED)
def test_a_compressed_image_describes_itself_and_is_encapsulated(
    vendor, media_type, content, syntax, colour, picture
):
    data_set = describe()
    for tag in IMAGE_TAGS:
        data_set.pop(tag, None)
    response = send(vendor, [data_set], bulk(content, media_type=media_type))
    assert response.status_code == 200, response.content
    got = fetch(vendor, data_set)
    assert got.file_meta.TransferSyntaxUID == f"1.2.840.10008.1.2.4{syntax}"
    assert (got.Rows, got.Columns) == picture.shape[:2]
    assert (got.BitsAllocated, got.PixelRepresentation) == (8 * picture.itemsize, 0)
    assert got.PhotometricInterpretation == colour
    uids = [data_set[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
    frame = vendor.get(
        "/studies/{}/series/{}/instances/{}/frames/1".format(*uids), "application/octet-stream"
    )
    assert frame.status_code == 200
    decoded = np.frombuffer(frame.getvalue(), picture.dtype).reshape(picture.shape)
    if colour == "MONOCHROME2":
        difference = np.abs(decoded.astype(int) - picture.astype(int)).mean()
        assert difference <= (0 if syntax in (".57", ".80", ".90", ".201") else 1500)


def test_frames_of_one_name_become_frames_in_their_order(vendor):
    data_set = describe()
    frames = [imagecodecs.jpegls_encode(WIDE + n) for n in range(3)]
    for tag in IMAGE_TAGS:
        data_set.pop(tag, None)
    response = send(vendor, [data_set], *(bulk(frame, media_type="image/jls") for frame in frames))
    assert response.status_code == 200, response.content
    got = fetch(vendor, data_set)
    assert got.NumberOfFrames == 3
    uids = [data_set[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
    path = "/studies/{}/series/{}/instances/{}/frames/2".format(*uids)
    second = vendor.get(path, "image/jls; transfer-syntax=*")
    assert second.getvalue().rstrip(b"\0") == frames[1].rstrip(b"\0")


def test_the_transfer_syntax_of_the_part_counts(vendor):
    data_set = describe(dicom.make_ct(rows=64, columns=64))
    content = imagecodecs.jpegls_encode(WIDE)
    media_type = "image/jls; transfer-syntax=1.2.840.10008.1.2.4.81"
    assert send(vendor, [data_set], bulk(content, media_type=media_type)).status_code == 200
    assert fetch(vendor, data_set).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.81"


def test_video_is_kept_as_one_stream(vendor):
    data_set = describe()
    data_set["00280008"] = {"vr": "IS", "Value": [25]}
    response = send(vendor, [data_set], bulk(b"\0\0\0\x18ftypmp42" + bytes(100), media_type="video/mp4"))
    assert response.status_code in (200, 202), response.content
    got = fetch(vendor, data_set)
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"


REFUSED = [
    (lambda d: None, [], "no part of the request has Content-Location bulk/1"),
    (lambda d: None, [bulk(b"x", media_type="image/jpeg")], "cannot be"),
    (lambda d: None, [bulk(imagecodecs.jpegls_encode(WIDE), media_type="image/jls")], "the image has 64"),
    (
        lambda d: None,
        [bulk(b"x", media_type="image/jls; transfer-syntax=1.2.3")],
        "has no transfer syntax 1.2.3",
    ),
    (lambda d: None, [bulk(bytes(128), media_type="text/plain")], "cannot be of media type text/plain"),
    (lambda d: d.update({"00280010": {"vr": "US", "Value": [70000]}}), [bulk(b"")], "cannot hold"),
    (lambda d: d.update({"00280010": {"vr": "US", "Value": 8}}), [bulk(b"")], "no array"),
    (lambda d: d.update({"00280010": {"vr": "XY", "Value": [8]}}), [bulk(b"")], "which is none"),
    (lambda d: d.update({"Rows": {"vr": "US", "Value": [8]}}), [bulk(b"")], "eight hexadecimal digits"),
    (lambda d: d.update({"00091001": {"vr": "OB", "InlineBinary": "?"}}), [bulk(b"")], "no base64"),
    (lambda d: d.pop("0020000D"), [bulk(bytes(128))], "Study Instance UID (0020,000D) is missing"),
]


@pytest.mark.parametrize(("change", "parts", "reason"), REFUSED)
def test_what_cannot_be_composed_is_an_item_in_the_answer_with_its_uid(vendor, change, parts, reason):
    data_set = describe()
    change(data_set)
    response = send(vendor, [data_set, describe(uri=None)], *parts)
    assert response.status_code == 202, response.content
    answered = outcome(response)
    failed = (answered["failed"] + answered["other"])[0]
    assert reason in failed["00091001"]["Value"][0]
    assert len(answered["referenced"]) == Instance.objects.count() == 1


def test_a_part_that_nobody_names_is_said_and_the_instance_stored(vendor):
    response = send(vendor, [describe()], bulk(bytes(128)), bulk(b"?", "bulk/other"))
    assert response.status_code == 202
    [other] = outcome(response)["other"]
    assert "bulk/other" in other["00091001"]["Value"][0]


@pytest.mark.parametrize(
    ("document", "media_type", "reason"),
    [
        (b"{", JSON, "no JSON"),
        (b"[]", JSON, "no array of data sets"),
        (b"[1]", JSON, "no array of data sets"),
        (b"<x/>", XML, "does not belong"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><NativeDicomModel/>', XML, "document type"),
    ],
)
def test_metadata_that_cannot_be_read_is_bad_syntax(vendor, document, media_type, reason):
    body = body_of([({"Content-Type": media_type}, document)])
    content_type = f'multipart/related; type="{media_type}"; boundary=b'
    response = vendor.client.generic(
        "POST", "/dicom-web/studies", body, content_type=content_type, headers=vendor.headers
    )
    assert response.status_code == 400
    assert reason in json.loads(response.content)["error"]


def test_bulk_parts_alone_are_bad_syntax(vendor):
    content_type = f'multipart/related; type="{JSON}"; boundary=b'
    for part, reason in ((bulk(b"x"), "holds no metadata"), (({}, b"x"), "no Content-Location")):
        response = vendor.client.generic(
            "POST", "/dicom-web/studies", body_of([part]), content_type=content_type, headers=vendor.headers
        )
        assert response.status_code == 400
        assert reason in json.loads(response.content)["error"]


def test_metadata_beyond_the_limit_is_too_large(vendor, monkeypatch):
    monkeypatch.setattr(metadata_bodies, "MAX_METADATA_BYTES", 100)
    response = send(vendor, [describe()], bulk(bytes(128)))
    assert response.status_code == 413


def test_shared_bulk_data_cannot_make_much_of_little(vendor, monkeypatch):
    monkeypatch.setattr(metadata_bodies, "SHARED_BYTES", 0)
    data_sets = [describe() for _ in range(40)]
    response = send(vendor, data_sets, bulk(bytes(1 << 16)))
    assert response.status_code == 202
    [*_, last] = outcome(response)["failed"] + outcome(response)["other"]
    assert "share" in last["00091001"]["Value"][0]


def test_nothing_is_fetched_that_metadata_names(vendor, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    for uri in ("http://127.0.0.1:1/x", "file:///etc/passwd", "http://169.254.169.254/latest"):
        response = send(vendor, [describe(uri=uri)])
        assert response.status_code == 409


def test_the_study_of_the_path_counts_here_too(vendor):
    response = send(vendor, [describe()], bulk(bytes(128)), path="/dicom-web/studies/1.2.3")
    assert response.status_code == 409
    assert outcome(response)["failed"][0]["00081197"]["Value"] == [0xA900]


def test_a_large_bulk_part_goes_through_the_spool(vendor):
    file = dicom.make_ct(rows=1200, columns=1200)
    sent, data_set = dcmread(io.BytesIO(file)), describe(file)
    assert send(vendor, [data_set], bulk(sent.PixelData)).status_code == 200
    assert fetch(vendor, data_set).PixelData == sent.PixelData


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    elements=st.dictionaries(
        st.sampled_from(["00080005", "00100010", "00280010", "00400275", "7FE00010", "00091001", "0020000D"]),
        ANY
        | st.fixed_dictionaries({"vr": st.sampled_from(["PN", "SQ", "US", "DS", "OB", "AT"]), "Value": ANY}),
        max_size=4,
    )
)
def test_any_metadata_gets_an_answer(vendor, elements):
    vendor.client.raise_request_exception = False
    response = send(Vendor(Client(), vendor.department, vendor.token), [{**describe(uri=None), **elements}])
    assert response.status_code in (200, 202, 409)
