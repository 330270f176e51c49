"""Rows of one segment: its series, the segment itself, its instances.

Written as statements that are built once: a store of one instance is mostly this.
"""

from functools import cache
from typing import Any

from django.db.models import BigIntegerField, QuerySet, Value

from access.prepared import PreparedList, PreparedModels, Slot, prepare_models
from access.rows import add, insert, insert_many, update
from registry import changes
from registry.facts import SeriesFacts, StudyFacts
from registry.fragments import render_series
from registry.models import Instance, RemovedInstance, Segment, Series, Study
from registry.received import Outcome, ReceivedInstance, ReceivedPack, ReceivedSegment
from registry.removed import find_refused, note_replaced

INSTANCE_COLUMNS = (
    "sop_instance_uid",
    "sop_class_uid",
    "instance_number",
    "rows",
    "columns",
    "bits_allocated",
    "number_of_frames",
    "timezone_offset_from_utc",
    "series",
    "segment",
    "offset",
    "length",
    "metadata_offset",
    "metadata_length",
    "pixel_offset",
    "transfer_syntax_uid",
    "frame_table",
    "bulk_table",
    "sha256",
)
_SERIES_COLUMNS = (
    *(name for name in SeriesFacts.__slots__ if name != "series_instance_uid"),
    "number_of_series_related_instances",
    "fragment",
    "stored_by",
    "stored_by_ae_title",
)


def register_segment(
    study: Study, pack: ReceivedPack, segment: ReceivedSegment, *, is_new_study: bool
) -> dict[str, Outcome]:
    """Upsert the series, insert the segment and those of its instances that are not known.

    The study is locked by the caller. What a racing store of another study wrote first counts as known.
    """
    outcomes, hidden = _known_outcomes(study, segment)
    fresh = [i for i in segment.instances if i.facts.sop_instance_uid not in outcomes]
    if not fresh:
        return outcomes
    fresh.sort(key=lambda i: i.facts.sop_instance_uid)
    series = None if is_new_study else _find_series(study, segment.facts)
    counted = 0 if series else len(fresh)
    series = series or _create_series(study, segment.facts, counted, pack)
    segment_id = add(
        Segment,
        series_id=series.pk,
        pack_key=pack.key,
        metadata=segment.metadata,
        metadata_instances=len(segment.instances),
        has_bulk_uris=segment.has_bulk_uris,
    )
    stored = {i.facts.sop_instance_uid for i in fresh}
    values = [_instance_values(i, series.pk, segment_id) for i in fresh]
    if insert_many(Instance, INSTANCE_COLUMNS, values) < len(fresh):
        stored = set(Instance.objects.filter(segment=segment_id).values_list("sop_instance_uid", flat=True))
        outcomes, hidden = _known_outcomes(study, segment)
    replaced = stored & hidden
    if replaced:
        note_replaced(replaced)
        changes.append("instances_replaced", study.study_instance_uid, {"instances": sorted(replaced)})
    if len(stored) != counted:
        _complete_series(series, study, segment.facts, len(stored) - counted, pack)
    if not stored:
        Segment.objects.filter(pk=segment_id).delete()
    outcomes.update(dict.fromkeys(stored, Outcome.STORED))
    return {i.facts.sop_instance_uid: outcomes[i.facts.sop_instance_uid] for i in segment.instances}


def values_of(facts: StudyFacts | SeriesFacts) -> dict[str, object]:
    """Return the facts by column."""
    return {name: getattr(facts, name) for name in facts.__slots__}


def fill_blanks(row: Study | Series, facts: StudyFacts | SeriesFacts) -> None:
    """Take what the row does not say yet; what was first received stays."""
    for column in facts.__slots__:
        value = getattr(facts, column)
        if value not in ("", None, []) and getattr(row, column) in ("", None, []):
            setattr(row, column, value)


def _known_outcomes(study: Study, segment: ReceivedSegment) -> tuple[dict[str, Outcome], set[str]]:
    """Return what is known already, and the UIDs of removed instances that may be stored anew."""
    by_uid = {i.facts.sop_instance_uid: i for i in segment.instances}
    outcomes: dict[str, Outcome] = {}
    removed: set[str] = set()
    for uid, sha256, study_id, series_uid, removal_id in _KNOWN.fetch(list(by_uid)):
        if removal_id is not None:
            removed.add(uid)
            continue
        if study_id != study.pk:
            outcomes[uid] = Outcome.OTHER_STUDY
        elif series_uid != by_uid[uid].series_instance_uid:
            outcomes[uid] = Outcome.OTHER_SERIES
        else:
            same = bytes(sha256) == by_uid[uid].sha256
            outcomes[uid] = Outcome.DUPLICATE if same else Outcome.OTHER_BYTES
    if removed:
        refused = find_refused(removed)
        outcomes.update(dict.fromkeys(refused, Outcome.REJECTED))
        removed -= refused
    return outcomes, removed


def _build_known(uids: list[Slot]) -> QuerySet[Any, Any]:
    """Select what is there and what was removed in one statement: it is asked for every instance that comes in.

    Of what was removed no more than that, without a join: there mostly is none.
    """
    columns = ("sop_instance_uid", "sha256")
    there = Instance.objects.filter(sop_instance_uid__in=uids)
    removed = RemovedInstance.objects.filter(sop_instance_uid__in=uids)
    return there.values_list(
        *columns, "series__study_id", "series__series_instance_uid", Value(None, BigIntegerField())
    ).union(removed.values_list(*columns, "series_id", Value(""), "removal_id"), all=True)


_KNOWN = PreparedList(_build_known)


def _find_series(study: Study, facts: SeriesFacts) -> Series | None:
    found = _series_by_uid().fetch(study=study.pk, uid=facts.series_instance_uid)
    return found[0] if found else None


@cache
def _series_by_uid() -> PreparedModels[Series]:
    return prepare_models(Series.objects.filter(study=Slot("study"), series_instance_uid=Slot("uid")))


def _create_series(study: Study, facts: SeriesFacts, count: int, pack: ReceivedPack) -> Series:
    series = Series(
        study=study,
        **values_of(facts),
        number_of_series_related_instances=count,
        stored_by=pack.client,
        stored_by_ae_title=pack.ae_title,
    )
    _derive(series, study)
    insert(series)
    return series


def _complete_series(
    series: Series, study: Study, facts: SeriesFacts, added: int, pack: ReceivedPack
) -> None:
    if series.number_of_series_related_instances:
        fill_blanks(series, facts)
    else:  # everything was removed: it says of itself what comes now
        for column, value in values_of(facts).items():
            setattr(series, column, value)
        series.stored_by, series.stored_by_ae_title = pack.client, pack.ae_title
    series.number_of_series_related_instances += added
    _derive(series, study)
    update(series, _SERIES_COLUMNS)


def _derive(series: Series, study: Study) -> None:
    series.fragment = render_series(series, study.study_instance_uid)


def _instance_values(received: ReceivedInstance, series_id: int, segment_id: int) -> tuple[object, ...]:
    facts = received.facts
    return (
        facts.sop_instance_uid,
        facts.sop_class_uid,
        facts.instance_number,
        facts.rows,
        facts.columns,
        facts.bits_allocated,
        facts.number_of_frames,
        facts.timezone_offset_from_utc,
        series_id,
        segment_id,
        received.offset,
        received.length,
        received.metadata_offset,
        received.metadata_length,
        received.pixel_offset,
        received.transfer_syntax_uid,
        received.frame_table,
        received.bulk_table,
        received.sha256,
    )
