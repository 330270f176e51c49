"""A SOAP request is read and answered: simple SOAP 1.2, or MTOM/XOP with the bytes of documents beside it.

Standard: IHE ITI TF-2x appendix V, W3C SOAP 1.2, W3C MTOM
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from registry.ihe.envelope import Envelope, find_message_id, make_envelope, make_fault, read_envelope
from registry.ihe.faults import SoapFault, sender_fault
from registry.ihe.mtom import (
    MAX_PARTS,
    SOAP_TYPE,
    XOP_TYPE,
    Attachment,
    Keep,
    Outgoing,
    decode_inline,
    new_content_id,
    package_type,
    read_package,
    resolve,
    write_package,
)
from registry.ihe.xml import MAX_XML_BYTES, Element, MalformedXml, parse_xml, write_xml
from registry.wire.media_types import MalformedMediaType, MediaRange, parse_media_type
from registry.wire.multipart_related import (
    MalformedMultipart,
    MissingBoundary,
    MultipartReader,
    boundary_of,
    new_boundary,
)
from registry.wire.request_body import BodyTooLarge, InvalidContentLength, TruncatedBody

READ_BYTES = 64 * 1024
_XML_TYPES = (SOAP_TYPE, XOP_TYPE, "text/xml", "application/xml")


class Body(Protocol):
    """Where the bytes of a request come from, such as `RequestBody`."""

    def read(self, size_bytes: int, /) -> bytes: ...

    def verify_length(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SoapRequest:
    """A request that was read to its end.

    `is_package` tells whether it came as MTOM; `contents` are the attachments by the element whose content
    they are.
    """

    envelope: Envelope
    is_package: bool = False
    contents: Mapping[Element, Attachment] = field(default_factory=dict)

    def content_of(self, element: Element, keep: Keep) -> Attachment:
        """Return the bytes of an element, as they came beside the envelope or as base64 within it.

        Raises
        ------
        SoapFault
            The element holds neither.
        """
        found = self.contents.get(element)
        return found if found is not None else keep([decode_inline(element)])


@dataclass(frozen=True, slots=True)
class SoapAnswer:
    """What goes back: the HTTP status, the Content-Type and the body in pieces."""

    status: int
    content_type: str
    pieces: Iterable[bytes]
    is_package: bool = False


@dataclass(slots=True)
class RequestReader:
    """One request on its way in; `message_id` is known as soon as the envelope was read, whatever fails after.

    Parameters
    ----------
    content_type
        The header of the request as it came.
    keep
        What is done with the bytes of each attachment.
    admit
        Called with the envelope before the attachments behind it are read; what it raises ends the reading.
    """

    content_type: str
    body: Body
    keep: Keep
    admit: Callable[[Envelope], None] = lambda _: None
    message_id: str = ""

    def read(self) -> SoapRequest:
        """Read the request to its end.

        Raises
        ------
        SoapFault
            Whatever is wrong with it as a message.
        """
        try:
            return self._read()
        except (MalformedXml, MalformedMultipart, MissingBoundary, TruncatedBody) as error:
            raise sender_fault(str(error)) from error
        except InvalidContentLength as error:
            raise sender_fault(str(error)) from error
        except BodyTooLarge as error:
            raise sender_fault(str(error), status=413) from error

    def _read(self) -> SoapRequest:
        media_type = self._read_media_type()
        if media_type.name != "multipart/related":
            envelope = self._open_envelope(self._read_simple(), media_type)
            return SoapRequest(envelope, contents=resolve(envelope.body, {}))
        reader = MultipartReader(self.body.read, boundary_of(self.content_type), max_parts=MAX_PARTS)
        envelopes: list[Envelope] = []
        attachments = read_package(
            reader,
            media_type,
            self.keep,
            lambda root: envelopes.append(self._open_envelope(root, media_type)),
        )
        self.body.verify_length()
        body = envelopes[0].body
        return SoapRequest(envelopes[0], is_package=True, contents=resolve(body, attachments))

    def _read_media_type(self) -> MediaRange:
        try:
            media_type = parse_media_type(self.content_type)
        except MalformedMediaType as error:
            raise sender_fault(f"the Content-Type cannot be read: {error}", status=415) from error
        if media_type.name not in (*_XML_TYPES, "multipart/related"):
            raise sender_fault(
                f"the Content-Type {media_type.name[:80]} is not taken; send {SOAP_TYPE},"
                f' or multipart/related with type="{XOP_TYPE}"',
                status=415,
            )
        return media_type

    def _read_simple(self) -> bytes:
        pieces, size = [], 0
        while piece := self.body.read(READ_BYTES):
            size += len(piece)
            if size > MAX_XML_BYTES:
                raise sender_fault(f"the message is longer than {MAX_XML_BYTES} bytes", status=413)
            pieces.append(piece)
        self.body.verify_length()
        return b"".join(pieces)

    def _open_envelope(self, document: bytes, media_type: MediaRange) -> Envelope:
        root = parse_xml(document)
        self.message_id = find_message_id(root)
        envelope = read_envelope(root, (media_type.values_of("action") or ("",))[0])
        self.admit(envelope)
        return envelope


def answer_simple(action: str, relates_to: str, body: Element) -> SoapAnswer:
    """Make an answer without attachments, as one document."""
    document = write_xml(make_envelope(action, relates_to, body))
    return SoapAnswer(200, f'{SOAP_TYPE}; charset=UTF-8; action="{action}"', [document])


def answer_package(
    action: str, relates_to: str, body: Element, attachments: Iterable[Outgoing] = ()
) -> SoapAnswer:
    """Make an answer as MTOM/XOP, streamed: an attachment is read when its turn comes.

    Every answer has a boundary of its own that nobody can have stored.
    """
    boundary, root_id = new_boundary(), new_content_id()
    root = write_xml(make_envelope(action, relates_to, body))
    pieces: Iterator[bytes] = write_package(boundary, root_id, root, attachments)
    return SoapAnswer(200, package_type(boundary, root_id, action), pieces, is_package=True)


def answer_fault(fault: SoapFault, relates_to: str = "") -> SoapAnswer:
    """Make the answer for a message that cannot be taken: always one document, whatever the request was."""
    document = write_xml(make_fault(fault, relates_to))
    content_type = f'{SOAP_TYPE}; charset=UTF-8; action="{fault.action}"'
    return SoapAnswer(fault.status, content_type, [document])
