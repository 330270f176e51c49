"""Retrieve: instances and metadata of studies, series and instances.

Standard: PS3.18 8.7, 10.4
"""

import io
import zipfile
from xml.etree import ElementTree

import pydicom
import pytest

from tests.conformance.archive import DICOM_JSON, Archive
from tests.conformance.wire import Part, value_of

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

MULTIPART = 'multipart/related; type="application/dicom"'
STORED = f"{MULTIPART}; transfer-syntax=*"
EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
LEVELS = ("study_path", "series_path", "path")
NAMES = (
    "ct1",
    "pt",
    "implicit",
    "big_endian",
    "deflated",
    "rle",
    "multiframe",
    "rle_multiframe",
    "rgb",
    "jpeg",
    "jpeg_ls",
    "jpeg_2000",
    "htj2k",
    "sr",
    "pdf",
)
STUDIES = ("ct1", "rgb", "sr")


def read(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def below(archive: Archive, level: str, name: str) -> set[str]:
    path = getattr(archive[name], level)
    return {known.sop_instance_uid for known in archive.known.values() if known.path.startswith(path)}


def uids_of(parts: list[Part]) -> set[str]:
    return {str(read(part.body).SOPInstanceUID) for part in parts}


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("level", LEVELS)
def test_a_resource_is_a_part_an_instance(archive, level, name):
    """PS3.18 10.4.1.1.1, 8.6.1.2."""
    answer = archive.ask(getattr(archive[name], level), MULTIPART)
    assert answer.status == 200, answer.describe()
    assert answer.parameter("type") == "application/dicom"
    parts = answer.parts()
    assert uids_of(parts) == below(archive, level, name)
    assert len(parts) == len(below(archive, level, name))


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_explicit_little_endian_or_lossy_as_it_is(archive, name):
    """PS3.18 8.7.3, table 8.7.3-2: no transfer-syntax parameter means 1.2.840.10008.1.2.1."""
    answer = archive.ask(archive[name].path, "application/dicom")
    assert answer.status == 200, answer.describe()
    syntax = str(read(answer.body).file_meta.TransferSyntaxUID)
    assert syntax == ("1.2.840.10008.1.2.4.50" if name == "jpeg" else EXPLICIT)
    assert answer.parameter("transfer-syntax") == syntax


@pytest.mark.parametrize("name", NAMES)
def test_a_star_is_the_stored_syntax(archive, name):
    """PS3.18 8.7.3.5.2; never Implicit VR or Big Endian, 8.7.3."""
    answer = archive.ask(archive[name].path, "application/dicom; transfer-syntax=*")
    assert answer.status == 200, answer.describe()
    sent, received = archive[name].dataset, read(answer.body)
    stored = str(sent.file_meta.TransferSyntaxUID)
    expected = EXPLICIT if stored in (IMPLICIT, BIG_ENDIAN) else stored
    assert received.file_meta.TransferSyntaxUID == expected
    assert answer.parameter("transfer-syntax") == expected
    if stored == expected:
        assert answer.body[128:] == archive[name].file[128:]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sr", "pdf", "jpeg")])
def test_pixels_survive_the_default_syntax(archive, name):
    answer = archive.ask(archive[name].path, f"application/dicom; transfer-syntax={EXPLICIT}")
    assert answer.status == 200, answer.describe()
    assert (read(answer.body).pixel_array == archive[name].pixels).all()


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.1.99",
    ],
)
@pytest.mark.parametrize("name", ["ct1", "rle"])
def test_a_named_syntax_is_what_comes_or_406(archive, name, syntax):
    answer = archive.ask(archive[name].path, f'application/dicom; transfer-syntax="{syntax}"')
    assert answer.status in (200, 406), answer.describe()
    if answer.status == 200:
        assert read(answer.body).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, "1.2.3.4", "nonsense"])
def test_a_syntax_that_may_not_be_used_is_406(archive, syntax):
    """PS3.18 8.7.3."""
    answer = archive.ask(archive["ct1"].path, f"application/dicom; transfer-syntax={syntax}")
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize("level", ["study_path", "series_path"])
def test_a_single_part_is_for_one_instance_only(archive, level):
    """PS3.18 10.4.4, note on single parts: 406."""
    answer = archive.ask(getattr(archive["ct1"], level), "application/dicom")
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/plain",
        'multipart/related; type="text/plain"',
        "application/dicom;q=0",
        "nonsense/type",
        "application/dicom+json",
    ],
)
def test_what_an_instance_is_not_is_406(archive, accept):
    """PS3.18 8.7.8.1."""
    answer = archive.ask(archive["ct1"].path, accept)
    assert answer.status == 406, answer.describe()


ACCEPTS = [
    # header, media type that comes, multipart or not; for an instance
    ("*/*", "application/dicom", None),
    ("multipart/related; type=application/dicom", "application/dicom", True),
    (
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
        "application/dicom",
        True,
    ),
    (
        'multipart/related;type="application/dicom";transfer-syntax="1.2.840.10008.1.2.1"',
        "application/dicom",
        True,
    ),
    ('Multipart/Related; TYPE="application/dicom"', "application/dicom", True),
    ('multipart/related ; type="application/dicom" , */*;q=0.1', "application/dicom", True),
    ("application/dicom", "application/dicom", False),
    ("application/*", "application/dicom", None),
    ("multipart/*", "application/dicom", True),
    ("text/html, application/dicom;q=0.5", "application/dicom", False),
    ('application/dicom;q=0.2, multipart/related;type="application/dicom";q=0.9', "application/dicom", True),
    ('application/dicom;q=0.9, multipart/related;type="application/dicom";q=0.2', "application/dicom", False),
    ('application/dicom;q=0, multipart/related;type="application/dicom"', "application/dicom", True),
    ("application/dicom; transfer-syntax=1.2.3, application/dicom", "application/dicom", False),
    ("application/dicom; unknown=parameter", "application/dicom", False),
    ("garbage, application/dicom", "application/dicom", False),
    (", application/dicom,", "application/dicom", False),
]


@pytest.mark.parametrize(("accept", "media_type", "multipart"), ACCEPTS)
def test_the_accept_header_decides(archive, accept, media_type, multipart):
    """PS3.18 8.7.7, 8.7.8.1, RFC 9110 12.5.1."""
    answer = archive.ask(archive["ct1"].path, accept)
    assert answer.status == 200, answer.describe()
    is_multipart = answer.media_type == "multipart/related"
    assert multipart is None or is_multipart == multipart, answer.describe()
    content = answer.parts()[0].body if is_multipart else answer.body
    assert media_type in answer.content_type
    assert read(content).SOPInstanceUID == archive["ct1"].sop_instance_uid


@pytest.mark.parametrize(
    ("query", "header", "multipart"),
    [
        ("accept=application/dicom", "*/*", False),
        ("accept=application%2Fdicom", 'multipart/related; type="application/dicom", */*;q=0.1', False),
        ("accept=multipart%2Frelated%3Btype%3D%22application%2Fdicom%22", "*/*", True),
        ("accept=application/dicom;transfer-syntax=*", "*/*", False),
        ("accept=image/png,application/dicom", "*/*", False),
    ],
)
def test_the_accept_parameter_comes_first(archive, query, header, multipart):
    """PS3.18 8.3.3.1, 8.7.8.1."""
    answer = archive.ask(f"{archive['ct1'].path}?{query}", header)
    assert answer.status == 200, answer.describe()
    assert (answer.media_type == "multipart/related") == multipart


def test_parts_name_type_syntax_and_location(archive):
    """PS3.18 8.7.1, 8.7.3.5.2; the Content-Location leads to the instance."""
    for part in archive.ask(archive["rgb"].study_path, STORED).parts():
        assert part.headers["content-type"].startswith("application/dicom")
        assert "transfer-syntax" in part.headers["content-type"]
        uid = str(read(part.body).SOPInstanceUID)
        location = part.headers.get("content-location", "")
        assert location.endswith(f"/instances/{uid}"), location
        assert archive.ask(location, "application/dicom; transfer-syntax=*").status == 200


def test_a_boundary_is_new_each_time(archive):
    path = archive["ct1"].study_path
    assert archive.ask(path, STORED).parameter("boundary") != archive.ask(path, STORED).parameter("boundary")


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("level", LEVELS)
def test_zip_holds_the_instances(archive, level, name):
    """PS3.18 table 10.4.4-1: application/zip."""
    answer = archive.ask(getattr(archive[name], level), "application/zip")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as box:
        assert box.testzip() is None
        assert all(".." not in entry and not entry.startswith("/") for entry in box.namelist())
        found = {
            str(read(box.read(entry)).SOPInstanceUID) for entry in box.namelist() if not entry.endswith("/")
        }
    assert found == below(archive, level, name)
    assert "kesson" not in answer.headers.get("content-disposition", "")


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("level", LEVELS)
def test_metadata_is_an_array_of_all_instances(archive, level, name):
    """PS3.18 10.4.1.1.2."""
    answer = archive.ask(getattr(archive[name], level) + "/metadata", DICOM_JSON)
    assert answer.status == 200, answer.describe()
    assert answer.media_type == DICOM_JSON
    assert {value_of(row, "00080018") for row in answer.json()} == below(archive, level, name)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_what_pydicom_reads(archive, name):
    """PS3.18 F.2: values and VRs as in the data set, without the file meta information."""
    [row] = archive.ask(archive[name].path + "/metadata", DICOM_JSON).json()
    sent = archive[name].dataset
    assert not [tag for tag in row if tag.startswith("0002")]
    for element in sent:
        if element.VR in ("SQ", "OB", "OW", "UN"):
            continue
        tag = f"{element.tag:08X}"
        assert tag in row, element
        if tag != "00080005":
            assert row[tag]["vr"] == element.VR, element
    assert row["00100010"]["Value"][0]["Alphabetic"] == str(sent.PatientName)


@pytest.mark.parametrize(
    "accept",
    ['multipart/related; type="application/dicom+xml"', "multipart/related; type=application/dicom+xml"],
)
@pytest.mark.parametrize("level", LEVELS)
def test_metadata_as_xml(archive, level, accept):
    """PS3.18 table 10.4.4-1: required; PS3.19 A.1."""
    answer = archive.ask(getattr(archive["ct1"], level) + "/metadata", accept)
    assert answer.status == 200, answer.describe()
    found = set()
    for part in answer.parts():
        root = ElementTree.fromstring(part.body)
        elements = {element.get("tag"): element for element in root}
        found.add(elements["00080018"][0].text)
        assert elements["00100010"].get("keyword") == "PatientName"
        assert elements["00100010"].get("vr") == "PN"
        assert "Åkesson" in "".join(elements["00100010"].itertext())
    assert found == below(archive, level, "ct1")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("application/*", 200),
        ("application/dicom+json;q=0.1, text/html", 200),
        ("image/png", 406),
        ("application/dicom", 406),
        ("application/dicom+json;q=0", 406),
        ("application/dicom+xml;q=0.1, application/dicom+json", 200),
    ],
)
def test_metadata_negotiates(archive, accept, status):
    answer = archive.ask(archive["ct1"].path + "/metadata", accept)
    assert answer.status == status, answer.describe()


@pytest.mark.parametrize("suffix", ["", "/metadata", "/rendered", "/thumbnail", "/bulkdata", "/pixeldata"])
@pytest.mark.parametrize(
    "path",
    [
        "/studies/1.2.3.4",
        "/studies/1.2.3.4/series/1.2.3.5",
        "/studies/1.2.3.4/series/1.2.3.5/instances/1.2.3.6",
    ],
)
def test_what_is_unknown_is_404_everywhere(archive, path, suffix):
    """PS3.18 8.5."""
    answer = archive.ask(path + suffix, "*/*")
    assert answer.status == 404, answer.describe()
    assert len(answer.body) > 10


@pytest.mark.parametrize(
    "suffix",
    [
        "",
        "/metadata",
        "/rendered",
        "/thumbnail",
        "/frames/1",
        "/frames/1/rendered",
        "/frames/1/thumbnail",
        "/bulkdata",
        "/pixeldata",
    ],
)
@pytest.mark.parametrize("kind", ["foreign study", "foreign series"])
def test_foreign_parents_are_404(archive, suffix, kind):
    """What hangs on the path may not be reached by another path."""
    one, other = archive["ct1"].dataset, archive["pt"].dataset
    study = archive["rgb"].dataset.StudyInstanceUID if kind == "foreign study" else one.StudyInstanceUID
    series = one.SeriesInstanceUID if kind == "foreign study" else other.SeriesInstanceUID
    path = f"/studies/{study}/series/{series}/instances/{one.SOPInstanceUID}{suffix}"
    answer = archive.ask(path, "*/*")
    assert answer.status == 404, answer.describe()


@pytest.mark.parametrize(
    "path",
    [
        "/studies/nonsense",
        "/studies/..%2F..%2Fetc",
        "/studies/1.2.3%00",
        "/studies/%20",
        "/studies/" + "1." * 60 + "1",
    ],
)
def test_what_is_no_uid_is_400_or_404(archive, path):
    answer = archive.ask(path, "*/*")
    assert answer.status in (400, 404), answer.describe()


@pytest.mark.parametrize("name", NAMES)
def test_every_bulk_data_uri_can_be_fetched(archive, name):
    """PS3.18 10.4.1.1.5: as a single part and as one part of many."""
    [row] = archive.ask(archive[name].path + "/metadata", DICOM_JSON).json()
    uris = [element["BulkDataURI"] for element in row.values() if "BulkDataURI" in element]
    assert uris or name == "sr"
    for uri in uris:
        assert uri.startswith("http"), uri
        single = archive.ask(uri, "application/octet-stream")
        assert single.status == 200, (uri, single.describe())
        several = archive.ask(uri, 'multipart/related; type="application/octet-stream"')
        assert several.status == 200, (uri, several.describe())
        assert b"".join(part.body for part in several.parts()) == single.body or name.startswith(
            ("rle", "jpeg", "htj2k")
        )
