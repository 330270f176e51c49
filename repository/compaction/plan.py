"""What of a series is worth writing together: its small segments, and every segment that holds what must go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.models import Instance, RemovedInstance, Segment, Series
from repository.compaction.copying import Moving
from repository.open_packs import CLOSE_AFTER_BYTES
from repository.packs.layout import PackPreamble

MIN_SEGMENTS = 4
SMALL_SEGMENT_BYTES = 32 << 20
_COLUMNS = (
    "pk",
    "sop_instance_uid",
    "transfer_syntax_uid",
    "segment_id",
    "segment__pack_key",
    "offset",
    "length",
    "metadata_offset",
    "metadata_length",
    "sha256",
    "instance_number",
)


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """Segments of one series that came the same way, what moves out of them and what is left out."""

    series_id: int
    series_instance_uid: str
    study_instance_uid: str
    origin: PackPreamble
    segment_ids: tuple[int, ...]
    pack_keys: frozenset[str]
    has_bulk_uris: bool
    moving: tuple[Moving, ...]
    erased: tuple[Moving, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    item: Moving
    instance_number: int | None
    is_erased: bool


def plan_series(
    series_id: int, now: datetime, read_origin: Callable[[str], PackPreamble]
) -> CompactionPlan | None:
    """Decide which segments of a series to write into one pack; None when that gains nothing.

    Only what came from the same department with the same issuer goes together: a rebuild takes both from the
    first line of a pack. At most one pack's worth is taken; the next run takes the rest.
    """
    series = Series.objects.select_related("study").filter(pk=series_id).first()
    rows = _rows_of(series_id, now) if series is not None else []
    if series is None or not rows:
        return None
    by_segment: dict[int, list[_Row]] = {}
    for row in rows:
        by_segment.setdefault(row.item.segment_id, []).append(row)
    chosen, origin = _choose(by_segment, read_origin)
    is_erasing = any(row.is_erased for pk in chosen for row in by_segment[pk])
    if origin is None or (len(chosen) < MIN_SEGMENTS and not is_erasing):
        return None
    taken = sorted((row for pk in chosen for row in by_segment[pk]), key=_reading_order)
    return CompactionPlan(
        series_id=series_id,
        series_instance_uid=series.series_instance_uid,
        study_instance_uid=series.study.study_instance_uid,
        origin=origin,
        segment_ids=tuple(chosen),
        pack_keys=frozenset(row.item.pack_key for row in taken),
        has_bulk_uris=Segment.objects.filter(pk__in=chosen, has_bulk_uris=True).exists(),
        moving=tuple(row.item for row in taken if not row.is_erased),
        erased=tuple(row.item for row in taken if row.is_erased),
    )


def _choose(
    by_segment: dict[int, list[_Row]], read_origin: Callable[[str], PackPreamble]
) -> tuple[list[int], PackPreamble | None]:
    """Take what must be erased first, then small segments in the order of their arrival."""
    origin: PackPreamble | None = None
    chosen: list[int] = []
    total = 0
    for pk, rows in sorted(by_segment.items(), key=lambda one: (not _holds_erased(one[1]), one[0])):
        size = sum(row.item.length for row in rows if not row.is_erased)
        if not _holds_erased(rows) and size > SMALL_SEGMENT_BYTES:
            continue
        if chosen and total + size > CLOSE_AFTER_BYTES:
            continue
        found = read_origin(rows[0].item.pack_key)
        if origin is not None and (found.department, found.issuer) != (origin.department, origin.issuer):
            continue
        if origin is None or found.received_at < origin.received_at:
            origin = found
        chosen.append(pk)
        total += size
    return chosen, origin


def _holds_erased(rows: Sequence[_Row]) -> bool:
    return any(row.is_erased for row in rows)


def _reading_order(row: _Row) -> tuple[bool, int, int]:
    return (row.instance_number is None, row.instance_number or 0, row.item.row_id)


def _rows_of(series_id: int, now: datetime) -> list[_Row]:
    there = Instance.objects.filter(series=series_id).values_list(*_COLUMNS)
    removed = RemovedInstance.objects.filter(segment__series=series_id).values_list(
        *_COLUMNS, "state", "removal__recoverable_until"
    )
    rows = [_row(values, is_removed=False, is_erased=False) for values in there]
    for *values, state, recoverable_until in removed:
        is_erased = state != RemovedInstance.HIDDEN or recoverable_until <= now
        rows.append(_row(tuple(values), is_removed=True, is_erased=is_erased))
    return rows


def _row(values: tuple[Any, ...], *, is_removed: bool, is_erased: bool) -> _Row:
    pk, uid, syntax, segment_id, key, offset, length, document_at, document_length, sha256, number = values
    item = Moving(
        pk,
        is_removed,
        uid,
        syntax,
        segment_id,
        key,
        offset,
        length,
        document_at,
        document_length,
        bytes(sha256),
    )
    return _Row(item, number, is_erased)
