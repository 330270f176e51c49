"""HTTP as PS3.18 sees it: raw targets and headers out, whole answers in, multipart bodies read strictly.

Standard: PS3.18 8.6.1.2, RFC 2046 5.1.1, RFC 2387
"""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One body part: headers by lower-case name, content."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The Content-Type as it stands."""
        return self.headers.get("content-type", "")

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body read as UTF-8 JSON."""
        return json.loads(self.body.decode("utf-8"))

    def parameter(self, name: str) -> str:
        """Return a parameter of the Content-Type without quotes, or nothing."""
        return find_parameter(self.content_type, name)

    def parts(self) -> list[Part]:
        """Return the parts of a multipart/related body; anything loose in its framing is an error."""
        return read_multipart(self.content_type, self.body)

    def describe(self) -> str:
        """Return what an assertion should show."""
        return f"answered {self.status} {self.content_type} {self.body[:300]!r}"


@dataclass(slots=True)
class Wire:
    """One keep-alive connection to a server, with the headers that every request carries."""

    base: str
    headers: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        target: str,
        accept: str | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request and return the answer.

        Parameters
        ----------
        target
            What follows the base; sent as it is.
        accept
            The Accept header; without one, none is sent.
        """
        sent = dict(self.headers) | ({"Accept": accept} if accept is not None else {}) | dict(headers or {})
        url = target if target.startswith("http") else self.base + target
        split = urlsplit(url)
        path = url[len(f"{split.scheme}://{split.netloc}") :]
        for attempt in (1, 2):
            connection = self._connect(split.netloc)
            try:
                connection.putrequest(method, path or "/", skip_accept_encoding=True)
                if body is not None:
                    connection.putheader("Content-Length", str(len(body)))
                for name, value in sent.items():
                    connection.putheader(name, value.encode("utf-8"))
                connection.endheaders(body)
                answer = connection.getresponse()
                received = Reply(answer.status, _join(answer.getheaders()), answer.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if attempt == 2:
                    raise
                continue
            if answer.will_close:
                self.close()
            return received
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, authority: str) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(authority, timeout=60)
        return self._connection


def _join(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Join repeated headers as RFC 9110 5.3 allows."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def find_parameter(content_type: str, name: str) -> str:
    """Return a parameter of a media type without quotes, or nothing."""
    found = re.search(rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^;\s]+))', content_type, re.IGNORECASE)
    return (found.group(1) or found.group(2)) if found else ""


def read_multipart(content_type: str, body: bytes) -> list[Part]:
    """Cut a multipart/related body into its parts: CRLF everywhere, a close delimiter, headers before each content."""
    assert content_type.lower().startswith("multipart/related"), f"not multipart/related: {content_type}"
    boundary = find_parameter(content_type, "boundary")
    assert 0 < len(boundary) <= 70, f"boundary of 1 to 70 characters: {content_type}"
    delimiter = b"--" + boundary.encode()
    assert body.startswith((delimiter + CRLF, CRLF + delimiter + CRLF)), f"first delimiter: {body[:80]!r}"
    pieces = (b"" if body.startswith(CRLF) else CRLF) + body
    head, *parts, tail = pieces.split(CRLF + delimiter)
    assert head == b""
    assert tail in (b"--", b"--" + CRLF), f"close delimiter: {tail[:80]!r}"
    return [_read_part(part) for part in parts]


def _read_part(part: bytes) -> Part:
    assert part.startswith(CRLF), f"CRLF after the delimiter: {part[:40]!r}"
    head, separator, content = part[2:].partition(CRLF + CRLF)
    assert separator, "an empty line between headers and content"
    lines = head.decode("ascii").split("\r\n")
    assert all("\n" not in line for line in lines)
    pairs = [line.partition(":") for line in lines]
    return Part({name.strip().lower(): value.strip() for name, _, value in pairs}, content)


def write_multipart(parts: list[Part], boundary: str) -> bytes:
    """Write parts as a multipart body."""
    pieces = []
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        pieces.append(f"--{boundary}\r\n{head}\r\n".encode() + part.body + CRLF)
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def value_of(dataset: dict[str, Any], tag: str) -> Any:
    """Return the first value of an element of DICOM JSON, or None."""
    values = dataset.get(tag, {}).get("Value", [])
    return values[0] if values else None


def values_of(dataset: dict[str, Any], tag: str) -> list[Any]:
    """Return all values of an element of DICOM JSON."""
    found: list[Any] = dataset.get(tag, {}).get("Value", [])
    return found
