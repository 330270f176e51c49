"""Search: pages, attributes on request, forms of the answer.

Standard: PS3.18 8.3.4.3, 8.3.4.4, 10.6.3, 10.6.4
"""

import csv
import io
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.conformance.archive import DICOM_JSON
from tests.conformance.searching import ALL, CT, find, resources, search
from tests.conformance.wire import value_of

pytestmark = pytest.mark.server

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def test_pages_are_disjoint_and_complete(archive):
    """PS3.18 8.3.4.4.1."""
    everything = [value_of(row, "00080018") for row in find(archive, "/instances")]
    pages = [
        find(archive, f"/instances?limit=4&offset={offset}") for offset in range(0, len(everything) + 4, 4)
    ]
    assert [value_of(row, "00080018") for page in pages for row in page] == everything
    assert pages[-1] == []


def test_more_rows_are_announced(archive):
    """PS3.18 8.3.4.4.1: Warning 299 when results remain; and a link to them."""
    answer = search(archive, "/studies?limit=1")
    assert len(answer.json()) == 1
    warning = answer.headers.get("warning", "")
    assert warning.startswith("299 "), warning
    assert "additional results that can be requested" in warning
    assert 'rel="next"' in answer.headers.get("link", "")


def test_the_next_link_leads_to_the_next_page(archive):
    """RFC 8288."""
    first = search(archive, "/studies?limit=2&PatientName=*")
    url = first.headers["link"].partition(">")[0].removeprefix("<")
    second = archive.ask(url, DICOM_JSON)
    assert second.status == 200, second.describe()
    uids = [value_of(row, "0020000D") for row in first.json() + second.json()]
    assert sorted(uids) == sorted(archive[name].dataset.StudyInstanceUID for name in ALL)
    assert "link" not in second.headers


def test_the_last_page_announces_nothing(archive):
    answer = search(archive, "/studies?limit=100")
    assert "warning" not in answer.headers
    assert "link" not in answer.headers


def test_limit_zero_is_no_row(archive):
    answer = search(archive, "/studies?limit=0")
    assert (answer.status, answer.json()) == (200, []), answer.describe()


@pytest.mark.parametrize(
    "field",
    ["StudyDescription", "00081030", "all", "StudyDescription,00080062", "00081030&includefield=00080062"],
)
def test_includefield_adds_an_attribute(archive, field):
    """PS3.18 8.3.4.3: by keyword or tag, lists, repeated, all."""
    [row] = find(archive, f"/studies?PatientID=197001012388&includefield={field}")
    assert value_of(row, "00081030") == "MR hjärna"


@pytest.mark.parametrize(
    ("field", "tag"),
    [
        ("0008103E,00080021", "00080021"),
        ("SeriesDate", "00080021"),
        ("all", "00180015"),
        ("BodyPartExamined", "00180015"),
    ],
)
def test_includefield_adds_an_attribute_of_a_series(archive, field, tag):
    rows = find(archive, f"{archive[CT].study_path}/series?includefield={field}")
    assert all(tag in row for row in rows)


def test_includefield_of_nothing_known_is_refused_or_announced(archive):
    answer = search(archive, "/studies?includefield=Nonsense")
    assert answer.status == 400 or "299" in answer.headers.get("warning", ""), answer.describe()


@pytest.mark.parametrize(
    "accept",
    [
        DICOM_JSON,
        "application/json",
        "*/*",
        "application/*",
        "application/dicom+json;q=0.5, text/csv;q=0",
        "text/html, application/dicom+json;q=0.1",
        "application/dicom+json; charset=utf-8",
        "Application/DICOM+JSON",
    ],
)
def test_json_is_the_answer_where_it_fits(archive, accept):
    """PS3.18 8.7.8, table 10.6.4-1: application/dicom+json is the default."""
    answer = search(archive, "/studies", accept)
    assert answer.status == 200, answer.describe()
    assert answer.media_type in (DICOM_JSON, "application/json")
    assert len(answer.json()) == 3


@pytest.mark.parametrize(
    "accept", ["image/jpeg", "application/dicom", "text/plain", "application/dicom+json;q=0", "video/*"]
)
def test_a_form_that_is_not_there_is_406(archive, accept):
    """PS3.18 8.7.8.1."""
    answer = search(archive, "/studies", accept)
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize("index", range(6))
def test_xml_is_one_native_dicom_model_a_row(archive, index):
    """PS3.18 table 10.6.4-1: multipart/related of application/dicom+xml is required; PS3.19 A.1."""
    target, key = list(resources(archive).items())[index]
    answer = search(archive, target, 'multipart/related; type="application/dicom+xml"')
    assert answer.status == 200, answer.describe()
    assert answer.parameter("type") == "application/dicom+xml"
    found = set()
    for part in answer.parts():
        assert part.headers["content-type"].startswith("application/dicom+xml")
        root = ElementTree.fromstring(part.body)
        assert root.tag in (f"{NATIVE}NativeDicomModel", "NativeDicomModel")
        for element in root:
            assert len(element.get("tag")) == 8
            if element.get("tag") == key:
                found.add(element[0].text)
    assert found == {value_of(row, key) for row in find(archive, target)}


def test_xml_of_no_match_is_no_part(archive):
    answer = search(archive, "/studies?PatientID=nobody", 'multipart/related; type="application/dicom+xml"')
    assert answer.status in (200, 204), answer.describe()
    assert b"NativeDicomModel" not in answer.body


@pytest.mark.parametrize("accept", ["application/dicom%2Bjson", "application/dicom+json"])
def test_the_accept_parameter_decides(archive, accept):
    """PS3.18 8.3.3.1: also where a header says something else that fits."""
    answer = search(archive, f"/studies?accept={quote(accept, safe='%')}", "*/*")
    assert answer.media_type == DICOM_JSON, answer.describe()


def test_csv_holds_the_same_rows(archive):
    """An extension: a row a study, keywords as heads."""
    answer = search(archive, "/studies", "text/csv")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert len(rows) == 3
    assert {row["StudyInstanceUID"] for row in rows} == {
        value_of(row, "0020000D") for row in find(archive, "/studies")
    }


def test_head_is_get_without_a_body(archive):
    """RFC 9110 9.3.2."""
    answer = archive.ask("/studies", DICOM_JSON, method="HEAD")
    assert (answer.status, answer.body) == (200, b""), answer.describe()
    assert answer.media_type == DICOM_JSON


def test_the_same_question_has_the_same_answer(archive):
    """PS3.18 8.3.4.4.1: idempotent, the order included."""
    assert search(archive, "/instances").body == search(archive, "/instances").body


def test_newest_studies_come_first(archive):
    dates = [value_of(row, "00080020") for row in find(archive, "/studies")]
    assert dates == sorted(dates, reverse=True)


def test_every_retrieve_url_leads_to_what_it_names(archive):
    """PS3.18 10.6.3.3: RetrieveURL is absolute and works."""
    for target in resources(archive):
        for row in find(archive, target):
            url = value_of(row, "00081190")
            assert url.startswith("http"), url
            answer = archive.ask(url + "/metadata", DICOM_JSON)
            assert answer.status == 200, (url, answer.describe())


def test_a_search_without_accept_is_406_or_json(archive):
    """PS3.18 8.4.1: no Accept may be refused."""
    answer = archive.ask("/studies")
    assert answer.status == 406 or answer.media_type == DICOM_JSON, answer.describe()
