"""Metadata of a study or a series: the documents of its segments, joined; nothing is asked of each instance.

A document passes whole as long as every instance in it is still there; else what is there is cut out.

Standard: PS3.18 10.4.1.1.2
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import zstandard
from django.db.models import Count, OuterRef, QuerySet, Subquery

from access.database import release
from access.prepared import Prepared, Slot, prepare
from registry.models import Instance, Segment
from registry.visibility import explain_absence_in

SEPARATOR = b",\n"
SEGMENTS_AT_ONCE = 50
PIECE_BYTES = 256 * 1024


PLANS_AT_MOST = 5


class SegmentsMoved(LookupError):
    """What was planned lies elsewhere by now: plan once more; once a byte was sent, cut the connection."""


@dataclass(frozen=True, slots=True)
class DocumentPlan:
    """One segment to read: all of its document, or only these ranges of bytes of it."""

    segment_id: int
    ranges: tuple[tuple[int, int], ...] | None = None

    @property
    def is_whole(self) -> bool:
        """True if all of the document is wanted."""
        return self.ranges is None


def plan_documents(study_id: int, series_instance_uid: str | None) -> list[DocumentPlan]:
    """Return the segments of a permitted study or of one series of it, in the order of the series' numbers.

    Raises
    ------
    UnknownStudy
        There is none.
    SegmentsMoved
        Instances of it are moved or removed all the time.
    """
    query = _segments_of(series_instance_uid is not None)
    for _ in range(PLANS_AT_MOST):
        rows = query.fetch(study=study_id, series_uid=series_instance_uid)
        if not rows:
            raise explain_absence_in(study_id, series_instance_uid)
        plans = [DocumentPlan(pk) if held == there else _plan_part(pk, there) for pk, held, there in rows]
        found = [plan for plan in plans if plan is not None]
        if len(found) == len(rows):
            return found
    raise SegmentsMoved("the instances are being moved; send the request again")


def stream_plain(plans: Sequence[DocumentPlan]) -> Iterator[bytes]:
    """Yield a JSON array in pieces of at most 256 KiB; BulkDataURIs relative to the server."""
    mark = b"["
    for plan, compressed in _read_compressed(plans):
        yield mark
        if plan.is_whole:
            yield from decompress_in_pieces(compressed)
        else:
            document = decompress(compressed)
            yield SEPARATOR.join(document[start:end] for start, end in plan.ranges or ())
        mark = SEPARATOR
    yield b"]"


def stream_compressed(
    plans: Sequence[DocumentPlan], convert: Callable[[bytes], Iterable[bytes]] = lambda document: (document,)
) -> Iterator[bytes]:
    """Yield a JSON array of whole documents as zstd frames; BulkDataURIs relative to the server.

    Parameters
    ----------
    convert
        Makes other zstd frames of a compressed document; without it they pass as they are stored.

    Standard: RFC 8878 3.1 (frames one after the other are one content)
    """
    opening, between, closing = (zstandard.compress(mark) for mark in (b"[", SEPARATOR, b"]"))
    for number, (_, compressed) in enumerate(_read_compressed(plans)):
        mark = between if number else opening
        for piece in convert(compressed):
            yield mark + piece
            mark = b""
    yield closing


def decompress(metadata: bytes) -> bytes:
    """Return the document of a segment."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(metadata)


def decompress_in_pieces(metadata: bytes) -> Iterator[bytes]:
    """Yield a document in pieces that stay in the processor's cache: five times cheaper than at once."""
    with zstandard.ZstdDecompressor().stream_reader(metadata) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


def _read_compressed(plans: Sequence[DocumentPlan]) -> Iterator[tuple[DocumentPlan, bytes]]:
    for start in range(0, len(plans), SEGMENTS_AT_ONCE):
        chunk = plans[start : start + SEGMENTS_AT_ONCE]
        if len(plans) == 1:
            rows = _one_document().fetch(segment=plans[0].segment_id)
        else:
            ids = [plan.segment_id for plan in chunk]
            rows = list(Segment.objects.filter(pk__in=ids).values_list("pk", "metadata"))
        release()
        found = {pk: bytes(metadata) for pk, metadata in rows}
        for plan in chunk:
            if plan.segment_id not in found:
                raise SegmentsMoved("a metadata document was replaced while it was being sent")
            yield plan, found[plan.segment_id]


def _plan_part(segment_id: int, there: int) -> DocumentPlan | None:
    """Plan what is there of a segment; None if rows came or went since they were counted."""
    rows: QuerySet[Instance, Any] = Instance.objects.filter(segment=segment_id).order_by("metadata_offset")
    found = rows.values_list("metadata_offset", "metadata_length")
    ranges = tuple((at, at + length) for at, length in found)
    return DocumentPlan(segment_id, ranges) if len(ranges) == there else None


@cache
def _segments_of(series: bool) -> Prepared:
    rows = Segment.objects.filter(series__study=Slot("study"), emptied_at=None)
    if series:
        rows = rows.filter(series__series_instance_uid=Slot("series_uid"))
    instances = Instance.objects.filter(segment=OuterRef("pk")).order_by().values("segment")
    there = Subquery(instances.annotate(count=Count("pk")).values("count"))
    rows = rows.annotate(there=there).filter(there__gt=0)
    rows = rows.order_by("series__series_number", "series_id", "pk")
    return prepare(rows.values_list("pk", "metadata_instances", "there"))


@cache
def _one_document() -> Prepared:
    return prepare(Segment.objects.filter(pk=Slot("segment")).values_list("pk", "metadata"))
