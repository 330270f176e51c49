"""Which studies to compact and when: studies that fell quiet a while ago, and what is past its recovery time."""

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
from repository.compaction.compact import compact_study, drop_emptied_segments
from repository.compaction.copying import DamagedSource
from repository.compaction.plan import MIN_PACKS
from repository.damage import note_damage

log = logging.getLogger(__name__)

COMPACT_AFTER = timedelta(minutes=10)
READER = "compaction"
CHANGES_AT_ONCE = 200
STUDIES_AT_ONCE = 200


def compact_quiet(*, after: timedelta = COMPACT_AFTER, now: datetime | None = None) -> int:
    """Compact what has been quiet for `after` and erase what is due; returns how many packs were written or emptied.

    May run twice: studies are leased, and a move that comes second finds its rows moved.
    """
    now = now or timezone.now()
    done = sum(_compact_all(study_id, now) for study_id in _studies_to_erase(now))
    while True:
        cursor = changes.cursor_of(READER)
        due = _take_due(changes.read_since(cursor, CHANGES_AT_ONCE), now - after)
        quiet = {change.study_instance_uid for change in due if change.kind == "study_quiet"}
        for study_id in _scattered_studies(quiet, now - after):
            done += _compact_all(study_id, now)
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


def _scattered_studies(study_instance_uids: set[str], before: datetime) -> list[int]:
    """Return the studies that are still quiet and lie in many packs."""
    quiet = Study.objects.filter(
        study_instance_uid__in=study_instance_uids, quiet_due_at=None, last_instance_at__lte=before
    )
    rows = Segment.objects.filter(series__study__in=quiet, emptied_at=None)
    counted = rows.values("series__study").annotate(packs=Count("pack_key", distinct=True))
    many = counted.filter(packs__gte=MIN_PACKS).order_by("series__study")
    return [int(pk) for pk in many.values_list("series__study", flat=True)]


def _studies_to_erase(now: datetime) -> list[int]:
    rows = erasable(now).order_by("segment__series__study")
    pks = rows.values_list("segment__series__study", flat=True).distinct()
    return [int(pk) for pk in pks[:STUDIES_AT_ONCE]]


def _compact_all(study_id: int, now: datetime) -> int:
    """Compact a study until nothing is left to do; a damaged one is left alone for a while."""
    done = 0
    try:
        while compact_study(study_id, now=now) is not None:
            done += 1
    except DamagedSource as error:
        study = Study.objects.filter(pk=study_id).values_list("study_instance_uid", flat=True).first()
        note_damage(error.pack_key, str(error), error.sop_instance_uid, study or "")
    finally:
        release()
    return done
