"""WADO-URI.

Standard: PS3.18 9
"""

import io
from urllib.parse import urlencode

import pydicom
import pytest
from PIL import Image

from tests.conformance.archive import Archive
from tests.conformance.wire import Reply

pytestmark = pytest.mark.server


def uids(archive: Archive, name: str) -> dict[str, str]:
    dataset = archive[name].dataset
    return {
        "studyUID": str(dataset.StudyInstanceUID),
        "seriesUID": str(dataset.SeriesInstanceUID),
        "objectUID": str(dataset.SOPInstanceUID),
    }


def wado(archive: Archive, query: dict[str, str], accept: str = "*/*", method: str = "GET") -> Reply:
    url = archive.wire.base.removesuffix("/dicom-web") + "/wado?" + urlencode(query)
    return archive.ask(url, accept, method=method)


def of(archive: Archive, name: str, **more: str) -> dict[str, str]:
    return {"requestType": "WADO"} | uids(archive, name) | more


@pytest.mark.parametrize("name", ["ct1", "rgb", "jpeg", "rle"])
def test_an_image_is_jpeg_by_default(archive, name):
    """PS3.18 9.3, 9.5."""
    answer = wado(archive, of(archive, name))
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "image/jpeg"
    assert Image.open(io.BytesIO(answer.body)).size == (
        archive[name].dataset.Columns,
        archive[name].dataset.Rows,
    )


@pytest.mark.parametrize("missing", ["requestType", "studyUID", "seriesUID", "objectUID"])
def test_the_four_parameters_are_mandatory(archive, missing):
    """PS3.18 9.4.1, table 9.4.1-1."""
    query = of(archive, "ct1")
    del query[missing]
    answer = wado(archive, query)
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize("value", ["wado", "XDS", ""])
def test_another_request_type_is_400(archive, value):
    answer = wado(archive, of(archive, "ct1", requestType=value))
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize(
    ("name", "value"), [("studyUID", "1.2.3"), ("seriesUID", "1.2.3"), ("objectUID", "1.2.3")]
)
def test_all_three_uids_have_to_belong_together(archive, name, value):
    answer = wado(archive, of(archive, "ct1") | {name: value})
    assert answer.status == 404, answer.describe()


def test_foreign_uids_are_404(archive):
    answer = wado(archive, of(archive, "ct1") | {"studyUID": uids(archive, "rgb")["studyUID"]})
    assert answer.status == 404, answer.describe()


@pytest.mark.parametrize("name", ["ct1", "rle", "sr", "pdf", "implicit"])
def test_the_instance_itself(archive, name):
    """PS3.18 9.4."""
    answer = wado(archive, of(archive, name, contentType="application/dicom"))
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "application/dicom"
    dataset = pydicom.dcmread(io.BytesIO(answer.body))
    assert dataset.SOPInstanceUID == archive[name].sop_instance_uid
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_a_transfer_syntax_is_given_or_406(archive):
    answer = wado(
        archive, of(archive, "rle", contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.5")
    )
    assert answer.status == 200, answer.describe()
    assert pydicom.dcmread(io.BytesIO(answer.body)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    answer = wado(
        archive, of(archive, "rle", contentType="application/dicom", transferSyntax="1.2.840.10008.1.2")
    )
    assert (
        answer.status in (400, 406)
        or pydicom.dcmread(io.BytesIO(answer.body)).file_meta.TransferSyntaxUID != "1.2.840.10008.1.2"
    )


@pytest.mark.parametrize(
    ("kind", "format_"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")]
)
def test_content_type_decides(archive, kind, format_):
    answer = wado(archive, of(archive, "ct1", contentType=kind))
    assert answer.status == 200, answer.describe()
    assert Image.open(io.BytesIO(answer.body)).format == format_


@pytest.mark.parametrize("kind", ["video/mp4", "text/plain", "nonsense/type"])
def test_a_content_type_that_is_not_there_is_406(archive, kind):
    answer = wado(archive, of(archive, "ct1", contentType=kind), kind)
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize(
    "more",
    [
        {"rows": "16", "columns": "16"},
        {"rows": "16"},  # PS3.18 9.5.2.5: the other side follows the aspect ratio
        {"windowCenter": "40", "windowWidth": "400"},
        {"imageQuality": "50"},
        {"region": "0,0,0.5,0.5"},
        {"frameNumber": "1"},
        {"annotation": "patient"},
        {"charset": "utf-8"},
    ],
)
def test_the_optional_parameters_work(archive, more):
    """PS3.18 table 9.5.1-1."""
    answer = wado(archive, of(archive, "pt", **more))
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "image/jpeg"


@pytest.mark.parametrize(
    "more",
    [
        {"windowCenter": "40"},
        {"windowWidth": "400"},
        {"rows": "-1", "columns": "1"},
        {"rows": "a", "columns": "b"},
        {"imageQuality": "0"},
        {"imageQuality": "101"},
        {"region": "0,0,2,2"},
        {"region": "0.5,0.5,0.1,0.1"},
        {"region": "a"},
        {"frameNumber": "0"},
        {"frameNumber": "x"},
        {"rows": "100000", "columns": "100000"},
        {"windowCenter": "a", "windowWidth": "b"},
    ],
)
def test_nonsense_is_400(archive, more):
    """PS3.18 9.5.1.2: both of a pair; values in their ranges."""
    answer = wado(archive, of(archive, "pt", **more))
    assert answer.status == 400, answer.describe()


def test_a_frame_of_a_multiframe(archive):
    assert wado(archive, of(archive, "multiframe", frameNumber="5")).status == 200
    # PS3.18 9.5.2.1
    assert wado(archive, of(archive, "multiframe", frameNumber="6")).status == 400


def test_a_report_is_html(archive):
    answer = wado(archive, of(archive, "sr", contentType="text/html"))
    assert answer.status == 200, answer.describe()
    assert "<script" not in answer.body.decode().lower()


def test_head_and_other_methods(archive):
    answer = wado(archive, of(archive, "ct1"), method="HEAD")
    assert (answer.status, answer.body) == (200, b""), answer.describe()
    assert wado(archive, of(archive, "ct1"), method="POST").status == 405


def test_it_asks_for_a_token(archive):
    answer = archive.ask(
        archive.wire.base.removesuffix("/dicom-web") + "/wado?" + urlencode(of(archive, "ct1")),
        "*/*",
        headers={"Authorization": "Bearer nonsense"},
    )
    assert answer.status == 401, answer.describe()


def test_anonymous_copies_are_refused_or_clean(archive):
    """PS3.18 9.4.1.2: what cannot be done may not be pretended."""
    answer = wado(archive, of(archive, "ct1", contentType="application/dicom", anonymize="yes"))
    assert (
        400 <= answer.status < 500
        or answer.status == 501
        or "kesson" not in str(pydicom.dcmread(io.BytesIO(answer.body)).get("PatientName", ""))
    )
