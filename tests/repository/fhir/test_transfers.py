"""Documents by FHIR as transfers: ranges of their bytes, and places that are taken before the first byte."""

import pytest

from repository.fhir import binary
from tests.repository.fhir.test_documents import TEXT, make_bundle, patient, send, source  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def location(ask, patient, source):  # noqa: F811
    return send(ask, make_bundle(patient), source).json()["entry"][2]["response"]["location"]


def body_of(response):
    return b"".join(response.streaming_content)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-3", 0, 4), ("bytes=5-", 5, len(TEXT)), ("bytes=-4", len(TEXT) - 4, len(TEXT))],
)
def test_a_range_of_a_document_is_given(ask, source, location, asked, start, end):  # noqa: F811
    given = ask(location, token=source, Range=asked)
    assert (given.status_code, body_of(given)) == (206, TEXT[start:end])
    assert given.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(TEXT)}"
    assert given.headers["Content-Length"] == str(end - start)


def test_what_is_no_one_range_of_this_document_is_the_whole(ask, source, location):  # noqa: F811
    whole = ask(location, token=source)
    assert (whole.status_code, whole.headers["Accept-Ranges"]) == (200, "bytes")
    for headers in ({"Range": "bytes=0-1,3-4"}, {"Range": "bytes=0-1", "If_Range": '"another"'}):
        given = ask(location, token=source, **headers)
        assert (given.status_code, body_of(given)) == (200, TEXT)
    tagged = ask(location, token=source, Range="bytes=0-1", If_Range=whole.headers["ETag"])
    assert (tagged.status_code, body_of(tagged)) == (206, TEXT[:2])


def test_a_range_behind_the_end_is_refused(ask, source, location):  # noqa: F811
    given = ask(location, token=source, Range=f"bytes={len(TEXT)}-")
    assert (given.status_code, given.headers["Content-Range"]) == (416, f"bytes */{len(TEXT)}")
    assert given.json()["resourceType"] == "OperationOutcome"


def test_uploads_take_a_place_before_their_body_is_read(ask, patient, source, settings):  # noqa: F811
    settings.MAX_TRANSFERS_PER_CLIENT = 0
    for path in ("", "DocumentReference"):
        refused = send(ask, make_bundle(patient), source, path)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"]
        assert refused.json()["issue"][0]["code"] == "throttled"
    settings.MAX_TRANSFERS_PER_CLIENT, settings.MAX_UPLOADS = 4, 0
    assert send(ask, make_bundle(patient), source).status_code == 503
    settings.MAX_UPLOADS = 1
    for _ in range(2):  # the place is given back
        assert send(ask, make_bundle(patient), source).status_code == 200


def test_a_long_download_holds_a_place(ask, source, location, settings, monkeypatch):  # noqa: F811
    monkeypatch.setattr(binary, "TRANSFER_BYTES", 0)
    settings.MAX_TRANSFERS_PER_CLIENT = 1
    held = ask(location, token=source)
    assert ask(location, token=source).status_code == 429
    assert body_of(held) == TEXT  # to its end: the place is given back
    again = ask(location, token=source)
    assert (again.status_code, body_of(again)) == (200, TEXT)
