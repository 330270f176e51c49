"""What a Store request may carry, by its Content-Type, and the parts it becomes.

Standard: PS3.18 10.5.1, PS3.18 8.6.1
"""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.wire.media_types import parse_media_type
from registry.wire.multipart_related import MultipartReader, boundary_of
from registry.wire.multipart_related import Part as BodyPart
from registry.wire.request_body import RequestBody, TruncatedBody
from repository.dicomweb.metadata_bodies import DICOM_JSON, DICOM_XML, compose_parts
from repository.dicomweb.status import UnsupportedMediaType
from repository.dicomweb.zip_bodies import unpack_parts
from repository.store import Part

DICOM = "application/dicom"
ZIP = ("application/zip", "application/x-zip-compressed")
METADATA = (DICOM_JSON[0], DICOM_XML[0])
READ_BYTES = 256 * 1024
_TAKEN = (
    'multipart/related with type "application/dicom", "application/dicom+json" or "application/dicom+xml",'
    f" or {DICOM}, {', '.join(METADATA)} or {ZIP[0]} alone"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of what a body carries, and whether it comes in parts."""

    media_type: str
    is_multipart: bool


class SinglePart:
    """A body that is one PS3.10 file."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    def chunks(self) -> Iterator[bytes]:
        """Yield the body; what arrived is checked against what was announced."""
        while piece := self._body.read(READ_BYTES):
            yield piece
        self._body.verify_length()
        if not self._body.received_bytes:
            raise TruncatedBody("the body is empty; send one PS3.10 file")


def kind_of(content_type: str, content_encoding: str = "") -> Kind:
    """Tell what a body is, before any of it is read.

    Raises
    ------
    UnsupportedMediaType
        It is nothing that can be stored, or it is compressed as a whole.

    Standard: PS3.18 10.5.1.3
    """
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(
            f"Content-Encoding {content_encoding[:40]} is not taken; send the body as it is"
        )
    if not content_type:
        raise UnsupportedMediaType(f"no Content-Type; send {_TAKEN}")
    media_type = parse_media_type(content_type)
    if media_type.name in (DICOM, *METADATA, *ZIP):
        return Kind(media_type.name, is_multipart=False)
    types = media_type.values_of("type")
    of = types[0].lower() if types else DICOM
    if media_type.name == "multipart/related" and of in (DICOM, *METADATA):
        return Kind(of, is_multipart=True)
    raise UnsupportedMediaType(f"Content-Type {content_type[:100]} is not taken; send {_TAKEN}")


def read_parts(kind: Kind, body: RequestBody, content_type: str, address: str) -> Iterator[Part]:
    """Yield what is to be stored, as it arrives or once it was spooled.

    Parameters
    ----------
    address
        The absolute URL of the request: relative names of bulk data are resolved against it.
    """
    if kind.is_multipart:
        parts = _read_multipart(body, content_type)
        yield from parts if kind.media_type == DICOM else compose_parts(parts, address)
    elif kind.media_type in ZIP:
        yield from unpack_parts(body)
    elif kind.media_type == DICOM:
        yield SinglePart(body)
    else:
        whole = BodyPart({"content-type": kind.media_type}, _views(SinglePart(body)))
        yield from compose_parts((part for part in (whole,)), address)


def _views(part: SinglePart) -> Iterator[memoryview]:
    return (memoryview(piece) for piece in part.chunks())


def _read_multipart(body: RequestBody, content_type: str) -> Iterator[BodyPart]:
    reader = MultipartReader(body.read, boundary_of(content_type))
    yield from reader
    if not reader.complete:
        raise TruncatedBody("the body ended before its closing delimiter; nothing was kept")
    body.verify_length()
