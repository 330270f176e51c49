"""A segment while it is written: the instances of one series in one pack and their metadata document."""

from dataclasses import dataclass, field

import orjson
import zstandard

from registry.facts import InstanceFacts, SeriesFacts, instance_facts
from registry.received import ReceivedInstance, ReceivedSegment
from repository.frames import FrameTable
from repository.header.model import Header

ZSTD_LEVEL = 3
MAX_PENDING_BYTES = 64 << 10
MAX_IDLE_COMPRESSORS = 8
SEPARATOR = b",\n"


@dataclass(frozen=True, slots=True)
class PreparedInstance:
    """What is kept of a header once it was read: small, so that a request of any size fits."""

    facts: InstanceFacts
    series: SeriesFacts
    transfer_syntax_uid: str
    json: bytes
    pixel_offset: int | None
    frame_table: bytes | None
    bulk_table: bytes | None
    warnings: tuple[str, ...]


def prepare_instance(
    header: Header, series: SeriesFacts, frames: FrameTable | None, findings: tuple[str, ...] = ()
) -> PreparedInstance:
    """Take out of a header what the rows need; `findings` join its warnings."""
    bulk = [[v.path, v.offset, v.length, v.vr] for v in header.bulk_values]
    return PreparedInstance(
        facts=instance_facts(header.attributes),
        series=series,
        transfer_syntax_uid=header.transfer_syntax_uid,
        json=header.json,
        pixel_offset=header.pixel.value_offset if header.pixel else None,
        frame_table=frames.to_bytes() if frames else None,
        bulk_table=orjson.dumps(bulk) if bulk else None,
        warnings=header.warnings + findings,
    )


@dataclass(slots=True)
class DocumentBuilder:
    """A metadata document while it grows: DICOM JSON of one instance after the other.

    A small one is compressed at once when it is whole, a large one as it comes.
    """

    _length: int = 0
    _pending: list[bytes] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _stream: "zstandard.ZstdCompressionObj | None" = None

    def add(self, json: bytes) -> int:
        """Append the JSON of one instance; returns where it begins in the unpacked document."""
        if self._length:
            self._write(SEPARATOR)
        start = self._length
        self._write(json)
        return start

    def finish(self) -> bytes:
        """Return the whole document as zstd."""
        if self._stream is None:
            return _compress(b"".join(self._pending))
        self._pieces.append(self._stream.flush())
        return b"".join(self._pieces)

    def _write(self, data: bytes) -> None:
        self._length += len(data)
        if self._stream is None:
            self._pending.append(data)
            if self._length <= MAX_PENDING_BYTES:
                return
            self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
            data = b"".join(self._pending)
            self._pending.clear()
        self._pieces.append(self._stream.compress(data))


_compressors: list[zstandard.ZstdCompressor] = []
"""Idle ones: making one costs several times what it costs to compress a small document. No two threads share one."""


def _compress(document: bytes) -> bytes:
    try:
        compressor = _compressors.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_content_size=False)
    packed = compressor.compress(document)
    if len(_compressors) < MAX_IDLE_COMPRESSORS:
        _compressors.append(compressor)
    return packed


@dataclass(slots=True)
class SegmentBuilder:
    """Grows by one instance at a time."""

    facts: SeriesFacts
    instances: list[ReceivedInstance] = field(default_factory=list)
    has_bulk_uris: bool = False
    _document: DocumentBuilder = field(default_factory=DocumentBuilder)

    def add(self, prepared: PreparedInstance, offset: int, length: int, sha256: bytes) -> None:
        """Append an instance that lies at `offset` of the pack."""
        start = self._document.add(prepared.json)
        self.has_bulk_uris = self.has_bulk_uris or prepared.bulk_table is not None
        self.instances.append(
            ReceivedInstance(
                facts=prepared.facts,
                series_instance_uid=prepared.series.series_instance_uid,
                transfer_syntax_uid=prepared.transfer_syntax_uid,
                offset=offset,
                length=length,
                sha256=sha256,
                pixel_offset=prepared.pixel_offset,
                frame_table=prepared.frame_table,
                bulk_table=prepared.bulk_table,
                metadata_offset=start,
                metadata_length=len(prepared.json),
            )
        )

    def finish(self) -> ReceivedSegment:
        """Return the segment with its whole document."""
        return ReceivedSegment(self.facts, self._document.finish(), self.has_bulk_uris, tuple(self.instances))
