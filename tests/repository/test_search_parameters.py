"""The query string of a search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.matching import InvalidSearch
from registry.search import Paging
from repository.dicomweb.search_parameters import MAX_LIMIT, SearchRequest, parse_search


def read_matches(request: SearchRequest) -> dict[str, str]:
    return {match.attribute.keyword: match.value for match in request.matches}


def read_tags(request: SearchRequest) -> set[str]:
    assert request.fields is not None
    return {field.tag for field in request.fields}


def test_keys_by_keyword_or_tag_and_percent_encoding() -> None:
    request = parse_search(
        "study", "PatientName=%C3%85ker%2A&0020000d=1.2%2C1.3&StudyDescription=CT%20thorax+x"
    )
    assert read_matches(request) == {
        "PatientName": "Åker*",
        "StudyInstanceUID": "1.2,1.3",
        "StudyDescription": "CT thorax x",
    }


def test_the_path_adds_its_keys() -> None:
    request = parse_search("instance", "", study="1.2", series="1.3")
    assert read_matches(request) == {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}
    request = parse_search("series", "StudyInstanceUID=1.9", study="1.2")
    assert [match.value for match in request.matches] == ["1.9", "1.2"]


def test_paging() -> None:
    assert parse_search("study", "").paging == Paging(MAX_LIMIT, 0)
    assert parse_search("study", "limit=101&offset=202").paging == Paging(101, 202)
    assert parse_search("study", f"limit={10**30}").paging.limit == MAX_LIMIT
    assert parse_search("study", "limit=0").paging == Paging(0, 0)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("offset=%D9%A1", "offset"),
        ("limit=1&limit=2", "limit"),
        ("fuzzymatching=yes", "fuzzymatching"),
        ("Favourite=1", "Favourite"),
        ("0009100A=1", "0009100A"),
        ("00081190=x", "00081190"),
        ("PatientName=a&00100010=b", "00100010"),
        ("RequestAttributesSequence=x", "RequestAttributesSequence"),
        ("PatientName=%FF", "UTF-8"),
        ("&".join(f"PatientName={n}" for n in range(300)), "parameters"),
    ],
)
def test_what_cannot_be_read_is_named(query: str, named: str) -> None:
    with pytest.raises(InvalidSearch, match=named):
        parse_search("study", query)


def test_uid_keys_may_come_again() -> None:
    request = parse_search("study", "StudyInstanceUID=1.2&StudyInstanceUID=1.3")
    assert read_matches(request) == {"StudyInstanceUID": "1.2,1.3"}


def test_requests_of_ohif_are_answered_from_fragments() -> None:
    query = (
        "PatientName=*x*&00100020=*x*&ModalitiesInStudy=CT&StudyDate=20250101-20250201&limit=101&offset=0"
        "&fuzzymatching=false&includefield=00081030%2C00080061%2C00080090,00100030"
    )
    request = parse_search("study", query)
    assert (request.fields, request.warnings) == (None, ())
    request = parse_search("study", "includefield=00081030,00080060")
    assert request.fields is None
    assert len(request.warnings) == 1
    request = parse_search("series", "includefield=0008103E,00080021", study="1.2")
    assert {"0008103E", "00080021"} <= read_tags(request)


def test_include_fields_of_every_form() -> None:
    for query in (
        "includefield=InstitutionName,StationName",
        "includefield=00080080&includefield=00081010",
        "includefield=all",
        "includefield=StationName%2CInstitutionName",
    ):
        assert {"00080080", "00081010"} <= read_tags(parse_search("series", query, study="1.2"))
    request = parse_search("series", "includefield=PatientName", study="1.2")
    assert "00100010" in read_tags(request)
    assert "00100020" not in read_tags(request)


def test_unknown_include_field_is_a_warning() -> None:
    request = parse_search("study", 'includefield=Nonsense",SOPInstanceUID')
    assert request.fields is None
    assert [warning.split()[1] for warning in request.warnings] == ["Nonsense?", "SOPInstanceUID"]


def test_levels_that_the_path_does_not_name_are_answered() -> None:
    assert {"00100020", "0020000E"} <= read_tags(parse_search("series", ""))
    assert parse_search("series", "", study="1.2").fields is None
    tags = read_tags(parse_search("instance", "", study="1.2"))
    assert "00080060" in tags
    assert "00100020" not in tags
    assert parse_search("instance", "", study="1.2", series="1.3").fields is None


def test_fuzzy_matching_reaches_the_names() -> None:
    [match] = parse_search("study", "PatientName=aker&fuzzymatching=true").matches
    assert match.rules.fuzzy


@given(st.text(max_size=60))
def test_any_query_string_is_read_or_refused(query: str) -> None:
    try:
        outcome = parse_search("instance", query).paging.limit <= MAX_LIMIT
    except InvalidSearch as error:
        outcome = "" not in (str(error), query)
    assert outcome
