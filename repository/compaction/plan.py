"""Which packs of a study are worth writing together: its small ones, and every one that holds what must go."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum

from registry.models import Instance, RemovedInstance, Segment, Study
from registry.removed import erasable
from repository.compaction.copying import Moving, SeriesPart
from repository.open_packs import CLOSE_AFTER_BYTES
from repository.packs.layout import PackPreamble

MIN_PACKS = 4
SMALL_PACK_BYTES = 32 << 20
MAX_INSTANCES = 10_000
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
    "segment__series_id",
    "segment__series__series_number",
    "instance_number",
)


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """Packs of one study that came the same way, what moves out of them by series, and how much is left out."""

    study_id: int
    study_instance_uid: str
    origin: PackPreamble
    pack_keys: tuple[str, ...]
    segment_ids: tuple[int, ...]
    parts: tuple[SeriesPart, ...]
    erased: int

    @property
    def instances(self) -> int:
        """How many instances move."""
        return sum(len(part.instances) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Used:
    """How much of a pack is still of use, and whether anything in it is to be erased."""

    key: str
    instances: int = 0
    size_bytes: int = 0
    is_erasing: bool = False


def plan_study(
    study_id: int, now: datetime, read_origin: Callable[[str], PackPreamble]
) -> CompactionPlan | None:
    """Decide which packs of a study to write into one; None when that gains nothing.

    Only what came from the same department with the same issuer goes together: a rebuild takes both from the
    first line of a pack. At most one pack's worth is taken; the next run takes the rest.
    """
    study_instance_uid = (
        Study.objects.values_list("study_instance_uid", flat=True).filter(pk=study_id).first()
    )
    chosen, origin = _choose(_list_used(study_id, now), read_origin)
    if study_instance_uid is None or origin is None:
        return None
    if len(chosen) < MIN_PACKS and not any(used.is_erasing for used in chosen):
        return None
    keys = tuple(sorted(used.key for used in chosen))
    segments = dict(Segment.objects.filter(pack_key__in=keys).values_list("pk", "has_bulk_uris"))
    return CompactionPlan(
        study_id=study_id,
        study_instance_uid=study_instance_uid,
        origin=origin,
        pack_keys=keys,
        segment_ids=tuple(segments),
        parts=_group(_list_moving(keys, now), {pk for pk, has_uris in segments.items() if has_uris}),
        erased=erasable(now).filter(segment__pack_key__in=keys).count(),
    )


def _list_used(study_id: int, now: datetime) -> list[_Used]:
    """Say of every pack that the study has rows in how much of it would move."""
    found: dict[str, _Used] = {}
    removed = RemovedInstance.objects.filter(segment__series__study=study_id)
    counts = (
        Instance.objects.filter(series__study=study_id),
        removed.exclude(pk__in=erasable(now).values("pk")),
    )
    for rows in counts:
        grouped = rows.order_by().values_list("segment__pack_key").annotate(Count("pk"), Sum("length"))
        for key, instances, size_bytes in grouped:
            known = found.get(key, _Used(key))
            found[key] = _Used(key, known.instances + instances, known.size_bytes + size_bytes)
    for key in (
        erasable(now).filter(segment__series__study=study_id).values_list("segment__pack_key", flat=True)
    ):
        found[key] = replace(found.get(key, _Used(key)), is_erasing=True)
    return list(found.values())


def _choose(
    found: Iterable[_Used], read_origin: Callable[[str], PackPreamble]
) -> tuple[list[_Used], PackPreamble | None]:
    """Take the packs of the way that most small ones came, those that hold something to be erased first."""
    by_way: dict[tuple[str | None, str | None], list[tuple[_Used, PackPreamble]]] = {}
    for used in sorted(found, key=lambda one: (not one.is_erasing, one.key))[:MAX_INSTANCES]:
        if used.is_erasing or used.size_bytes <= SMALL_PACK_BYTES:
            origin = read_origin(used.key)
            by_way.setdefault((origin.department, origin.issuer), []).append((used, origin))
    if not by_way:
        return [], None
    ways = sorted(by_way.values(), key=lambda way: (way[0][0].is_erasing, len(way)))
    fitting = _take_fitting(ways[-1])
    return [used for used, _ in fitting], min(
        (came for _, came in fitting), key=lambda came: came.received_at
    )


def _take_fitting(way: Sequence[tuple[_Used, PackPreamble]]) -> list[tuple[_Used, PackPreamble]]:
    """Take what goes into one pack, at least one."""
    taken: list[tuple[_Used, PackPreamble]] = []
    size_bytes = instances = 0
    for used, origin in way:
        size_bytes += used.size_bytes
        instances += used.instances
        if taken and (size_bytes > CLOSE_AFTER_BYTES or instances > MAX_INSTANCES):
            break
        taken.append((used, origin))
    return taken


def _list_moving(keys: Sequence[str], now: datetime) -> list[tuple[Any, ...]]:
    """Return the rows that move, each with whether it is a removed one."""
    there = Instance.objects.filter(segment__pack_key__in=keys)
    removed = RemovedInstance.objects.filter(
        ~Q(pk__in=erasable(now).values("pk")), segment__pack_key__in=keys
    )
    return [
        *((*row, False) for row in there.values_list(*_COLUMNS)),
        *((*row, True) for row in removed.values_list(*_COLUMNS)),
    ]


def _group(rows: Iterable[tuple[Any, ...]], with_bulk_uris: set[int]) -> tuple[SeriesPart, ...]:
    """Group rows by series, series and instances in the order in which they are read."""
    by_series: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        by_series.setdefault(row[10], []).append(row)
    parts = []
    for series_id, of_series in sorted(by_series.items(), key=lambda one: (_order(one[1][0][11]), one[0])):
        of_series.sort(key=lambda row: (_order(row[12]), row[0]))
        moving = tuple(_moving(row) for row in of_series)
        has_bulk_uris = any(item.segment_id in with_bulk_uris for item in moving)
        parts.append(SeriesPart(series_id, has_bulk_uris, moving))
    return tuple(parts)


def _order(number: int | None) -> tuple[bool, int]:
    return (number is None, number or 0)


def _moving(row: tuple[Any, ...]) -> Moving:
    pk, uid, syntax, segment_id, key, offset, length, document_at, document_length, sha256, *_, is_removed = (
        row
    )
    return Moving(
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
