"""Conditional requests and ranges, case by case from RFC 9110."""

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from repository.conditions import (
    ByteRange,
    PreconditionFailed,
    UnsatisfiableRange,
    check_if_match,
    find_range,
    is_not_modified,
    make_tag,
)

TAG = make_tag([b"one", b"two"])


def request(**headers: str):
    return RequestFactory().get(
        "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_a_tag_tells_its_facts_apart():
    assert make_tag([b"one", b"two"]) == TAG
    assert make_tag([b"onet", b"wo"]) != TAG
    assert make_tag([b"one", b"two"], weak=True) == f"W/{TAG}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"a", W/"b" ,{TAG}', True),
        ("*", True),
        (" * ", True),
        ('"a"', False),
        (TAG.strip('"'), False),
        ("", False),
        (f"w/{TAG}", False),
    ],
)
def test_if_none_match_compares_weakly(header, expected):
    assert is_not_modified(request(If_None_Match=header), TAG) is expected
    assert is_not_modified(request(If_None_Match=header), f"W/{TAG}") is expected


def test_without_a_condition_everything_is_sent():
    assert not is_not_modified(request(), TAG)
    check_if_match(request(), TAG)
    assert find_range(request(), TAG, 10) is None


def test_if_match_compares_strongly():
    check_if_match(request(If_Match=f'"a", {TAG}'), TAG)
    check_if_match(request(If_Match="*"), f"W/{TAG}")
    for header, tag in ((f"W/{TAG}", TAG), ('"a"', TAG), (f"W/{TAG}", f"W/{TAG}"), ("", TAG)):
        with pytest.raises(PreconditionFailed):
            check_if_match(request(If_Match=header), tag)


@pytest.mark.parametrize(
    ("header", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=2-5", 2, 4),
        ("bytes=5-", 5, 5),
        ("bytes=-3", 7, 3),
        ("bytes=-30", 0, 10),
        ("bytes=8-800", 8, 2),
        ("Bytes = 1 - 2", 1, 2),
    ],
)
def test_one_range_is_a_part(header, start, length):
    assert find_range(request(Range=header), TAG, 10) == ByteRange(start, length)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header):
    with pytest.raises(UnsatisfiableRange, match="10 bytes"):
        find_range(request(Range=header), TAG, 10)


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,3-4", "bytes=5-2", "bytes=-", "bytes=a-b", "frames=1-2", "0-4", "bytes=0x1-2", "bytes=1-2;x"],
)
def test_what_is_no_single_range_means_the_whole(header):
    assert find_range(request(Range=header), TAG, 10) is None


def test_if_range_wants_the_strong_tag():
    assert find_range(request(Range="bytes=0-1", If_Range=TAG), TAG, 10) == ByteRange(0, 2)
    for other in ('"a"', f"W/{TAG}", "Tue, 24 Nov 2026 08:00:00 GMT"):
        assert find_range(request(Range="bytes=0-1", If_Range=other), TAG, 10) is None


@given(st.text(alphabet="bytes=-,0123456789 ", max_size=30), st.integers(0, 50))
def test_any_header_gives_a_part_of_the_content_or_the_whole(header, length):
    try:
        found = find_range(request(Range=header), TAG, length)
    except UnsatisfiableRange:
        return
    assert found is None or (found.length > 0 and found.start >= 0 and found.start + found.length <= length)
