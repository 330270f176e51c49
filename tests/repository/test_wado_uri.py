"""WADO-URI: the file or a picture of one instance by query parameters, and 400 for whatever is not as the standard says."""

import io
from urllib.parse import urlencode

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from tests.repository.test_documents import make_report
from tests.repository.test_presentation import make_image, make_state, window_of
from tests.repository.test_rendered import body_of, open_picture
from tests.support import dicom

pytestmark = pytest.mark.django_db


def uids_of(file: bytes) -> dict[str, str]:
    dataset = dcmread(io.BytesIO(file), stop_before_pixels=True)
    return {
        "requestType": "WADO",
        "studyUID": str(dataset.StudyInstanceUID),
        "seriesUID": str(dataset.SeriesInstanceUID),
        "objectUID": str(dataset.SOPInstanceUID),
    }


def get(vendor, parameters, accept="*/*"):
    headers = {**vendor.headers, "Accept": accept}
    return vendor.client.get(f"/wado?{urlencode(parameters)}", headers=headers)


@pytest.fixture
def image(vendor):
    file = dicom.write_file(make_image(), dicom.EXPLICIT)
    vendor.store(file)
    return file


@pytest.fixture
def film(vendor):
    file = dicom.make_ct(number_of_frames=3)
    vendor.store(file)
    return file


def test_the_default_is_a_jpeg_of_the_instance(vendor, image):
    response = get(vendor, uids_of(image))
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    assert open_picture(response.content).size == (60, 40)
    assert response["Content-Location"].endswith("/rendered")
    assert "ETag" in response


@pytest.mark.parametrize("missing", ["requestType", "studyUID", "seriesUID", "objectUID"])
def test_all_four_are_needed(vendor, image, missing):
    parameters = uids_of(image)
    del parameters[missing]
    response = get(vendor, parameters)
    assert response.status_code == 400
    assert missing in response.json()["error"]
    assert get(vendor, {**parameters, missing: ""}).status_code == 400


def test_parents_that_are_not_the_instances_own_are_unknown(vendor, foreigner, image, film):
    own, other = uids_of(image), uids_of(film)
    for name in ("studyUID", "seriesUID", "objectUID"):
        assert get(vendor, own | {name: other[name]}).status_code == 404
    assert get(vendor, own | {"objectUID": "1.2.3"}).status_code == 404
    assert get(foreigner, own).status_code == 404
    assert vendor.client.get(f"/wado?{urlencode(own)}").status_code == 401


def test_the_file_leaves_as_explicit_little_endian_without_a_parameter(vendor):
    file = dicom.make_ct(transfer_syntax_uid=dicom.RLE)
    vendor.store(file)
    uids = uids_of(file)
    response = get(vendor, uids | {"contentType": "application/dicom"})
    assert response["Content-Type"] == "application/dicom"
    sent = dcmread(io.BytesIO(body_of(response)))
    assert sent.file_meta.TransferSyntaxUID == dicom.EXPLICIT
    assert np.array_equal(sent.pixel_array, dcmread(io.BytesIO(file)).pixel_array)
    for wanted in (dicom.RLE, "*"):
        stored = get(vendor, uids | {"contentType": "application/dicom", "transferSyntax": wanted})
        assert body_of(stored)[128:] == file[128:]
    for refused in (dicom.IMPLICIT, dicom.BIG_ENDIAN, "1.2.3.4"):
        parameters = uids | {"contentType": "application/dicom", "transferSyntax": refused}
        assert get(vendor, parameters).status_code == 406
    assert get(vendor, uids, "application/dicom")["Content-Type"] == "application/dicom"


def test_rows_columns_and_region(vendor, image):
    uids = uids_of(image)
    whole = np.asarray(open_picture(get(vendor, uids | {"contentType": "image/png"}).content))
    assert open_picture(get(vendor, uids | {"rows": 20, "columns": 600}).content).size == (30, 20)
    assert open_picture(get(vendor, uids | {"rows": 80}).content).size == (120, 80)
    assert open_picture(get(vendor, uids | {"columns": 30}).content).size == (30, 20)
    region = {"region": "0.5,0.25,1.0,0.75", "contentType": "image/png"}
    assert np.array_equal(np.asarray(open_picture(get(vendor, uids | region).content)), whole[10:30, 30:])
    filled = open_picture(get(vendor, uids | region | {"rows": 100, "columns": 60}).content)
    assert filled.size == (60, 40)


def test_a_window_is_applied(vendor, image):
    parameters = {"windowCenter": "500", "windowWidth": "2000", "contentType": "image/png"}
    levels = np.asarray(open_picture(get(vendor, uids_of(image) | parameters).content))
    expected = window_of(dcmread(io.BytesIO(image)), 500, 2000, 1, -1024)
    assert np.abs(levels - expected).max() <= 1


def test_a_frame_is_chosen(vendor, film, image):
    uids = uids_of(film) | {"contentType": "image/png"}
    frames = [
        open_picture(get(vendor, uids | {"frameNumber": number}).content).tobytes() for number in (1, 2, 3)
    ]
    assert len(set(frames)) == 3
    assert open_picture(get(vendor, uids).content).tobytes() == frames[0]
    moving = open_picture(body_of(get(vendor, uids | {"contentType": "image/gif"})))
    assert moving.n_frames == 3
    assert get(vendor, uids | {"frameNumber": 4}).status_code == 400
    assert get(vendor, uids_of(image) | {"frameNumber": 1}).status_code == 200
    assert get(vendor, uids_of(image) | {"frameNumber": 2}).status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [
        {"requestType": "wado"},
        {"requestType": "RENDER"},
        {"studyUID": "1.2.x"},
        {"objectUID": "1." + "2" * 70},
        {"anonymize": "yes"},
        {"anonymize": "no"},
        {"windowCenter": "40"},
        {"windowWidth": "400"},
        {"windowCenter": "a", "windowWidth": "400"},
        {"windowCenter": "40", "windowWidth": "0"},
        {"windowCenter": "40", "windowWidth": "400", "contentType": "application/dicom"},
        {"rows": "0"},
        {"rows": "-5"},
        {"columns": "100000"},
        {"columns": "1.5"},
        {"region": "0,0,1"},
        {"region": "0,0,1,1.5"},
        {"region": "0.5,0,0.5,1"},
        {"region": "-0.1,0,1,1"},
        {"region": "a,0,1,1"},
        {"frameNumber": "0"},
        {"frameNumber": "-1"},
        {"frameNumber": "x"},
        {"imageQuality": "0"},
        {"imageQuality": "101"},
        {"annotation": ""},
        {"contentType": "application/dicom, image/jpeg"},
        {"contentType": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"},
        {"contentType": "text/html; charset=utf-8"},
        {"transferSyntax": "explicit"},
        {"presentationUID": "1.2.3"},
        {"presentationSeriesUID": "1.2.3"},
        {"presentationUID": "1.2.3", "presentationSeriesUID": "1.2.4"},
    ],
)
def test_what_is_not_as_the_standard_says_is_refused(vendor, image, parameters):
    response = get(vendor, uids_of(image) | parameters)
    assert response.status_code == 400
    assert len(response.json()["error"]) > 20


def test_a_parameter_given_twice_is_refused(vendor, image):
    query = urlencode(uids_of(image))
    for name in ("requestType=WADO", "objectUID=1.2.3", "rows=1&rows=2"):
        assert vendor.client.get(f"/wado?{query}&{name}", headers=vendor.headers).status_code == 400


def test_unknown_parameters_are_not_looked_at(vendor, image):
    assert get(vendor, uids_of(image) | {"colour": "blue"}).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        ("image/png", "*/*", "image/png"),
        ("image/png", "image/jpeg", "image/png"),
        ("image/webp,image/gif", "*/*", "image/gif"),
        ("image/webp", "*/*", None),
        ("video/mp4", "image/jpeg", None),
        ("", "image/png", "image/png"),
        ("", "image/png;q=0.1,image/jpeg;q=0.9", "image/jpeg"),
        ("", "text/html", None),
    ],
)
def test_the_content_type_comes_before_the_header(vendor, image, content_type, accept, expected):
    parameters = uids_of(image) | ({"contentType": content_type} if content_type else {})
    response = get(vendor, parameters, accept)
    assert response.status_code == (200 if expected else 406)
    if expected:
        assert response["Content-Type"] == expected


def test_a_report_is_a_page_in_the_character_set_asked_for(vendor):
    file = make_report()
    vendor.store(file)
    uids = uids_of(file)
    assert get(vendor, uids)["Content-Type"] == "text/html; charset=utf-8"
    plain = get(vendor, uids | {"contentType": "text/plain", "charset": "iso-8859-1"})
    assert "Utlåtande" in plain.content.decode("latin-1")
    assert get(vendor, uids | {"contentType": "image/jpeg"}).status_code == 406


def test_a_presentation_state_is_applied_and_cut(vendor):
    image = make_image()
    state = make_state(image, ImageRotation=90)
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in (image, state)]
    vendor.store(*files)
    shown_by = {
        "presentationUID": str(state.SOPInstanceUID),
        "presentationSeriesUID": str(state.SeriesInstanceUID),
        "contentType": "image/png",
    }
    uids = uids_of(files[0]) | shown_by
    expected = np.rot90(window_of(image, 1024, 2048), -1)
    whole = np.asarray(open_picture(get(vendor, uids).content))
    assert np.abs(whole - expected).max() <= 1
    part = np.asarray(open_picture(get(vendor, uids | {"region": "0,0,0.5,0.5"}).content))
    assert np.array_equal(part, whole[:30, :20])
    assert open_picture(get(vendor, uids | {"rows": 30, "columns": 30}).content).size == (20, 30)
    for refused in ({"windowCenter": 1, "windowWidth": 2}, {"frameNumber": 1}):
        assert get(vendor, uids | refused).status_code == 400
    wrong = shown_by | {
        "presentationUID": str(image.SOPInstanceUID),
        "presentationSeriesUID": str(image.SeriesInstanceUID),
    }
    assert get(vendor, uids_of(files[0]) | wrong).status_code == 400
    direct = get(vendor, uids_of(files[1]) | {"contentType": "image/png"})
    assert np.array_equal(np.asarray(open_picture(direct.content)), whole)
    assert get(vendor, uids_of(files[1]) | {"region": "0,0,1,1"}).status_code == 400


def test_what_has_no_picture_is_a_file(vendor):
    dataset = dcmread(io.BytesIO(dicom.make_ct()))
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.9.1.1")
    file = dicom.write_file(dataset, dicom.EXPLICIT)
    vendor.store(file)
    assert get(vendor, uids_of(file))["Content-Type"] == "application/dicom"
    assert get(vendor, uids_of(file) | {"contentType": "image/jpeg"}).status_code == 406


def test_access_is_recorded_and_conditional_requests_are_short(vendor, image):
    from access.models import AuditEvent

    first = get(vendor, uids_of(image))
    assert (
        AuditEvent.objects.filter(action="read", study_instance_uid=uids_of(image)["studyUID"]).count() == 1
    )
    headers = {**vendor.headers, "If-None-Match": first["ETag"]}
    assert vendor.client.get(f"/wado?{urlencode(uids_of(image))}", headers=headers).status_code == 304
    head = vendor.client.head(f"/wado?{urlencode(uids_of(image))}", headers=vendor.headers)
    assert (head.status_code, head["Content-Type"]) == (200, "image/jpeg")
