"""Retrieve: where instances lie, and their bytes; only of studies that were permitted.

Reads never parse DICOM: offsets, frame tables and metadata documents were made at ingest.

Standard: PS3.18 10.4
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Protocol

import orjson

from access.prepared import Prepared, Slot, prepare
from registry.models import Instance, Segment, Study
from registry.visibility import explain_absence_in
from repository.damage import alarmed
from repository.encode import LOSSLESS_TARGETS
from repository.frame_conversion import say_why_not_convertible
from repository.frames import FrameTable
from repository.metadata import SegmentsMoved, decompress
from repository.objects.base import ObjectReader
from repository.objects.selection import open_store
from repository.packs.layout import Trailer
from repository.packs.reader import PackReader
from repository.pixels import InvalidImageDescription, NotAnImage, PixelDescription, describe_pixels
from repository.rewritten import (
    BIG_ENDIAN,
    DEFLATED,
    convert_stored_instance,
    open_rewritten,
    read_rewritten_bulk,
)
from repository.transcode import UnsupportedConversion, can_convert

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
NOT_ON_THE_WIRE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.2"})
LOSSY_SYNTAXES = frozenset(
    f"1.2.840.10008.1.2.4.{n}" for n in ("50", "51", "53", "55", "81", "91", "93", "203", "111", "112")
)
AS_STORED = "*"
DEFAULT = "default"

Json = dict[str, Any]


class UnknownBulkData(LookupError):
    """The instance has no bulk value at this path."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance and where it lies: `offset` and `length` are bytes of the pack."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    pack_key: str
    offset: int
    length: int
    sha256: bytes
    frame_table: bytes | None
    bulk_table: bytes | None
    number_of_frames: int | None
    segment_id: int
    metadata_offset: int
    metadata_length: int


_COLUMNS = (
    "series__series_instance_uid",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "segment__pack_key",
    "offset",
    "length",
    "sha256",
    "frame_table",
    "bulk_table",
    "number_of_frames",
    "segment_id",
    "metadata_offset",
    "metadata_length",
)


class PermittedStudy(Protocol):
    """What finding instances needs of a study: the row itself, or a `VisibleStudy`."""

    @property
    def pk(self) -> int: ...

    @property
    def study_instance_uid(self) -> str: ...


def find_instances(
    study: PermittedStudy, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
) -> list[StoredInstance]:
    """Return the instances of a permitted study, series or the one instance, in one query.

    Raises
    ------
    UnknownStudy
        There is none: parents must match, and the answer is the same as for an unknown study.
    """
    query = _instances_by(series_instance_uid is not None, sop_instance_uid is not None)
    rows = query.fetch(study=study.pk, series_uid=series_instance_uid, sop_uid=sop_instance_uid)
    if not rows:
        raise explain_absence_in(study.pk, series_instance_uid, sop_instance_uid)
    uid = study.study_instance_uid
    return [_stored(uid, row) for row in rows]


@cache
def _instances_by(series: bool, instance: bool) -> Prepared:
    rows = Instance.objects.filter(series__study=Slot("study"))
    if series:
        rows = rows.filter(series__series_instance_uid=Slot("series_uid"))
    if instance:
        rows = rows.filter(sop_instance_uid=Slot("sop_uid"))
    else:
        rows = rows.order_by("series__series_number", "series_id", "instance_number", "pk")
    return prepare(rows.values_list(*_COLUMNS))


def instances_to_send(study: Study) -> list[StoredInstance]:
    """Return every instance of a study, for a delivery."""
    return find_instances(study)


@contextmanager
def open_pack(item: StoredInstance) -> Iterator[PackReader]:
    """Open the pack of an instance, its trailer from the cache; damage that is met on the way raises the alarm."""
    with _alarmed(item), open_store().open(item.pack_key) as reader:
        yield PackReader(reader, _trailer(item.pack_key, reader))


def syntax_to_send(item: StoredInstance, wanted: str) -> str:
    """Decide in which transfer syntax an instance leaves.

    `wanted` is a UID, `*` (as stored) or `default`: Explicit VR Little Endian, but the stored syntax where
    that is lossy or cannot be decoded. Implicit VR and Big Endian never leave.

    Raises
    ------
    UnsupportedConversion
        The wanted syntax cannot be made from the stored one.

    Standard: PS3.18 8.7.3.5.2
    """
    stored = item.transfer_syntax_uid
    if wanted == stored and stored not in NOT_ON_THE_WIRE:
        return stored
    if stored in NOT_ON_THE_WIRE:
        if wanted in (AS_STORED, DEFAULT, EXPLICIT_LITTLE_ENDIAN):
            return EXPLICIT_LITTLE_ENDIAN
    elif wanted == AS_STORED or (
        wanted == DEFAULT and (stored in LOSSY_SYNTAXES or not can_convert(stored, EXPLICIT_LITTLE_ENDIAN))
    ):
        return stored
    target = EXPLICIT_LITTLE_ENDIAN if wanted == DEFAULT else wanted
    if not can_convert(stored, target):
        raise UnsupportedConversion(
            f"instance {item.sop_instance_uid} is stored in {stored} and cannot be sent in {target};"
            " ask for transfer-syntax=*"
        )
    return _check_compression(item, target) if target in LOSSLESS_TARGETS else target


def _check_compression(item: StoredInstance, target: str) -> str:
    """Return the compressed target if the pixels of the instance can be brought into it.

    What has no pixels has nothing to compress: it leaves as Explicit VR Little Endian, as every part of an answer
    may have a transfer syntax of its own (PS3.18 8.7.8.2).
    """
    try:
        reason = say_why_not_convertible(describe(item)[0], target)
    except NotAnImage:
        return EXPLICIT_LITTLE_ENDIAN
    except InvalidImageDescription as error:
        reason = str(error)
    if reason:
        raise UnsupportedConversion(f"instance {item.sop_instance_uid}: {reason}")
    return target


def stream_file(item: StoredInstance, wanted: str = AS_STORED) -> Iterator[bytes]:
    """Yield the PS3.10 file of an instance in blocks of at most 256 KiB, every block verified.

    Stored bytes pass as they are; another transfer syntax is made on the way in constant memory.
    """
    target = syntax_to_send(item, wanted)
    with open_pack(item) as pack:
        if target == item.transfer_syntax_uid:
            yield from pack.blocks(item.offset, item.length)
        else:
            yield from _convert(pack, item, target)


def stream_files(items: Sequence[StoredInstance], targets: Sequence[str]) -> Iterator[Iterator[bytes]]:
    """Yield the file of each instance as `stream_file` does, one after the other.

    A pack stays open as long as the next instance lies in it: the block where one ends and the next begins is
    read and verified once. Read each file before the next is asked for.
    """
    with ExitStack() as opened:
        key, pack = "", None
        for item, target in zip(items, targets, strict=True):
            if target != item.transfer_syntax_uid:
                yield stream_file(item, target)
                continue
            if pack is None or item.pack_key != key:
                opened.close()
                key, pack = item.pack_key, opened.enter_context(open_pack(item))
            yield _read_alarmed(pack, item)


def read_as_received(item: StoredInstance) -> Iterator[bytes]:
    """Yield the file exactly as it is stored, Implicit VR and Big Endian included: for export only."""
    with open_pack(item) as pack:
        yield from pack.blocks(item.offset, item.length)


def read_document(item: StoredInstance) -> bytes:
    """Return the DICOM JSON of one instance as text; BulkDataURIs relative to the server."""
    document = _document(item.segment_id, item.pack_key)
    return document[item.metadata_offset : item.metadata_offset + item.metadata_length]


def read_attributes(item: StoredInstance) -> Json:
    """Return the DICOM JSON of one instance."""
    attributes: Json = orjson.loads(read_document(item))
    return attributes


def describe(item: StoredInstance) -> tuple[PixelDescription, Json]:
    """Return what the pixels are like, and all attributes of the instance."""
    attributes = read_attributes(item)
    return describe_pixels(attributes, item.transfer_syntax_uid), attributes


def read_bulk_value(item: StoredInstance, path: str) -> Iterator[bytes]:
    """Yield the bulk value at a path such as `7FE00010` or `54000100/0/54001010`.

    Raises
    ------
    UnknownBulkData
        There is none.
    """
    for known, offset, length, _ in orjson.loads(item.bulk_table or b"[]"):
        if known == path.upper():
            with open_pack(item) as pack:
                yield from pack.blocks(item.offset + offset, length)
            return
    if item.transfer_syntax_uid in (DEFLATED, BIG_ENDIAN):
        with open_rewritten(stream_file(item, EXPLICIT_LITTLE_ENDIAN)) as (view, header):
            found = read_rewritten_bulk(view, header, path.upper())
            if found is not None:
                yield from found
                return
    raise UnknownBulkData(f"no bulk value at {path[:100]}")


def _alarmed(item: StoredInstance) -> AbstractContextManager[None]:
    return alarmed(item.pack_key, item.sop_instance_uid, item.study_instance_uid)


def _read_alarmed(pack: PackReader, item: StoredInstance) -> Iterator[bytes]:
    with _alarmed(item):
        yield from pack.blocks(item.offset, item.length)


def _convert(pack: PackReader, item: StoredInstance, target: str) -> Iterator[bytes]:
    def read(offset: int, length: int) -> bytes:
        return pack.read(item.offset + offset, max(0, min(length, item.length - offset)))

    return convert_stored_instance(
        read,
        item.length,
        item.transfer_syntax_uid,
        description=_describe_if_possible(item),
        frames=FrameTable.from_bytes(item.frame_table) if item.frame_table else None,
        target=target,
    )


def _describe_if_possible(item: StoredInstance) -> PixelDescription | None:
    """Return what the pixels are like; native data is converted without it, impossible descriptions included."""
    try:
        return describe(item)[0]
    except (NotAnImage, InvalidImageDescription):
        return None


def _stored(study_instance_uid: str, row: tuple[Any, ...]) -> StoredInstance:
    series, sop, sop_class, syntax, key, offset, length, sha256, frames, bulk, *rest = row
    return StoredInstance(
        study_instance_uid,
        series,
        sop,
        sop_class,
        syntax,
        key,
        offset,
        length,
        bytes(sha256),
        None if frames is None else bytes(frames),
        None if bulk is None else bytes(bulk),
        *rest,
    )


def _trailer(key: str, reader: ObjectReader) -> Trailer:
    known = _TRAILERS.get(key)
    if known is None:
        known = PackReader(reader).read_trailer()
        if len(_TRAILERS) >= MAX_TRAILERS:
            _TRAILERS.pop(next(iter(_TRAILERS)), None)
        _TRAILERS[key] = known
    return known


MAX_TRAILERS = 256
_TRAILERS: dict[str, Trailer] = {}  # a pack never changes, so what is known of it stays true


@lru_cache(maxsize=16)
def _document(segment_id: int, pack_key: str) -> bytes:
    for metadata in Segment.objects.filter(pk=segment_id, pack_key=pack_key).values_list(
        "metadata", flat=True
    ):
        return decompress(bytes(metadata))
    raise SegmentsMoved("the metadata document was moved since it was looked up; send the request again")
