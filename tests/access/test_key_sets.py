"""The keys of an issuer come from its address: over a real connection, within limits, and not asked for at every turn."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from access.address import ForbiddenAddress
from access.fetching import MAX_BYTES, UnfetchableDocument, fetch_json
from access.key_sets import UnknownKey, find_key, forget_keys
from access.models import TokenIssuer
from tests.access.tokens import ISSUER, Signer


@dataclass(slots=True)
class KeyServer:
    """A server of documents, by path; counts what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    delay_s: float = 0.0

    def put(self, path, document):
        self.answers[path] = (200, {}, json.dumps(document).encode())


@pytest.fixture
def server() -> Iterator[KeyServer]:
    state = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            status, headers, body = state.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(body), 1 << 16):
                time.sleep(state.delay_s)
                try:
                    self.wfile.write(body[start : start + (1 << 16)])
                except OSError:
                    return

        def log_message(self, *args):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    forget_keys()
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()
    forget_keys()


def make_issuer(url):
    return TokenIssuer(name="Region", issuer=ISSUER, audience="x", jwks_url=url)


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("access.key_sets.time.monotonic", lambda: now[0])
    return now


def test_keys_are_fetched_once_and_again_when_they_are_old_or_unknown(server, clock):
    one, two = Signer("one"), Signer("two")
    server.put("/jwks", {"keys": [one.public_jwk()]})
    issuer = make_issuer(f"{server.url}/jwks")
    for _ in range(3):
        assert find_key(issuer, "one").kid == "one"
    assert len(server.asked) == 1
    with pytest.raises(UnknownKey):
        find_key(issuer, "two")  # a moment after the fetch: nobody is asked again
    assert len(server.asked) == 1
    server.put("/jwks", {"keys": [two.public_jwk()]})
    clock[0] += 31
    assert find_key(issuer, "two").kid == "two"
    assert len(server.asked) == 2
    clock[0] += 301
    with pytest.raises(UnknownKey):
        find_key(issuer, "one")
    assert len(server.asked) == 3


def test_an_issuer_that_does_not_answer_keeps_its_keys_and_is_left_in_peace(server, clock):
    server.put("/jwks", {"keys": [Signer("one").public_jwk()]})
    issuer = make_issuer(f"{server.url}/jwks")
    find_key(issuer, "one")
    server.answers.clear()
    clock[0] += 400
    for _ in range(5):
        assert find_key(issuer, "one").kid == "one"
    assert len(server.asked) == 2


@pytest.mark.parametrize("document", [[], {}, {"keys": {}}, {"keys": [1]}, {"keys": []}, "keys", None])
def test_what_is_no_key_set_gives_no_key(server, document):
    server.put("/jwks", document)
    with pytest.raises(UnknownKey):
        find_key(make_issuer(f"{server.url}/jwks"), "one")


def fetch(url, allow_private=True):
    return fetch_json(url, allow_private=allow_private, setting="SAMSYN_ALLOW_PRIVATE_ISSUERS")


def test_a_document_comes_with_its_query(server):
    server.put("/jwks?tenant=1", {"a": 1})
    assert fetch(f"{server.url}/jwks?tenant=1") == {"a": 1}


def test_redirects_are_not_followed(server):
    server.put("/inside", {"secret": 1})
    server.answers["/jwks"] = (302, {"Location": f"{server.url}/inside"}, b"")
    with pytest.raises(UnfetchableDocument, match="302"):
        fetch(f"{server.url}/jwks")
    assert server.asked == ["/jwks"]


def test_large_and_slow_documents_are_cut(server, monkeypatch):
    server.answers["/big"] = (200, {}, b" " * (MAX_BYTES + 2))
    with pytest.raises(UnfetchableDocument, match="more than"):
        fetch(f"{server.url}/big")
    server.answers["/slow"] = (200, {}, b" " * (MAX_BYTES - 1))
    server.delay_s = 0.1
    monkeypatch.setattr("access.fetching.TIMEOUT_S", 0.5)
    with pytest.raises(UnfetchableDocument):
        fetch(f"{server.url}/slow")


def test_nothing_inside_is_asked_by_accident(server):
    server.put("/jwks", {})
    with pytest.raises(ForbiddenAddress, match="SAMSYN_ALLOW_PRIVATE_ISSUERS"):
        fetch(f"{server.url}/jwks", allow_private=False)
    for url in (
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "http://u:p@127.0.0.1/",
        "gopher://x/",
    ):
        with pytest.raises(ForbiddenAddress):
            fetch(url)
    with pytest.raises(ForbiddenAddress, match="https"):
        fetch("http://193.0.6.139/jwks", allow_private=False)
    assert server.asked == []


def test_an_answer_that_is_no_json_or_no_answer_is_said(server):
    server.answers["/text"] = (200, {}, b"<html>")
    with pytest.raises(UnfetchableDocument, match="no JSON"):
        fetch(f"{server.url}/text")
    with pytest.raises(UnfetchableDocument):
        fetch("http://127.0.0.1:9/jwks")
