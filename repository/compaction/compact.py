"""Compaction: many small packs of a quiet study become one, and what was erased is left out.

Nothing is changed in place. The new pack is durable before one transaction moves the rows, each only if it
still lies where it was read; then the old packs are condemned, and readers on their way have until the end
of their grace. A crash at any step leaves what was there: at worst a pack without a row, which the sweep
takes.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from access.database import database_now, release, run_write
from registry import changes
from registry.models import Instance, RemovedInstance, Segment, Series, Study
from registry.removed import erase
from repository.compaction.copying import (
    CompactedPack,
    CompactedSegment,
    Moved,
    copy_parts,
    derive_preamble,
    read_origin,
)
from repository.compaction.plan import CompactionPlan, plan_study
from repository.models import Pack, StudyLease
from repository.objects.base import ObjectStore
from repository.objects.selection import open_store

log = logging.getLogger(__name__)

LEASE = timedelta(hours=1)
READERS_TAKE_AT_MOST = timedelta(hours=1)


class RowsMoved(RuntimeError):
    """A row was moved, removed, restored or replaced meanwhile: nothing is changed, try again later."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one compaction did: the new pack (None if everything was erased) and the packs that it condemned."""

    key: str | None
    instances: int
    erased: int
    condemned: tuple[str, ...]


def compact_study(study_id: int, *, now: datetime | None = None) -> Compacted | None:
    """Write the small packs of a study into one, without what is past its recovery time.

    Returns None when there is nothing to do, somebody else is at it, or rows moved meanwhile.

    Raises
    ------
    DamagedSource
        Something is not as it was stored; the lease stays, so that it is not tried again at once.
    """
    now = now or timezone.now()
    objects = open_store()
    plan = plan_study(study_id, now, lambda key: read_origin(objects, key))
    token = _take_lease(study_id) if plan is not None else None
    release()
    if plan is None or token is None:
        return None
    return _compact(objects, plan, token, now)


def drop_emptied_segments(now: datetime | None = None) -> int:
    """Delete the rows of segments whose instances moved so long ago that no reader is on its way to them."""
    before = (now or timezone.now()) - READERS_TAKE_AT_MOST
    rows = Segment.objects.filter(emptied_at__lte=before)
    return run_write(lambda: rows.delete()[0])


def _compact(objects: ObjectStore, plan: CompactionPlan, token: str, now: datetime) -> Compacted | None:
    pack = None
    if plan.parts:
        uids = dict(Series.objects.filter(study=plan.study_id).values_list("pk", "series_instance_uid"))
        pack = copy_parts(objects, derive_preamble(plan.origin), uids, plan.parts)
        release()
    try:
        condemned = run_write(lambda: _commit(plan, pack, now))
    except RowsMoved as error:
        log.info("compaction of study %s given up: %s", plan.study_instance_uid, error)
        if pack is not None:
            objects.delete(pack.key)
        return None
    finally:
        StudyLease.objects.filter(study=plan.study_id, token=token).delete()
        release()
    return Compacted(pack.key if pack else None, plan.instances, plan.erased, condemned)


def _take_lease(study_id: int) -> str | None:
    token, now = secrets.token_hex(16), database_now()

    def work() -> bool:
        StudyLease.objects.filter(study=study_id, expires_at__lte=now).delete()
        lease = StudyLease(study_id=study_id, token=token, expires_at=now + LEASE)
        StudyLease.objects.bulk_create([lease], ignore_conflicts=True)
        return StudyLease.objects.filter(study=study_id, token=token).exists()

    return token if run_write(work) else None


def _commit(plan: CompactionPlan, pack: CompactedPack | None, now: datetime) -> tuple[str, ...]:
    """Move the rows, all or none, and condemn what holds nothing any more; runs in a transaction."""
    # The study first, as stores and removals do; they and a move of their rows exclude each other.
    Study.objects.select_for_update().get(pk=plan.study_id)
    keys = plan.pack_keys
    live = Pack.objects.select_for_update().filter(key__in=keys, state=Pack.LIVE).order_by("key")
    if len(live) != len(keys):
        raise RowsMoved("a pack is not live any more")
    if pack is not None:
        _publish(plan, pack, now)
    if erase(plan.segment_ids, now) != plan.erased:
        raise RowsMoved("a removed instance was restored")
    _require_empty(plan.segment_ids)
    Segment.objects.filter(pk__in=plan.segment_ids).update(emptied_at=now)
    Pack.objects.filter(key__in=keys).update(state=Pack.CONDEMNED, condemned_at=now)
    changes.append("packs_condemned", plan.study_instance_uid, {"keys": list(keys)})
    return keys


def _publish(plan: CompactionPlan, pack: CompactedPack, now: datetime) -> None:
    row = Pack(
        key=pack.key,
        state=Pack.LIVE,
        size_bytes=pack.size_bytes,
        study_instance_uid=plan.study_instance_uid,
        written_at=now,
        last_scrubbed_at=now,
    )
    Pack.objects.bulk_create([row], ignore_conflicts=True)
    if not Pack.objects.filter(key=pack.key, state=Pack.LIVE).exists():
        raise RowsMoved("the sweep was faster")
    for segment in pack.segments:
        _publish_segment(pack.key, segment)


def _publish_segment(key: str, segment: CompactedSegment) -> None:
    row = Segment.objects.create(
        series_id=segment.series_id,
        pack_key=key,
        metadata=segment.metadata,
        metadata_instances=len(segment.moved),
        has_bulk_uris=segment.has_bulk_uris,
    )
    for model, is_removed in ((Instance, False), (RemovedInstance, True)):
        moved = [one for one in segment.moved if one.source.is_removed == is_removed]
        if _move_rows(model, row.pk, moved) != len(moved):
            raise RowsMoved("an instance is not where it was")


def _move_rows(model: type[Instance] | type[RemovedInstance], segment_id: int, moved: Sequence[Moved]) -> int:
    """Let rows point into the new segment, each only if it still points where it was read; returns how many."""
    if not moved:
        return 0
    state = "" if model is Instance else f" AND state = '{RemovedInstance.HIDDEN}'"
    table = connection.ops.quote_name(model._meta.db_table)
    offset = connection.ops.quote_name("offset")
    statement = (
        f"UPDATE {table} SET segment_id = %s, {offset} = %s, metadata_offset = %s"  # noqa: S608 (names of the model)
        f" WHERE id = %s AND segment_id = %s AND {offset} = %s{state}"
    )
    values = [
        (segment_id, one.offset, one.metadata_offset, source.row_id, source.segment_id, source.offset)
        for one in moved
        for source in (one.source,)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)
        return int(cursor.rowcount)


def _require_empty(segment_ids: Sequence[int]) -> None:
    for model in (Instance, RemovedInstance):
        if model.objects.filter(segment__in=segment_ids).exists():
            raise RowsMoved("an instance was restored into a segment that is to be emptied")
