"""A segment while it is written: the instances of one series in one pack and their metadata document."""

from dataclasses import dataclass, field

import orjson
import zstandard

from registry.facts import InstanceFacts, SeriesFacts, instance_facts
from registry.received import ReceivedInstance, ReceivedSegment
from repository.frames import FrameTable
from repository.header.model import Header

ZSTD_LEVEL = 3
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
    """A metadata document while it grows: DICOM JSON of one instance after the other, compressed as it comes."""

    _length: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _compressor: "zstandard.ZstdCompressionObj" = field(
        default_factory=lambda: zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    )

    def add(self, json: bytes) -> int:
        """Append the JSON of one instance; returns where it begins in the unpacked document."""
        if self._length:
            self._write(SEPARATOR)
        start = self._length
        self._write(json)
        return start

    def finish(self) -> bytes:
        """Return the whole document as zstd."""
        self._pieces.append(self._compressor.flush())
        return b"".join(self._pieces)

    def _write(self, data: bytes) -> None:
        self._length += len(data)
        self._pieces.append(self._compressor.compress(data))


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
