"""The requests of OHIF 3 and Cornerstone3D, header by header, read with their parsers' rules.

Standard: PS3.18 10; the viewers' own habits where they go beyond it.
"""

import re

import pytest

from tests.conformance.archive import DICOM_JSON
from tests.conformance.wire import Reply, value_of

pytestmark = pytest.mark.server

FRAME = "multipart/related; type=application/octet-stream; transfer-syntax=*"
TWICE = 'multipart/related; type="image/jls"; transfer-syntax="1.2.840.10008.1.2.4.80"; transfer-syntax="*"'
FIELDS = "includefield=00081030,00080060,00080090,00100030"


def parse_like_cornerstone(reply: Reply) -> tuple[str, str, bytes]:
    """Return content type, transfer syntax and content of the first part, found as that viewer finds them.

    The first blank line ends the headers; the first line that begins with two hyphens is the delimiter; a line that
    begins exactly with `Content-Type:` counts; the content ends two bytes before the next delimiter.
    """
    assert reply.status in (200, 206), reply.describe()
    if not reply.content_type.startswith("multipart/related"):
        return reply.content_type, reply.parameter("transfer-syntax"), reply.body
    end = reply.body.index(b"\r\n\r\n")
    lines = reply.body[:end].decode("latin-1").split("\r\n")
    boundary = next(line for line in lines if line.startswith("--"))
    kind = next(line for line in lines if line.startswith("Content-Type:"))
    stop = reply.body.index(boundary.encode(), end + 4)
    syntax = re.search(r"transfer-syntax=([^;\s\"]+)", kind)
    return (
        kind[len("Content-Type:") :].strip(),
        syntax.group(1) if syntax else "",
        reply.body[end + 4 : stop - 2],
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (f"limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "rgb", "sr"}),
        (f"PatientName=*kesson*&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "sr"}),
        (f"PatientName=*%C3%85kesson*&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "sr"}),
        (f"00100020=*1970*&limit=101&offset=0&fuzzymatching=true&{FIELDS}", {"rgb"}),
        (f"AccessionNumber=*B-2*&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"rgb"}),
        (f"StudyDescription=*DT*&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1"}),
        (f"ModalitiesInStudy=PT&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1"}),
        (f"ModalitiesInStudy=PT%5CSR&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "sr"}),
        (f"ModalitiesInStudy=PT,SR&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "sr"}),
        (f"StudyDate=20260301-20260303&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"ct1", "sr"}),
        (f"StudyDate=19700102-20251231&limit=101&offset=0&fuzzymatching=false&{FIELDS}", {"rgb"}),
        (f"limit=101&offset=101&fuzzymatching=false&{FIELDS}", set()),
    ],
)
def test_the_study_list_of_ohif(archive, query, names):
    answer = archive.ask(f"/studies?{query}", DICOM_JSON)
    assert answer.status == 200, answer.describe()
    rows = answer.json()
    assert {value_of(row, "0020000D") for row in rows} == {
        str(archive[name].dataset.StudyInstanceUID) for name in names
    }
    for row in rows:
        for tag in (
            "00080020",
            "00080030",
            "00080050",
            "00100020",
            "00100010",
            "00201208",
            "00080061",
            "00081030",
        ):
            assert tag in row, tag


def test_a_row_of_the_study_list_is_opened(archive):
    answer = archive.ask(f"{archive['ct1'].study_path}/series?includefield=0008103E,00080021", DICOM_JSON)
    for row in answer.json():
        for tag in ("0020000E", "00080060", "00200011", "00080021", "00201209", "0008103E"):
            assert tag in row, tag


def test_several_studies_are_opened_at_once(archive):
    both = [str(archive[name].dataset.StudyInstanceUID) for name in ("ct1", "rgb")]
    for separator in ("%5C", ","):
        answer = archive.ask(
            f"/studies?limit=101&offset=0&fuzzymatching=false&{FIELDS}&StudyInstanceUID={separator.join(both)}",
            DICOM_JSON,
        )
        assert {value_of(row, "0020000D") for row in answer.json()} == set(both)


def test_series_are_opened_by_their_metadata(archive):
    study = archive["ct1"].study_path
    series = [value_of(row, "0020000E") for row in archive.ask(f"{study}/series", DICOM_JSON).json()]
    documents = [archive.ask(f"{study}/series/{uid}/metadata", DICOM_JSON).json() for uid in series]
    assert sorted(map(len, documents)) == [1, 3]
    filtered = archive.ask(f"{study}/series?SeriesInstanceUID={series[0]}", DICOM_JSON).json()
    assert [value_of(row, "0020000E") for row in filtered] == series[:1]


@pytest.mark.parametrize(
    "name", ["ct1", "rle", "jpeg", "jpeg_ls", "jpeg_2000", "htj2k", "rgb", "implicit", "multiframe"]
)
def test_a_frame_as_cornerstone_asks_for_it(archive, name):
    kind, syntax, content = parse_like_cornerstone(archive.ask(f"{archive[name].path}/frames/1", FRAME))
    stored = str(archive[name].dataset.file_meta.TransferSyntaxUID)
    assert syntax == ("1.2.840.10008.1.2.1" if stored == "1.2.840.10008.1.2" else stored), kind
    assert content.rstrip(b"\0") in archive[name].file


def test_a_frame_with_the_parameter_twice(archive):
    kind, syntax, content = parse_like_cornerstone(archive.ask(f"{archive['jpeg_ls'].path}/frames/1", TWICE))
    assert (kind.partition(";")[0], syntax) == ("image/jls", "1.2.840.10008.1.2.4.80")
    assert content.rstrip(b"\0") in archive["jpeg_ls"].file


@pytest.mark.parametrize(
    "accept",
    [
        "application/octet-stream; transfer-syntax=*",
        "*/*",
        "multipart/related; type=image/jls; transfer-syntax=1.2.840.10008.1.2.4.80",
        "multipart/related; type=image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201",
        'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1',
    ],
)
@pytest.mark.parametrize("name", ["ct1", "jpeg_ls", "htj2k"])
def test_other_accepts_of_viewers_get_a_frame(archive, name, accept):
    _, _, content = parse_like_cornerstone(archive.ask(f"{archive[name].path}/frames/1", accept))
    assert content


def test_an_accept_in_the_url(archive):
    answer = archive.ask(f"{archive['jpeg'].path}/frames/1?accept=image/jpeg", "*/*")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "image/jpeg"


def test_progressive_loading_asks_for_ranges(archive):
    whole = archive.ask(
        f"{archive['htj2k'].path}/frames/1", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201"
    )
    parts = []
    for begin in range(0, len(whole.body), 256):
        answer = archive.ask(
            f"{archive['htj2k'].path}/frames/1",
            "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201",
            headers={"Range": f"bytes={begin}-{begin + 255}"},
        )
        assert answer.status == 206, answer.describe()
        assert answer.headers["content-range"].endswith(f"/{len(whole.body)}")
        parts.append(answer.body)
    assert b"".join(parts) == whole.body


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="application/octet-stream"',
        'multipart/related; type="image/jpeg", multipart/related; type="application/octet-stream"',
        "*/*",
        None,
    ],
)
def test_bulk_data_of_a_document(archive, accept):
    [row] = archive.ask(f"{archive['pdf'].path}/metadata", DICOM_JSON).json()
    answer = archive.ask(row["00420011"]["BulkDataURI"], accept)
    assert answer.status in (200, 406 if accept is None else 200), answer.describe()
    if answer.status == 200:
        content = answer.parts()[0].body if answer.media_type.startswith("multipart") else answer.body
        assert content.startswith(b"%PDF")


@pytest.mark.parametrize("path", ["/thumbnail", "/rendered"])
@pytest.mark.parametrize("level", ["path", "series_path", "study_path"])
def test_thumbnails_by_setting(archive, level, path):
    """With `thumbnailRendering`; where a series has no rendered single image, OHIF asks for its first instance."""
    answer = archive.ask(getattr(archive["ct1"], level) + path, "image/jpeg")
    if path == "/rendered" and level != "path":
        assert answer.status == 406, answer.describe()
        rows = archive.ask(
            f"{archive['ct1'].series_path}/instances?limit=1&includefield=00080018", DICOM_JSON
        ).json()
        answer = archive.ask(
            f"{archive['ct1'].series_path}/instances/{value_of(rows[0], '00080018')}{path}", "image/jpeg"
        )
    assert answer.status == 200, answer.describe()
    assert answer.body[:2] == b"\xff\xd8"


@pytest.mark.parametrize("target", ["/rendered?accept=application/pdf", "/rendered", "bulk"])
def test_a_pdf_as_a_link(archive, target):
    [row] = archive.ask(f"{archive['pdf'].path}/metadata", DICOM_JSON).json()
    url = (
        row["00420011"]["BulkDataURI"] + "?accept=application/pdf"
        if target == "bulk"
        else archive["pdf"].path + target
    )
    answer = archive.ask(url, "text/html,application/xhtml+xml,*/*;q=0.8")
    assert answer.status == 200, answer.describe()
    assert answer.body.startswith(b"%PDF"), answer.describe()


@pytest.mark.parametrize(
    "accept",
    [
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    ],
)
def test_a_browser_asks_for_a_picture(archive, accept):
    for path in ("/rendered", "/frames/1/rendered", "/thumbnail"):
        answer = archive.ask(archive["ct1"].path + path, accept)
        assert answer.status == 200, answer.describe()
        assert answer.media_type.startswith("image/")


def test_metadata_holds_what_viewers_need(archive):
    [row] = archive.ask(f"{archive['ct1'].path}/metadata", DICOM_JSON).json()
    for tag in (
        "00280010",
        "00280011",
        "00280100",
        "00280101",
        "00280102",
        "00280103",
        "00280002",
        "00280004",
        "00200032",
        "00200037",
        "00280030",
        "00281050",
        "00281051",
        "00281052",
        "00281053",
        "00083002",
    ):
        assert tag in row or tag == "00083002", tag
    assert "BulkDataURI" in row["7FE00010"]
    assert isinstance(value_of(row, "00280010"), int)
    assert all(isinstance(value, float | int) for value in row["00280030"]["Value"])
