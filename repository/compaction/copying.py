"""Copying instances into one new pack: every block verified, every SHA-256 held against its row.

Nothing is parsed: the metadata document is made of the stored JSON.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from registry.models import Segment
from repository.damage import DAMAGES
from repository.metadata import decompress
from repository.objects.base import ObjectReader, ObjectStore
from repository.packs.layout import PackPreamble, new_pack_key
from repository.packs.reader import PackReader
from repository.packs.writer import PackWriter
from repository.segments import DocumentBuilder

OPEN_AT_ONCE = 16


class DamagedSource(OSError):
    """An instance cannot be read as it was stored: nothing is moved, the pack has to be looked at."""

    def __init__(self, pack_key: str, sop_instance_uid: str, detail: str) -> None:
        super().__init__(f"instance {sop_instance_uid} in {pack_key}: {detail}")
        self.pack_key = pack_key
        self.sop_instance_uid = sop_instance_uid


@dataclass(frozen=True, slots=True)
class Moving:
    """One instance that is to move: where it lies now, in its pack and in its segment's document.

    `row_id` is the key of its `Instance`, or of its `RemovedInstance` while it can still be recovered.
    """

    row_id: int
    is_removed: bool
    sop_instance_uid: str
    transfer_syntax_uid: str
    segment_id: int
    pack_key: str
    offset: int
    length: int
    metadata_offset: int
    metadata_length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """The instances of one series in the order in which they are to lie."""

    series_id: int
    has_bulk_uris: bool
    instances: tuple[Moving, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an instance lies in the new pack and document."""

    source: Moving
    offset: int
    metadata_offset: int


@dataclass(frozen=True, slots=True)
class CompactedSegment:
    """One series in the new pack."""

    series_id: int
    metadata: bytes
    has_bulk_uris: bool
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class CompactedPack:
    """A durable pack that no row names yet."""

    key: str
    size_bytes: int
    received_at: datetime
    segments: tuple[CompactedSegment, ...]


def copy_parts(
    objects: ObjectStore, preamble: PackPreamble, series_uids: dict[int, str], parts: Sequence[SeriesPart]
) -> CompactedPack:
    """Write the series one after the other into a new pack and make it durable; memory is constant.

    Raises
    ------
    DamagedSource
        An instance is not what its row says; nothing stays of the new pack.
    OSError
        The device is full or failed.
    """
    writer = PackWriter(objects.create(preamble.key), preamble)
    try:
        with ExitStack() as stack:
            sources = _Sources(objects, stack)
            segments = tuple(_copy_part(writer, sources, series_uids[part.series_id], part) for part in parts)
        finished = writer.finish()
        objects.sync(preamble.key)
    except BaseException:
        writer.abandon()
        objects.delete(preamble.key)
        raise
    return CompactedPack(preamble.key, finished.size_bytes, preamble.received_at, segments)


def read_origin(objects: ObjectStore, key: str) -> PackPreamble:
    """Read the first line of a pack: who brought it, and from where; raises `DamagedSource`."""
    try:
        with objects.open(key) as reader:
            return PackReader(reader).read_preamble()
    except DAMAGES as error:
        raise DamagedSource(key, "", str(error)) from error


def derive_preamble(first: PackPreamble) -> PackPreamble:
    """Make the preamble of a pack that takes over from others that came the same way as this one."""
    return PackPreamble(
        key=new_pack_key(),
        study_instance_uid=first.study_instance_uid,
        department=first.department,
        issuer=first.issuer,
        client=first.client,
        received_at=first.received_at,
        compacted=True,
        ae_title=first.ae_title,
    )


class _Sources:
    """The packs and documents that were read last, so that neighbours do not open them anew."""

    def __init__(self, objects: ObjectStore, stack: ExitStack) -> None:
        self._objects = objects
        self._readers: OrderedDict[str, tuple[ObjectReader, PackReader]] = OrderedDict()
        self._documents: OrderedDict[int, bytes] = OrderedDict()
        stack.callback(self._close_all)

    def pack(self, key: str) -> PackReader:
        """Return a pack, open."""
        if key not in self._readers:
            if len(self._readers) >= OPEN_AT_ONCE:
                self._readers.popitem(last=False)[1][0].close()
            reader = self._objects.open(key)
            self._readers[key] = (reader, PackReader(reader))
        self._readers.move_to_end(key)
        return self._readers[key][1]

    def document(self, segment_id: int) -> bytes:
        """Return the unpacked document of a segment."""
        if segment_id not in self._documents:
            if len(self._documents) >= OPEN_AT_ONCE:
                self._documents.popitem(last=False)
            metadata = Segment.objects.values_list("metadata", flat=True).get(pk=segment_id)
            self._documents[segment_id] = decompress(bytes(metadata))
        self._documents.move_to_end(segment_id)
        return self._documents[segment_id]

    def _close_all(self) -> None:
        for reader, _ in self._readers.values():
            reader.close()


def _copy_part(
    writer: PackWriter, sources: _Sources, series_instance_uid: str, part: SeriesPart
) -> CompactedSegment:
    document = DocumentBuilder()
    moved = tuple(_copy_one(writer, document, sources, series_instance_uid, item) for item in part.instances)
    return CompactedSegment(part.series_id, document.finish(), part.has_bulk_uris, moved)


def _copy_one(
    writer: PackWriter, document: DocumentBuilder, sources: _Sources, series_instance_uid: str, item: Moving
) -> Moved:
    writer.begin_part(item.transfer_syntax_uid)
    try:
        for block in sources.pack(item.pack_key).blocks(item.offset, item.length):
            writer.write(block)
    except DAMAGES as error:
        raise DamagedSource(item.pack_key, item.sop_instance_uid, str(error)) from error
    packed = writer.end_part(
        sop_instance_uid=item.sop_instance_uid,
        series_instance_uid=series_instance_uid,
        transfer_syntax_uid=item.transfer_syntax_uid,
    )
    if packed.sha256 != item.sha256:
        raise DamagedSource(item.pack_key, item.sop_instance_uid, "it has another SHA-256")
    json = sources.document(item.segment_id)[
        item.metadata_offset : item.metadata_offset + item.metadata_length
    ]
    return Moved(item, packed.offset, document.add(json))
