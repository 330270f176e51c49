"""Compaction: one pack instead of many, every byte the same, nothing lost to whoever reads or changes meanwhile."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from access.database import run_write
from registry.models import Change, Instance, Segment, Series
from repository.compaction import compact, plan
from repository.compaction.compact import compact_series, drop_emptied_segments
from repository.compaction.copying import DamagedSource, copy_instances
from repository.models import Pack, SeriesLease
from repository.sweep import PACK_GRACE, sweep
from tests.support import dicom

pytestmark = pytest.mark.django_db


def read(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.fixture
def series(vendor):
    """A series of six instances that came in as many requests: its row, its path, and the files by UID."""
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    files = {}
    for number in (3, 1, 2, 6, 5, 4):
        file = dicom.make_ct(study, series_instance_uid=series_uid, instance_number=number)
        assert vendor.store(file).status_code == 200
        files[Instance.objects.latest("pk").sop_instance_uid] = file
    path = f"/studies/{study.study_instance_uid}/series/{series_uid}"
    return Series.objects.get(), path, files


def all_answers(vendor, path, files):
    """Everything that is said of the series, as bytes; of multipart answers their parts."""
    answers = {}
    for uid in files:
        base = f"{path}/instances/{uid}"
        answers[f"{uid} file"] = read(vendor.get(base, "application/dicom; transfer-syntax=*"))
        answers[f"{uid} metadata"] = read(vendor.get(f"{base}/metadata"))
        answers[f"{uid} frame"] = read(vendor.get(f"{base}/frames/1", "application/octet-stream"))
        answers[f"{uid} bulk"] = read(vendor.get(f"{base}/bulkdata/7FE00010", "application/octet-stream"))
    documents = json.loads(read(vendor.get(f"{path}/metadata")))
    answers["series"] = sorted(json.dumps(document) for document in documents)
    return answers


def test_many_packs_become_one_and_every_answer_stays(vendor, series, objects_root):
    row, path, files = series
    before = all_answers(vendor, path, files)
    done = compact_series(row.pk)
    assert (done.instances, done.erased, len(done.condemned)) == (6, 0, 6)
    assert Pack.objects.filter(state="live").count() == 1
    assert Segment.objects.filter(emptied_at=None).count() == 1
    assert set(Instance.objects.values_list("segment__pack_key", flat=True)) == {done.key}
    assert all_answers(vendor, path, files) == before
    sweep(now=timezone.now() + PACK_GRACE + timedelta(hours=1))
    assert len(list(objects_root.rglob("*.pack"))) == 1
    assert all_answers(vendor, path, files) == before
    for uid, sha256 in Instance.objects.values_list("sop_instance_uid", "sha256"):
        assert hashlib.sha256(before[f"{uid} file"][128:]).digest() == bytes(sha256)
        assert before[f"{uid} file"][128:] == files[uid][128:]


def test_instances_lie_in_the_order_in_which_they_are_read(vendor, series):
    compact_series(series[0].pk)
    numbers = Instance.objects.order_by("offset").values_list("instance_number", flat=True)
    assert list(numbers) == [1, 2, 3, 4, 5, 6]


def test_what_is_compact_already_is_left_alone(vendor, series):
    row, *_ = series
    assert compact_series(row.pk).instances == 6
    assert compact_series(row.pk) is None
    assert compact_series(row.pk + 1) is None
    assert SeriesLease.objects.count() == 0


def test_large_segments_stay_where_they_are(vendor, series, monkeypatch):
    size = Instance.objects.latest("length").length
    monkeypatch.setattr(plan, "SMALL_SEGMENT_BYTES", size - 1)
    assert compact_series(series[0].pk) is None


def test_a_pack_takes_no_more_than_a_pack_holds(vendor, series, monkeypatch):
    size = Instance.objects.latest("length").length
    monkeypatch.setattr(plan, "CLOSE_AFTER_BYTES", size * 4)
    assert compact_series(series[0].pk).instances == 4
    assert Segment.objects.filter(emptied_at=None).count() == 3


def test_packs_of_which_another_series_reads_stay_live(vendor):
    study = dicom.StudyFacts()
    one, other = dicom.make_uid(), dicom.make_uid()
    for number in range(1, 5):
        files = [
            dicom.make_ct(study, series_instance_uid=uid, instance_number=number) for uid in (one, other)
        ]
        assert vendor.store(*files).status_code == 200
    first, second = Series.objects.order_by("pk")
    assert compact_series(first.pk).condemned == ()
    assert Pack.objects.filter(state="live").count() == 5
    assert len(compact_series(second.pk).condemned) == 4
    assert Pack.objects.filter(state="live").count() == 2
    condemned = Change.objects.filter(kind="packs_condemned").latest("pk")
    assert len(condemned.detail["keys"]) == 4


def test_nothing_moves_when_an_instance_went_meanwhile(vendor, series, monkeypatch, objects_root):
    row, path, _ = series

    def lose_one(*args):
        pack = copy_instances(*args)
        Instance.objects.get(instance_number=4).delete()
        return pack

    monkeypatch.setattr(compact, "copy_instances", lose_one)
    assert compact_series(row.pk) is None
    assert Pack.objects.filter(state="live").count() == 6
    assert len(list(objects_root.rglob("*.pack"))) == 6
    assert Segment.objects.filter(emptied_at=None).count() == 6
    assert len(json.loads(read(vendor.get(f"{path}/metadata")))) == 5


def test_a_leased_series_is_left_to_whoever_holds_it(vendor, series):
    row, *_ = series
    later = timezone.now() + timedelta(minutes=5)
    SeriesLease.objects.create(series=row, token="other", expires_at=later)
    assert compact_series(row.pk) is None
    SeriesLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert compact_series(row.pk).instances == 6


def test_a_damaged_source_moves_nothing_and_is_not_tried_again_at_once(vendor, series, objects_root):
    row, *_ = series
    victim = sorted(objects_root.rglob("*.pack"))[2]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(DamagedSource):
        compact_series(row.pk)
    assert Pack.objects.filter(state="live").count() == 6
    assert len(list(objects_root.rglob("*.pack"))) == 6
    assert compact_series(row.pk) is None


def test_the_rows_of_emptied_segments_stay_for_readers_on_their_way(vendor, series):
    now = timezone.now()
    compact_series(series[0].pk, now=now)
    assert drop_emptied_segments(now + timedelta(minutes=59)) == 0
    assert drop_emptied_segments(now + timedelta(minutes=61)) == 6
    assert Segment.objects.count() == 1


def test_a_compacted_pack_without_rows_is_not_adopted_but_removed(vendor, series, objects_root, monkeypatch):
    row, *_ = series
    monkeypatch.setattr(compact, "run_write", crash_at_second_write())
    with pytest.raises(KeyboardInterrupt):
        compact_series(row.pk)
    assert len(list(objects_root.rglob("*.pack"))) == 7
    report = sweep(now=timezone.now() + timedelta(days=2))
    assert (len(report.removed_unfinished), report.moved_to_lost) == (1, [])
    assert Instance.objects.filter(segment__pack_key__in=Pack.objects.values("key")).count() == 6


def crash_at_second_write():
    """Make a `run_write` that takes the lease, but dies before the rows move."""
    calls = []

    def run(work):
        calls.append(work)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run_write(work)

    return run
