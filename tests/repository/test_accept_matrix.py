"""What each resource answers to each Accept: the one table, asked of the views.

Standard: PS3.18 8.7.3 to 8.7.8, 10.4.4
"""

import pytest

from tests.repository.reading import parts_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db

LE, RLE, JPEG = dicom.EXPLICIT, dicom.RLE, "1.2.840.10008.1.2.4.50"
DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
FILE = f"application/dicom; transfer-syntax={LE}"
RLE_FILE = f"application/dicom; transfer-syntax={RLE}"
PIXELS = f"application/octet-stream; transfer-syntax={LE}"
RLE_PIXELS = f"image/dicom-rle; transfer-syntax={RLE}"
JSON, XML, ZIP = (
    "application/dicom+json",
    'multipart/related; type="application/dicom+xml"',
    "application/zip",
)
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

# resource, Accept, what comes: a single part's type; the parts' type in brackets; or a status
MATRIX = [
    # files of a study or series: only as parts, or as one archive
    *((level, accept, [FILE]) for level in ("study", "series", "instance") for accept in (
        None, "*/*", BROWSER, DICOM, "multipart/related", "multipart/*", "multipart/related; type=application/dicom",
        f"{DICOM}; transfer-syntax={LE}", f'{DICOM}; transfer-syntax="{LE}"', f"{DICOM}; charset=utf-8",
        f"image/png;q=0.9, {DICOM};q=0.2", f"{DICOM}; transfer-syntax=1.2.3, */*;q=0.1",
        f"{DICOM};transfer-syntax=1.2.840.10008.1.2;q=1, {DICOM};q=0.5",
    )),
    *((level, f"{DICOM}; transfer-syntax=*", [RLE_FILE]) for level in ("study", "series", "instance")),
    *((level, f"{DICOM}; transfer-syntax={RLE}", [RLE_FILE]) for level in ("study", "series", "instance")),
    *((level, f"{DICOM}; transfer-syntax={JPEG}; transfer-syntax=*", [RLE_FILE]) for level in ("study", "instance")),
    *((level, OCTETS, [PIXELS]) for level in ("study", "series", "instance")),
    *((level, ZIP, ZIP) for level in ("study", "series", "instance")),
    *((level, accept, 406) for level in ("study", "series") for accept in (
        "application/dicom", "application/dicom; transfer-syntax=*", "image/jpeg", "text/html", JSON, "*/*;q=0",
        f"{DICOM}; transfer-syntax=1.2.840.10008.1.2", f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.2",
        f"{DICOM}; transfer-syntax=1.2.3", f"{DICOM};q=0", "application/octet-stream",
        'multipart/mixed; type="application/dicom"', f"{DICOM};q=0, {DICOM};transfer-syntax={LE};q=0",
    )),
    # an instance is one item
    ("instance", "application/dicom", FILE),
    ("instance", "application/*", FILE),
    ("instance", "Application/DICOM; Transfer-Syntax=*", RLE_FILE),
    ("instance", f'application/dicom; transfer-syntax="{RLE}"', RLE_FILE),
    ("instance", "application/dicom; transfer-syntax=1.2.840.10008.1.2", 406),
    ("instance", f"application/dicom;q=0.1, {DICOM};q=0.9", [FILE]),
    ("instance", f"application/dicom;q=0.9, {DICOM};q=0.1", FILE),
    ("instance", "application/octet-stream", 406),
    # metadata
    *((f"{level}/metadata", accept, JSON) for level in ("study", "series", "instance") for accept in (
        None, "*/*", BROWSER, JSON, "application/*", f"{JSON}; charset=utf-8", f"{JSON}, {XML};q=0.5",
        f"text/plain, {JSON};q=0.1", f"{JSON}; transfer-syntax={LE}",
    )),
    *((f"{level}/metadata", "application/json", "application/json") for level in ("study", "instance")),
    *((f"{level}/metadata", XML, ["application/dicom+xml"]) for level in ("study", "series", "instance")),
    *((f"{level}/metadata", ZIP, ZIP) for level in ("study", "instance")),
    *((f"{level}/metadata", accept, 406) for level in ("study", "series", "instance") for accept in (
        "application/dicom", "application/dicom+xml", "text/html", "image/*", f"{JSON};q=0", "*/*;q=0",
        'multipart/related; type="application/dicom+json"',
    )),
    # one frame is one item, a list of them is not
    *(("frames/1", accept, [PIXELS]) for accept in (
        None, "*/*", OCTETS, f"{OCTETS}; transfer-syntax={LE}", "multipart/related",
        f'multipart/related; type="image/jxl"; transfer-syntax="1.2.3", {OCTETS};q=0.1',
    )),
    ("frames/1", OHIF, [RLE_PIXELS]),
    ("frames/1", f"{OHIF}; transfer-syntax={LE}", [RLE_PIXELS]),
    ("frames/1", 'multipart/related; type="image/dicom-rle"', [RLE_PIXELS]),
    ("frames/1", f'multipart/related; type="image/x-dicom-rle"; transfer-syntax="{RLE}"', [RLE_PIXELS]),
    ("frames/1", "image/dicom-rle", RLE_PIXELS),
    ("frames/1", "application/octet-stream", PIXELS),
    ("frames/1", "application/octet-stream; transfer-syntax=*", RLE_PIXELS),
    ("frames/1", "application/dicom", 406),
    ("frames/1", "image/png", 406),
    ("frames/1,2", None, [PIXELS, PIXELS]),
    ("frames/2,1,2", OHIF, [RLE_PIXELS] * 3),
    ("frames/1,2", "application/octet-stream", 406),
    ("frames/1,2", "image/dicom-rle", 406),
    # bulk data
    *((resource, accept, PIXELS) for resource in ("bulkdata/7FE00010", "bulkdata", "pixeldata") for accept in (
        None, "*/*", "application/octet-stream", "application/*", f"application/octet-stream; transfer-syntax={LE}",
    )),
    *((resource, accept, [PIXELS]) for resource in ("bulkdata/7FE00010", "bulkdata", "pixeldata") for accept in (
        OCTETS, f"{OCTETS}; transfer-syntax={LE}", "multipart/related; type=application/octet-stream", "multipart/*",
    )),
    ("bulkdata/7FE00010", "text/html", 406),
    ("study/pixeldata", "*/*", [PIXELS]),
    ("series/bulkdata", "application/octet-stream", 406),
]  # fmt: skip


@pytest.fixture(scope="module")
def file():
    """Two frames, compressed without loss."""
    return dicom.make_ct(transfer_syntax_uid=RLE, number_of_frames=2)


@pytest.fixture
def ask(vendor, file):
    vendor.store(file)

    def ask(resource, accept, query=""):
        level, _, rest = resource.partition("/")
        if level not in ("study", "series", "instance"):
            level, rest = "instance", resource
        headers = vendor.headers | ({} if accept is None else {"Accept": accept})
        return vendor.client.get(
            f"/dicom-web{path_of(file, level)}{'/' if rest else ''}{rest}{query}", headers=headers
        )

    return ask


def describe(response):
    """Say what came as the matrix does."""
    if response.status_code != 200:
        return response.status_code
    if response["Content-Type"].startswith("multipart/related"):
        return [part["Content-Type"] for part in parts_of(response)]
    return response["Content-Type"]


def test_the_header_decides(ask):
    wrong = [
        (resource, accept, expected, found)
        for resource, accept, expected in MATRIX
        if (found := describe(ask(resource, accept))) != expected
    ]
    assert wrong == []


def test_the_query_parameter_comes_before_the_header(ask):
    assert describe(ask("instance", "image/png", "?accept=application/dicom")) == FILE
    assert describe(ask("instance", DICOM, "?accept=application/dicom;q=0.1")) == FILE
    assert describe(ask("instance", "application/dicom", "?accept=image/png")) == FILE
    assert describe(ask("instance", "*/*", "?accept=image/png")) == [FILE]
    assert describe(ask("instance", "image/png", "?accept=image/gif")) == 406
    assert describe(ask("instance/metadata", None, "?accept=application/dicom+json")) == JSON
    assert (
        describe(ask("instance/metadata", JSON, "?accept=image/gif&accept=application/json"))
        == "application/json"
    )
    assert describe(ask("instance", None, "?accept=application/dicom;%20transfer-syntax=*")) == RLE_FILE


def test_what_nobody_can_read_is_refused_with_the_place(ask):
    response = ask("instance", "application")
    assert response.status_code == 400
    assert b"'application' at character 0" in response.content


def test_query_parameters_that_mean_nothing_here_are_passed_over(ask):
    assert describe(ask("instance", "application/dicom", "?unknown=1&limit=5&viewport=x")) == FILE
