"""What is typed is read as what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.query import Query, read_query


@pytest.mark.parametrize(
    "text", ["191212121212", "19121212-1212", "121212+1212", "121212 + 1212", " 19121212 1212 "]
)
def test_personal_number_is_one_number_however_written(text):
    query = read_query(text)
    assert (query.reading, query.number) == ("national", "191212121212")


@pytest.mark.parametrize("text", ["19121212-1213", "191213121212", "121212-1213"])
def test_number_with_a_wrong_digit_is_said_to_be_wrong(text):
    assert read_query(text).reading == "bad_national"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query("", "empty")),
        ("  ", Query("", "empty")),
        ("ek", Query("ek", "short")),
        ("A1", Query("A1", "code")),
        ("Åkesson, MÄRTA", Query("Åkesson, MÄRTA", "name", words=("åkesson", "märta"))),
        ("åkesson 1951", Query("åkesson 1951", "name", words=("åkesson",), birth_year="1951")),
        ("ek 1951", Query("ek 1951", "short")),
        ("HB26110207", Query("HB26110207", "code")),
        ("1951", Query("1951", "code")),
        ("a\0bc", Query("abc", "name", words=("abc",))),
    ],
)
def test_other_texts(text, query):
    assert read_query(text) == query


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading(text):
    query = read_query(text)
    assert len(query.text) <= 200
    assert (query.reading == "national") == bool(query.number)
