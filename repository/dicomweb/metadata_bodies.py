"""Store bodies that are metadata with bulk data beside it: metadata read, bulk data spooled, instances composed.

A BulkDataURI is looked for among the parts of the request and nowhere else.

Standard: PS3.18 10.5.1, PS3.18 8.7.3.3, PS3.18 F
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

import orjson
from django.conf import settings

from registry.wire.dicom_xml import MalformedDicomXml, dicom_json_of_xml
from registry.wire.media_types import parse_media_type
from registry.wire.multipart_related import Part as BodyPart
from registry.wire.request_body import BodyTooLarge
from repository.bulk_parts import BulkPart
from repository.composed import compose_file
from repository.dicomweb.status import MalformedStoreBody
from repository.header.errors import Part10Error
from repository.received_pixels import OCTET_STREAM, MisfitBulkData

DICOM_JSON = ("application/dicom+json", "application/json")
DICOM_XML = ("application/dicom+xml", "application/xml", "text/xml")
MAX_METADATA_BYTES = 32 << 20
MAX_BULK_PARTS = 100_000
SHARED_BYTES = 16 << 20
"""How much larger than twice the request all its instances may become by sharing bulk data."""


class MalformedMetadata(MalformedStoreBody):
    """The metadata of a Store request cannot be read; the message says why."""


class UnusedBulkData(Part10Error):
    """A bulk part that no BulkDataURI of the metadata names."""


@dataclass(slots=True)
class _Spooled:
    """What one request brought: data sets, bulk parts by name."""

    base: str
    spool: IO[bytes]
    data_sets: list[Any] = field(default_factory=list)
    named: dict[str, list[BulkPart]] = field(default_factory=dict)
    names: list[tuple[str, ...]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    metadata_bytes: int = 0
    allowance_bytes: int = 0

    def find_bulk(self, uri: str) -> Sequence[BulkPart]:
        """Return the parts that a BulkDataURI names, as it stands or resolved against the request's address."""
        for name in (uri, urljoin(self.base, uri)):
            if name in self.named:
                self.used.add(name)
                return self.named[name]
        return ()

    def spend(self, size_bytes: int) -> None:
        """Count what is composed, so that shared bulk data cannot grow a small request without end."""
        self.allowance_bytes -= size_bytes
        if self.allowance_bytes < 0:
            raise MisfitBulkData(
                "the instances share so much bulk data that they grow beyond twice the request"
            )


@dataclass(frozen=True, slots=True)
class _ComposedPart:
    """One instance of the metadata as a PS3.10 file."""

    data_set: Any
    spooled: _Spooled

    def chunks(self) -> Iterator[bytes]:
        """Yield the file; raises `Part10Error` where it cannot be composed."""
        for piece in compose_file(self.data_set, self.spooled.find_bulk):
            self.spooled.spend(len(piece))
            yield piece


@dataclass(frozen=True, slots=True)
class _FailedPart:
    """A part of the request that is no instance."""

    error: Part10Error

    def chunks(self) -> Iterator[bytes]:
        """Raise what is wrong with it."""
        raise self.error


Part = _ComposedPart | _FailedPart


def compose_parts(parts: Iterator[BodyPart], base: str) -> Iterator[Part]:
    """Yield the instances that metadata and bulk parts make, then the bulk parts that nobody named.

    The whole body is read before the first one: bulk data lies in a spool file, of which the parts read.

    Parameters
    ----------
    parts
        The parts of the body in any order; its end is checked by whoever makes them.
    base
        The absolute address of the request, for relative names.

    Raises
    ------
    MalformedMetadata, BodyTooLarge
        Nothing of the request can be taken.

    Standard: PS3.18 10.5.1
    """
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.SPOOL_ROOT) as spool:
        spooled = _Spooled(base, spool)
        for part in parts:
            _take_part(spooled, part)
        spool.flush()
        if not spooled.data_sets:
            raise MalformedMetadata("the body holds no metadata; send it as application/dicom+json or +xml")
        spooled.allowance_bytes = SHARED_BYTES + 2 * (spooled.metadata_bytes + spool.tell())
        for data_set in spooled.data_sets:
            yield _ComposedPart(data_set, spooled)
        for names in spooled.names:
            if not spooled.used.intersection(names):
                text = f"no BulkDataURI of the metadata names the bulk part {names[0][:200]}"
                yield _FailedPart(UnusedBulkData(text))


def _take_part(spooled: _Spooled, part: BodyPart) -> None:
    media_type = parse_media_type(part.headers.get("content-type", OCTET_STREAM))
    readers: dict[str, Callable[[bytes], list[Any]]] = {
        **dict.fromkeys(DICOM_JSON, read_json),
        **dict.fromkeys(DICOM_XML, read_xml),
    }
    location = part.headers.get("content-location", "").strip()
    content_id = part.headers.get("content-id", "").strip(" <>")
    # An XML document with a name is bulk data, such as a CDA; metadata has none.
    if media_type.name in readers and not location and not (content_id and media_type.name == "text/xml"):
        spooled.data_sets += readers[media_type.name](_read_metadata(spooled, part))
        return
    names = tuple(
        filter(
            None, (location, location and urljoin(spooled.base, location), content_id and f"cid:{content_id}")
        )
    )
    if not names:
        raise MalformedMetadata(f"a part of type {media_type.name} has no Content-Location to find it by")
    if len(spooled.names) == MAX_BULK_PARTS:
        raise BodyTooLarge(f"more than {MAX_BULK_PARTS} bulk parts; split the request")
    syntaxes = media_type.values_of("transfer-syntax")
    bulk = _spool(spooled, part, media_type.name, syntaxes[0] if syntaxes else "")
    spooled.names.append(names)
    for name in dict.fromkeys(names):
        spooled.named.setdefault(name, []).append(bulk)


def _read_metadata(spooled: _Spooled, part: BodyPart) -> bytes:
    pieces = []
    for piece in part.chunks():
        spooled.metadata_bytes += len(piece)
        if spooled.metadata_bytes > MAX_METADATA_BYTES:
            raise BodyTooLarge(f"the metadata is longer than {MAX_METADATA_BYTES} bytes; split the request")
        pieces.append(bytes(piece))
    return b"".join(pieces)


def _spool(spooled: _Spooled, part: BodyPart, media_type: str, transfer_syntax_uid: str) -> BulkPart:
    offset = end = spooled.spool.tell()
    for piece in part.chunks():
        end += len(piece)
        if end - offset > settings.MAX_INSTANCE_BYTES:
            raise BodyTooLarge(f"a bulk part is longer than {settings.MAX_INSTANCE_BYTES} bytes")
        spooled.spool.write(piece)
    spooled.spool.flush()
    return BulkPart(spooled.spool.fileno(), offset, end - offset, media_type, transfer_syntax_uid)


def read_json(document: bytes) -> list[Any]:
    """Read the data sets of a DICOM JSON document: an array, or one alone.

    Raises
    ------
    MalformedMetadata
        It is no JSON, or neither of the two.
    """
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise MalformedMetadata(f"the metadata is no JSON: {error}") from error
    data_sets = parsed if isinstance(parsed, list) else [parsed]
    if not data_sets or not all(isinstance(data_set, dict) for data_set in data_sets):
        raise MalformedMetadata("the metadata is no array of data sets")
    return data_sets


def read_xml(document: bytes) -> list[Any]:
    """Read the one data set of a Native DICOM Model document.

    Raises
    ------
    MalformedMetadata
        It is none.
    """
    try:
        return [dicom_json_of_xml(document)]
    except MalformedDicomXml as error:
        raise MalformedMetadata(f"the metadata cannot be read: {error}") from error
