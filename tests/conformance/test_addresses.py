"""What holds for all addresses: who asks, methods, other origins, capabilities, errors, URLs behind proxies.

Standard: PS3.18 8.2, 8.4, 8.5, 8.9, annex H, RFC 9110
"""

import json
import re
from xml.etree import ElementTree

import pytest

from tests.conformance.archive import DICOM_JSON, Archive
from tests.conformance.conftest import ORIGIN

pytestmark = pytest.mark.server

PATHS = (
    "",
    "/metadata",
    "/rendered",
    "/thumbnail",
    "/frames/1",
    "/frames/1/rendered",
    "/bulkdata",
    "/pixeldata",
)


def everywhere(archive: Archive) -> list[str]:
    known = archive["ct1"]
    return [
        "/studies",
        "/series",
        "/instances",
        f"{known.study_path}/series",
        f"{known.series_path}/instances",
        *(known.path + suffix for suffix in PATHS),
    ]


@pytest.mark.parametrize("index", range(5 + len(PATHS)))
def test_no_token_is_401_with_a_challenge(archive, index):
    """RFC 9110 11.6.1."""
    target = everywhere(archive)[index]
    for token in ("Bearer nonsense", "Basic eDp5", ""):
        answer = archive.ask(target, "*/*", headers={"Authorization": token})
        assert answer.status == 401, (target, answer.describe())
        assert "www-authenticate" in answer.headers
        assert archive["ct1"].sop_instance_uid.encode() not in answer.body


@pytest.mark.parametrize("index", range(5 + len(PATHS)))
def test_a_method_that_is_not_there_is_405_with_allow(archive, index):
    """RFC 9110 15.5.6."""
    answer = archive.ask(everywhere(archive)[index], "*/*", method="PUT", body=b"")
    assert answer.status == 405, answer.describe()
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "target",
    [
        "/nonsense",
        "/studies/1.2.3/nonsense",
        "/studies/1.2.3/series/1.2.4/instances/1.2.5/frames/1/nonsense",
        "/Studies",
    ],
)
def test_an_unknown_address_is_404_with_a_reason(archive, target):
    answer = archive.ask(target, "*/*")
    assert answer.status == 404, answer.describe()
    assert b"<html" not in answer.body.lower()
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("target", ["/studies?limit=x", "/studies/1.2.3", "/studies?PatientName=%FF"])
def test_errors_are_readable(archive, target):
    answer = archive.ask(target, "*/*")
    assert answer.status in (400, 404)
    assert len(json.loads(answer.body)["error"]) > 10


@pytest.mark.parametrize("index", range(5 + len(PATHS)))
def test_a_browser_of_a_known_origin_may_ask(archive, index):
    """Fetch standard, CORS protocol: preflight, then the request itself."""
    target = everywhere(archive)[index]
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,accept,range,if-none-match",
        "Authorization": "",
    }
    preflight = archive.ask(target, "*/*", method="OPTIONS", headers=asked)
    assert preflight.status in (200, 204), preflight.describe()
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "GET" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "accept", "range"))
    answer = archive.ask(target, "*/*", headers={"Origin": ORIGIN})
    assert answer.headers.get("access-control-allow-origin") == ORIGIN, answer.describe()
    assert "origin" in answer.headers.get("vary", "").lower()


@pytest.mark.parametrize("target", ["/studies?limit=x", "/studies/1.2.3/metadata", "/nonsense"])
def test_a_browser_sees_errors_too(archive, target):
    for more in ({}, {"Authorization": "Bearer nonsense"}):
        answer = archive.ask(target, "*/*", headers={"Origin": ORIGIN} | more)
        assert answer.status >= 400
        assert answer.headers.get("access-control-allow-origin") == ORIGIN, answer.describe()


def test_a_browser_may_store(archive):
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Authorization": "",
    }
    preflight = archive.ask("/studies", "*/*", method="OPTIONS", headers=asked)
    assert preflight.status in (200, 204)
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()


def test_headers_a_viewer_reads_are_exposed(archive):
    answer = archive.ask("/studies?limit=1", "*/*", headers={"Origin": ORIGIN})
    exposed = answer.headers.get("access-control-expose-headers", "").lower()
    assert all(name in exposed for name in ("content-range", "etag", "link", "warning"))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example", "https://localhost:3000"]
)
def test_a_browser_of_another_origin_may_not(archive, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Authorization": ""}
    for answer in (
        archive.ask("/studies", "*/*", method="OPTIONS", headers=asked),
        archive.ask("/studies", "*/*", headers={"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers, answer.describe()


@pytest.mark.parametrize("target", ["/", ""])
def test_the_service_describes_itself(archive, target):
    """PS3.18 8.9, annex H: OPTIONS on the base URI is a WADL document."""
    answer = archive.ask(target, "application/vnd.sun.wadl+xml", method="OPTIONS")
    assert answer.status == 200, answer.describe()
    root = ElementTree.fromstring(answer.body)
    assert root.tag.endswith("application")
    [resources] = [node for node in root.iter() if node.tag.endswith("}resources")]
    assert resources.get("base").startswith("http")
    paths = {node.get("path") for node in root.iter() if node.tag.endswith("}resource")}
    assert any("studies" in path for path in paths)


def test_the_description_comes_as_json_on_demand(archive):
    answer = archive.ask("/", "application/json", method="OPTIONS")
    assert answer.status == 200, answer.describe()
    assert answer.json()


@pytest.mark.parametrize("index", range(5 + len(PATHS)))
def test_options_names_the_methods(archive, index):
    """RFC 9110 9.3.7."""
    answer = archive.ask(everywhere(archive)[index], "*/*", method="OPTIONS")
    assert answer.status in (200, 204), answer.describe()
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Forwarded-Proto": "https"},
    ],
)
def test_a_stranger_cannot_write_the_urls(archive, headers):
    """Only a trusted proxy names the host; a foreign Host header is refused or not repeated."""
    for target in ("/studies", archive["ct1"].path + "/metadata"):
        answer = archive.ask(target, DICOM_JSON, headers=headers)
        assert b"evil.example" not in answer.body, target
        if "X-Forwarded-Proto" in headers:
            assert b"https://127" not in answer.body


def test_every_url_in_an_answer_can_be_fetched(archive):
    """What a viewer follows has to lead somewhere."""
    seen: set[str] = set()
    for known in archive.known.values():
        for target in (
            f"{known.study_path}/series",
            f"{known.series_path}/instances",
            f"{known.path}/metadata",
        ):
            answer = archive.ask(target, DICOM_JSON)
            seen |= {url.decode() for url in re.findall(rb'"(http[^"]+)"', answer.body)}
    assert len(seen) > 20
    for url in sorted(seen):
        answer = archive.ask(url, "*/*")
        assert answer.status == 200, (url, answer.describe())


def test_answers_say_what_they_are_and_may_not_be_guessed(archive):
    for target in everywhere(archive):
        answer = archive.ask(target, "*/*")
        assert answer.headers.get("x-content-type-options") == "nosniff", target
        assert "content-type" in answer.headers, target


@pytest.mark.parametrize("accept", ["application/dicom, image/jpeg", "image/jpeg, application/dicom"])
def test_dicom_and_rendered_types_do_not_mix(archive, accept):
    """PS3.18 8.3.3.1: in the accept parameter 400; whatever comes is one of the two."""
    answer = archive.ask(archive["ct1"].path, accept)
    assert answer.status in (200, 400, 406), answer.describe()
    assert answer.status != 200 or "application/dicom" in answer.content_type


@pytest.mark.parametrize("accept", ["", ";;;", "/", "*", "a/b;q=x", "*/*;q=2", "\x01", "é/é", "a" * 9000])
def test_an_accept_that_is_none_is_refused_or_ignored(archive, accept):
    answer = archive.ask("/studies", accept)
    assert answer.status in (200, 400, 406, 431), answer.describe()
