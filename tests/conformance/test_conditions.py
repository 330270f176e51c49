"""Entity tags, codings, HEAD and ranges.

Standard: RFC 9110 9.3.2, 12.5, 13, 14
"""

import pytest

from tests.conformance.archive import DICOM_JSON

pytestmark = pytest.mark.server

STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.mark.parametrize("suffix", ["", "/metadata", "/frames/1"])
def test_an_etag_spares_the_next_answer(archive, suffix):
    """RFC 9110 13.1.2."""
    accept = (
        DICOM_JSON if suffix == "/metadata" else "application/octet-stream" if suffix else "application/dicom"
    )
    first = archive.ask(archive["ct1"].path + suffix, accept)
    assert first.status == 200
    tag = first.headers.get("etag")
    assert tag, "an ETag"
    for sent in (tag, f'"other", {tag}', "*"):
        again = archive.ask(archive["ct1"].path + suffix, accept, headers={"If-None-Match": sent})
        assert (again.status, again.body) == (304, b""), (sent, again.describe())
        assert again.headers.get("etag") == tag
    assert (
        archive.ask(archive["ct1"].path + suffix, accept, headers={"If-None-Match": '"other"'}).status == 200
    )


@pytest.mark.parametrize("suffix", ["", "/metadata", "/frames/1"])
def test_answers_are_private_and_vary_by_accept(archive, suffix):
    """RFC 9110 12.5.5, RFC 9111 5.2.2.7."""
    answer = archive.ask(archive["ct1"].path + suffix, "*/*")
    assert "accept" in answer.headers.get("vary", "").lower()
    assert "private" in answer.headers.get("cache-control", "") or "no-store" in answer.headers.get(
        "cache-control", ""
    )


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_metadata_is_compressed_for_who_takes_it(archive, coding):
    answer = archive.ask(
        archive["ct1"].study_path + "/metadata", DICOM_JSON, headers={"Accept-Encoding": coding}
    )
    assert answer.status == 200
    assert answer.headers.get("content-encoding") == coding
    assert "accept-encoding" in answer.headers["vary"].lower()


@pytest.mark.parametrize("coding", [None, "identity", "br", "gzip;q=0, zstd;q=0"])
def test_metadata_is_plain_for_who_does_not(archive, coding):
    headers = {"Accept-Encoding": coding} if coding else {}
    answer = archive.ask(archive["ct1"].study_path + "/metadata", DICOM_JSON, headers=headers)
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert len(answer.json()) == 4


@pytest.mark.parametrize("suffix", ["", "/metadata", "/frames/1", "/rendered"])
def test_head_answers_like_get_without_a_body(archive, suffix):
    accept = "*/*"
    get = archive.ask(archive["ct1"].path + suffix, accept)
    head = archive.ask(archive["ct1"].path + suffix, accept, method="HEAD")
    assert (head.status, head.body) == (get.status, b"")
    assert head.media_type == get.media_type
    assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize(
    ("range_", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-199", 100, 199), ("bytes=-10", -10, None), ("bytes=300-", 300, None)],
)
def test_a_single_part_is_served_by_ranges(archive, range_, first, last):
    """RFC 9110 14."""
    whole = archive.ask(archive["ct1"].path, "application/dicom; transfer-syntax=*")
    part = archive.ask(archive["ct1"].path, "application/dicom; transfer-syntax=*", headers={"Range": range_})
    assert part.status == 206, part.describe()
    assert part.body == (whole.body[first:] if last is None else whole.body[first : last + 1])
    assert part.headers["content-range"].endswith(f"/{len(whole.body)}")
    assert part.headers["content-length"] == str(len(part.body))


@pytest.mark.parametrize("range_", ["bytes=999999999-", "bytes=99999999-999999999"])
def test_a_range_beyond_the_end_is_416(archive, range_):
    answer = archive.ask(
        archive["ct1"].path, "application/dicom; transfer-syntax=*", headers={"Range": range_}
    )
    assert answer.status == 416, answer.describe()
    assert answer.headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize("range_", ["lines=0-9", "bytes=9-0", "bytes=a-b", "bytes"])
def test_a_range_that_is_none_is_ignored(archive, range_):
    """RFC 9110 14.2."""
    answer = archive.ask(
        archive["ct1"].path, "application/dicom; transfer-syntax=*", headers={"Range": range_}
    )
    assert answer.status == 200, answer.describe()


def test_if_range_guards_a_range(archive):
    """RFC 9110 13.1.5."""
    path, accept = archive["ct1"].path, "application/dicom; transfer-syntax=*"
    tag = archive.ask(path, accept).headers.get("etag", "")
    same = archive.ask(path, accept, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = archive.ask(path, accept, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status, other.status) == (206, 200)


def test_multipart_answers_ignore_ranges(archive):
    answer = archive.ask(archive["ct1"].study_path, STORED, headers={"Range": "bytes=0-9"})
    assert answer.status == 200, answer.describe()
    assert len(answer.parts()) == 4
