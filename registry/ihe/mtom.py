"""MTOM/XOP: a SOAP message whose bytes travel as parts of their own, read and written in constant memory.

Standard: W3C XOP 1.0, W3C MTOM, RFC 2387, RFC 2392
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from registry.ihe.faults import sender_fault
from registry.ihe.namespaces import XOP
from registry.ihe.xml import MAX_XML_BYTES, Element
from registry.wire.media_types import MediaRange
from registry.wire.multipart_related import (
    MultipartReader,
    Part,
    close_delimiter,
    frame_part,
    new_boundary,
)

MAX_PARTS = 1000
INCLUDE = f"{{{XOP}}}Include"
XOP_TYPE = "application/xop+xml"
SOAP_TYPE = "application/soap+xml"
JOIN_BYTES = 64 * 1024
"""A shorter block goes out together with the headers before it."""

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Attachment:
    """The bytes of one document of a request, wherever its keeper put them (`key`)."""

    key: str
    size_bytes: int
    sha1: bytes = field(repr=False)
    sha256: bytes = field(repr=False)


Keep = Callable[[Iterable[Buffer]], Attachment]
"""Takes the bytes of one attachment in pieces, once, and says what it made of them."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attachment of an answer: the Content-ID that its `xop:Include` names, and its bytes."""

    content_id: str
    mime_type: str
    pieces: Iterator[bytes]


def read_package(
    reader: MultipartReader, content_type: MediaRange, keep: Keep, take_root: Callable[[bytes], None]
) -> dict[str, Attachment]:
    """Read a package to its end; returns its attachments by Content-ID.

    The root part goes to `take_root` as soon as it was read, normally before any attachment is.

    Raises
    ------
    SoapFault
        The package breaks a rule of XOP. What `take_root`, `keep` and the reader raise is passed on.
    """
    start = _strip_id((content_type.values_of("start") or ("",))[0])
    attachments: dict[str, Attachment] = {}
    has_root = False
    for number, part in enumerate(reader):
        content_id = _strip_id(part.headers.get("content-id", ""))
        if not has_root and (content_id == start if start else number == 0):
            take_root(_read_root(part))
            has_root = True
        elif content_id and content_id in attachments:
            raise sender_fault(f"two parts have the Content-ID {content_id[:100]}")
        else:
            attachment = keep(_decode(part))
            attachments[content_id or f" {number}"] = attachment
    if not has_root:
        raise sender_fault(f"no part has the Content-ID {start[:100]} that the start parameter names")
    return attachments


def find_includes(body: Element) -> Iterator[tuple[Element, str]]:
    """Yield each `xop:Include` of a body with the Content-ID that it names, as it is written.

    Raises
    ------
    SoapFault
        One names something else than a part of the message, or stands beside other content.
    """
    for include in body.iter(INCLUDE):
        reference = (include.get("href") or "").strip()
        if reference[:4].lower() != "cid:":
            raise sender_fault(f"xop:Include refers to {reference[:100]!r}; a cid: of this message is taken")
        parent = include.getparent()
        if parent is None or len(parent) != 1 or (parent.text or "").strip() or (include.tail or "").strip():
            raise sender_fault("an xop:Include is not the only content of its element")
        yield include, reference[4:]


def decode_inline(element: Element) -> bytes:
    """Decode the base64 text of an element.

    Raises
    ------
    SoapFault
        It is no base64, or holds other elements.
    """
    if len(element):
        raise sender_fault("the content of a document is neither base64 text nor one xop:Include")
    text = "".join((element.text or "").split())
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise sender_fault(f"the content of a document is no base64: {error}") from error


def package_type(boundary: str, root_id: str, action: str) -> str:
    """Return the Content-Type of a package."""
    return (
        f'multipart/related; type="{XOP_TYPE}"; boundary="{boundary}"; start="<{root_id}>";'
        f' start-info="{SOAP_TYPE}"; action="{action}"'
    )


def write_package(
    boundary: str, root_id: str, root: bytes, attachments: Iterable[Outgoing]
) -> Iterator[bytes]:
    """Write a package; one block of an attachment is in memory at a time."""
    content_type = f'{XOP_TYPE}; charset=UTF-8; type="{SOAP_TYPE}"'
    yield frame_part(boundary, content_type, content_id=root_id, first=True) + root
    for attachment in attachments:
        head = frame_part(boundary, attachment.mime_type, content_id=attachment.content_id)
        block = next(attachment.pieces, b"")
        if len(block) <= JOIN_BYTES:
            yield head + block
        else:
            yield head
            yield block
        yield from attachment.pieces
    yield close_delimiter(boundary)


def new_content_id() -> str:
    """Make a Content-ID that nothing else has, and that reads the same percent-decoded."""
    return f"{new_boundary()}@samsyn"


def _read_root(part: Part) -> bytes:
    pieces, size = [], 0
    for piece in _decode(part):
        size += len(piece)
        if size > MAX_XML_BYTES:
            raise sender_fault(f"the root part is longer than {MAX_XML_BYTES} bytes", status=413)
        pieces.append(bytes(piece))
    return b"".join(pieces)


def _decode(part: Part) -> Iterator[Buffer]:
    """Give the content of a part as it was before its transfer encoding."""
    encoding = part.headers.get("content-transfer-encoding", "binary").strip().lower()
    if encoding in ("binary", "8bit", "7bit"):
        return part.chunks()
    if encoding == "base64":
        return _decode_base64(part.chunks())
    raise sender_fault(f"the transfer encoding {encoding[:40]!r} of a part is not taken; send binary")


def _decode_base64(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        text = held + b"".join(bytes(piece).split())
        whole = len(text) - len(text) % 4
        held = text[whole:]
        if whole:
            yield _b64decode(text[:whole])
    if held:
        yield _b64decode(held)


def _b64decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise sender_fault(f"a part that is said to be base64 is not: {error}") from error


def _strip_id(text: str) -> str:
    """Return a Content-ID without its angle brackets."""
    return text.strip().removeprefix("<").removesuffix(">")


def _unquote_id(text: str) -> str:
    return _strip_id(unquote(text.strip(), errors="replace"))


def discard(pieces: Iterable[Buffer]) -> Attachment:
    """Read an attachment and keep nothing of it: for requests that carry no documents."""
    size = sum(len(piece) for piece in pieces)
    return Attachment("", size, b"", b"")


def resolve(body: Element, attachments: Mapping[str, Attachment]) -> dict[Element, Attachment]:
    """Hold every `xop:Include` of a body against the parts; returns what belongs to which element.

    Raises
    ------
    SoapFault
        An `xop:Include` names no part of this message, or two name the same.
    """
    found: dict[Element, Attachment] = {}
    used: set[str] = set()
    for include, written in find_includes(body):
        # Apache CXF writes the Content-ID itself percent-encoded: as it stands, then decoded.
        content_id = next(
            (i for i in (_strip_id(written), _unquote_id(written)) if i in attachments), written
        )
        if content_id not in attachments:
            raise sender_fault(f"no part of the message has the Content-ID {content_id[:100]}")
        if content_id in used:
            raise sender_fault(f"the part {content_id[:100]} is included twice")
        used.add(content_id)
        found[include.getparent()] = attachments[content_id]
    return found
