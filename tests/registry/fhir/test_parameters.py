"""Search parameters: values as FHIR writes them, and no parameter passed over in silence."""

from datetime import UTC, datetime

import pytest

from registry.fhir.errors import InvalidParameter, UnknownParameter
from registry.fhir.parameters import MAX_COUNT, SearchParameter, parse_query
from registry.fhir.values import ReferenceValue, Token, read_date, read_reference, read_token, split_values

KNOWN = (
    SearchParameter("status", "token", ""),
    SearchParameter("period", "date", "", may_be_missing=True),
    SearchParameter("patient", "reference", "", target="Patient"),
    SearchParameter("patient.identifier", "token", ""),
    SearchParameter("name", "string", "", modifiers=frozenset({"exact"})),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("active", Token(None, "active")),
        ("urn:a|1", Token("urn:a", "1")),
        ("|1", Token("", "1")),
        ("urn:a|", Token("urn:a", None)),
        (r"urn:a|1\|2\,3\\", Token("urn:a", r"1|2,3" + "\\")),
    ],
)
def test_tokens(text, expected):
    assert read_token("x", text) == expected


def test_escaped_commas_do_not_split():
    assert split_values(r"a,b\,c,d") == ("a", r"b\,c", "d")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00"),
        ("2026-12", "2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00"),
        ("2024-02", "2024-02-01T00:00:00+01:00", "2024-03-01T00:00:00+01:00"),
        ("2026-11-24", "2026-11-24T00:00:00+01:00", "2026-11-25T00:00:00+01:00"),
        ("2026-11-24T08:30", "2026-11-24T08:30:00+01:00", "2026-11-24T08:31:00+01:00"),
        ("2026-07-24T08:30:15Z", "2026-07-24T08:30:15+00:00", "2026-07-24T08:30:16+00:00"),
        ("2026-07-24T08:30:15.25-05:00", "2026-07-24T08:30:15.25-05:00", "2026-07-24T08:30:15.26-05:00"),
    ],
)
def test_a_date_is_as_long_as_it_is_precise(text, start, end):
    found = read_date("x", f"ge{text}")
    assert found.prefix == "ge"
    assert found.start == datetime.fromisoformat(start)
    assert found.end == datetime.fromisoformat(end)


@pytest.mark.parametrize(
    "text", ["", "24/11/2026", "2026-13", "2026-02-30", "xx2026", "2026-11-24T25:00:00Z", "20261124"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(InvalidParameter, match=r"takes a date|is no date"):
        read_date("x", text)


def moment(day, hour=0):
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("2026-11-10T00:00:00Z", set()),
        ("eq2026-11", {"month", "week", "day", "moment"}),
        ("ne2026-11", {"open"}),
        ("gt2026-11-14T12:00:00Z", {"month", "open", "week"}),
        ("lt2026-11-10T12:00:00Z", {"month", "open", "week", "day"}),
        ("sa2026-11-09", {"week", "day", "moment"}),
        ("eb2026-11-12T00:00:00Z", {"day"}),
        ("ge2026-11-12T00:00:00Z", {"month", "open", "week", "moment"}),
        ("le2026-11-09", {"month", "open"}),
        ("ap2026-11-10T12:00:00Z", {"month", "open", "week", "day"}),
    ],
)
def test_periods_compare_as_the_standard_says(text, matching):
    periods = {
        "open": (None, None),
        "month": (moment(1), moment(30)),
        "week": (moment(10, 6), moment(17)),
        "day": (moment(10, 6), moment(11)),
        "moment": (moment(12, 12), moment(12, 12)),
    }
    asked = read_date("x", text)
    assert {name for name, period in periods.items() if asked.matches(*period)} == matching


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", ReferenceValue("", "Patient", "1")),
        ("1", ReferenceValue("", "", "1")),
        ("https://a.example/fhir/Patient/1", ReferenceValue("https://a.example/fhir", "Patient", "1")),
    ],
)
def test_references(text, expected):
    assert read_reference("x", text) == expected


@pytest.mark.parametrize(
    "text", ["Patient/", "Patient/1/_history/2", "https://a.example", "a b", "Patient/1?x=y"]
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidParameter):
        read_reference("x", text)


def test_chains_and_modifiers_of_a_reference_are_one_parameter():
    names = ["patient.identifier", "patient:Patient.identifier", "patient:identifier"]
    query = parse_query([(name, "urn:a|1") for name in names], KNOWN)
    assert {criterion.name for criterion in query.criteria} == {"patient.identifier"}
    [typed] = parse_query([("patient:Patient", "1")], KNOWN).criteria
    assert typed.values == (ReferenceValue("", "Patient", "1"),)


def test_what_is_not_known_is_a_warning_or_an_error():
    pairs = [("status", "active"), ("_elements", "id"), ("name:exact", "A")]
    query = parse_query(pairs, KNOWN)
    assert query.applied == (("status", "active"), ("name:exact", "A"))
    assert "_elements" in query.warnings[0]
    with pytest.raises(UnknownParameter, match="_elements"):
        parse_query(pairs, KNOWN, strict=True)


@pytest.mark.parametrize(
    "pair",
    [
        ("status", ""),
        ("status", "a,"),
        ("status:not", "active"),
        ("status:missing", "true"),
        ("period:missing", "maybe"),
        ("status", "a|b|c"),
        ("_count", "0"),
        ("_count", "-1"),
        ("_count", "many"),
        ("_sort", "status"),
        ("name", "a\0b"),
        ("name", "x" * 3000),
        ("status", ",".join(["a"] * 200)),
    ],
)
def test_values_and_modifiers_that_cannot_be_read_are_errors(pair):
    with pytest.raises(InvalidParameter):
        parse_query([pair], KNOWN)


def test_a_count_has_a_limit():
    assert parse_query([("_count", "99999")], KNOWN).count == MAX_COUNT
    assert parse_query([("period:missing", "true")], KNOWN).criteria[0].modifier == "missing"
