"""Which series to compact and when: studies that fell quiet a while ago, and what is past its recovery time."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count
from django.utils import timezone

from access.database import release, run_write
from registry import changes
from registry.models import Change, Segment, Study
from registry.removed import erasable
from repository.compaction.compact import compact_series, drop_emptied_segments
from repository.compaction.copying import DamagedSource
from repository.compaction.plan import MIN_SEGMENTS
from repository.damage import note_damage

log = logging.getLogger(__name__)

COMPACT_AFTER = timedelta(minutes=10)
READER = "compaction"
CHANGES_AT_ONCE = 200
SERIES_AT_ONCE = 200


def compact_quiet(*, after: timedelta = COMPACT_AFTER, now: datetime | None = None) -> int:
    """Compact what has been quiet for `after` and erase what is due; returns how many packs were written or emptied.

    May run twice: series are leased, and a move that comes second finds its rows moved.
    """
    now = now or timezone.now()
    done = sum(_compact_all(series_id, now) for series_id in _series_to_erase(now))
    while True:
        cursor = changes.cursor_of(READER)
        due = _take_due(changes.read_since(cursor, CHANGES_AT_ONCE), now - after)
        quiet = {change.study_instance_uid for change in due if change.kind == "study_quiet"}
        for series_id in _scattered_series(quiet, now - after):
            done += _compact_all(series_id, now)
        if due:
            run_write(partial(changes.save_cursor, READER, due[-1].position or cursor))
        if len(due) < CHANGES_AT_ONCE:
            break
    drop_emptied_segments(now)
    return done


def _take_due(read: Iterable[Change], before: datetime) -> list[Change]:
    """Return the changes up to the first that is too young: the feed is in order."""
    due = []
    for change in read:
        if change.appended_at > before:
            break
        due.append(change)
    return due


def _scattered_series(study_instance_uids: set[str], before: datetime) -> list[int]:
    """Return the series of studies that are still quiet and lie in many segments."""
    quiet = Study.objects.filter(
        study_instance_uid__in=study_instance_uids, quiet_due_at=None, last_instance_at__lte=before
    )
    rows = Segment.objects.filter(series__study__in=quiet, emptied_at=None)
    counted = rows.values("series").annotate(segments=Count("pk")).filter(segments__gte=MIN_SEGMENTS)
    return list(counted.order_by("series").values_list("series", flat=True))


def _series_to_erase(now: datetime) -> list[int]:
    rows = erasable(now).order_by("segment__series").values_list("segment__series", flat=True)
    return list(rows.distinct()[:SERIES_AT_ONCE])


def _compact_all(series_id: int, now: datetime) -> int:
    """Compact a series until nothing is left to do; a damaged one is left alone for a while."""
    done = 0
    try:
        while compact_series(series_id, now=now) is not None:
            done += 1
    except DamagedSource as error:
        study = Study.objects.filter(series=series_id).values_list("study_instance_uid", flat=True).first()
        note_damage(error.pack_key, str(error), error.sop_instance_uid, study or "")
    finally:
        release()
    return done
