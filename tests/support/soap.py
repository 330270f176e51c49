"""SOAP messages as other systems write them: the envelope as text, the package by requests-toolbelt."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from requests_toolbelt.multipart.decoder import MultipartDecoder

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
XOP = "http://www.w3.org/2004/08/xop/include"
NAMESPACES = {"s": SOAP, "a": WSA, "xop": XOP}


def make_envelope(
    action: str | None, body: str, *, header: str = "", soap: str = SOAP, message_id: str = "urn:uuid:1"
) -> bytes:
    """Write an envelope around a body."""
    stated = f'<a:Action s:mustUnderstand="1">{action}</a:Action>' if action else ""
    identified = f"<a:MessageID>{message_id}</a:MessageID>" if message_id else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{soap}" xmlns:a="{WSA}"><s:Header>{stated}'
        f"{identified}<a:To>http://localhost/</a:To>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def include(content_id: str) -> str:
    """Write an xop:Include."""
    return f'<xop:Include xmlns:xop="{XOP}" href="cid:{content_id}"/>'


def make_package(
    root: bytes,
    attachments: dict[str, bytes] | None = None,
    boundary: str = "MIME_boundary",
    *,
    root_id: str = "root@test",
) -> tuple[bytes, str]:
    """Write a package by hand, with any boundary; returns the body and its Content-Type."""
    b = boundary.encode()
    pieces = [
        b"--" + b + b'\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        b"Content-Transfer-Encoding: binary\r\nContent-ID: <"
        + root_id.encode()
        + b">\r\n\r\n"
        + root
        + b"\r\n"
    ]
    for content_id, data in (attachments or {}).items():
        pieces.append(
            b"--" + b + b"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
            b"Content-ID: <" + content_id.encode() + b">\r\n\r\n" + data + b"\r\n"
        )
    pieces.append(b"--" + b + b"--\r\n")
    return b"".join(pieces), package_type(boundary, root_id)


def package_type(boundary: str, root_id: str = "root@test") -> str:
    """Write the Content-Type of a package."""
    return (
        f'multipart/related; boundary="{boundary}"; type="application/xop+xml";'
        f' start="<{root_id}>"; start-info="application/soap+xml"'
    )


@dataclass
class Reply:
    """An answer as requests-toolbelt and lxml read it."""

    status: int
    content_type: str
    root: Any
    parts: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def is_package(self) -> bool:
        """True for MTOM."""
        return self.content_type.startswith("multipart/related")

    def text(self, path: str) -> str | None:
        """Return the text at a path below the envelope."""
        found = self.root.find(path, NAMESPACES)
        return None if found is None else str(found.text)

    @property
    def action(self) -> str | None:
        """The wsa:Action."""
        return self.text("s:Header/a:Action")

    @property
    def relates_to(self) -> str | None:
        """The MessageID that is answered."""
        return self.text("s:Header/a:RelatesTo")

    @property
    def body(self):
        """The one element of the body."""
        [child] = self.root.find("s:Body", NAMESPACES)
        return child

    @property
    def fault(self) -> str | None:
        """The local name of the fault code, None without fault."""
        code = self.text("s:Body/s:Fault/s:Code/s:Value")
        return code and code.split(":")[1]

    @property
    def subcode(self) -> str | None:
        """The local name of the first subcode."""
        code = self.text("s:Body/s:Fault/s:Code/s:Subcode/s:Value")
        return code and code.split(":")[1]

    def content_of(self, element) -> bytes:
        """Return the bytes that an element includes."""
        [included] = element
        assert included.tag == f"{{{XOP}}}Include"
        return self.parts[included.get("href").removeprefix("cid:")]


def read_reply(status: int, content_type: str, body: bytes) -> Reply:
    """Read an answer, simple or MTOM."""
    if not content_type.startswith("multipart/"):
        return Reply(status, content_type, etree.fromstring(body))
    parts, types, roots = {}, {}, []
    for part in MultipartDecoder(body, content_type).parts:
        kind = part.headers[b"Content-Type"].decode()
        content_id = part.headers[b"Content-ID"].decode().strip("<>")
        if kind.startswith("application/xop+xml"):
            roots.append(etree.fromstring(part.content))
        else:
            parts[content_id], types[content_id] = part.content, kind
    [root] = roots
    return Reply(status, content_type, root, parts, types)


def read_response(response) -> Reply:
    """Read an answer of Django's test client."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return read_reply(response.status_code, response.headers["Content-Type"], body)


def new_uuid() -> str:
    """Make a UUID as metadata writes it."""
    return f"urn:uuid:{uuid.uuid4()}"
