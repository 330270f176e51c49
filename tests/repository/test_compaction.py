"""Compaction: one pack instead of many, every byte the same, nothing lost to whoever reads or changes meanwhile."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from access.database import run_write
from access.models import Department
from registry.models import Change, Instance, IssuerRule, Removal, RemovedInstance, Segment, Series, Study
from registry.remove import Target, delete, restore
from repository import metadata, retrieve
from repository.compaction import compact, plan
from repository.compaction.compact import compact_study, drop_emptied_segments
from repository.compaction.copying import DamagedSource, copy_parts
from repository.compaction.duty import COMPACT_AFTER, compact_quiet
from repository.delivery.duties import note_quiet_studies
from repository.models import Damage, Pack, StudyLease
from repository.retrieve import _document
from repository.sweep import PACK_GRACE, sweep
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db

ADMIN = Actor("system", "tool", Scope(region_wide=True), frozenset({"read", "delete", "store"}))


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
    done = compact_study(row.study_id)
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
    compact_study(series[0].study_id)
    numbers = Instance.objects.order_by("offset").values_list("instance_number", flat=True)
    assert list(numbers) == [1, 2, 3, 4, 5, 6]


def test_what_is_compact_already_is_left_alone(vendor, series):
    row, *_ = series
    assert compact_study(row.study_id).instances == 6
    assert compact_study(row.study_id) is None
    assert compact_study(row.study_id + 1) is None
    assert StudyLease.objects.count() == 0


def test_what_came_from_another_department_stays_apart_and_holds_nothing_up(vendor, department):
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    colleague = Department.objects.create(unit=department.unit, hsa_id="SE-colleague", name="Colleague")
    rules = IssuerRule.objects.filter(department=department)
    IssuerRule.objects.bulk_create(
        IssuerRule(department=colleague, position=r.position, kind=r.kind, pattern=r.pattern, issuer=r.issuer)
        for r in rules
    )
    other = make_vendor(colleague, "pacs-colleague")
    for number, sender in enumerate((vendor, other, other, vendor, other, other), 1):
        file = dicom.make_ct(study, series_instance_uid=series_uid, instance_number=number)
        assert sender.store(file).status_code == 200
    assert compact_study(Study.objects.get().pk).instances == 4
    assert compact_study(Study.objects.get().pk) is None
    assert Pack.objects.filter(state="live").count() == 3


def test_large_packs_stay_where_they_are(vendor, series, monkeypatch):
    size = Instance.objects.latest("length").length
    monkeypatch.setattr(plan, "SMALL_PACK_BYTES", size - 1)
    assert compact_study(series[0].study_id) is None


def test_a_pack_takes_no_more_than_a_pack_holds(vendor, series, monkeypatch):
    size = Instance.objects.latest("length").length
    monkeypatch.setattr(plan, "CLOSE_AFTER_BYTES", size * 4)
    assert compact_study(series[0].study_id).instances == 4
    assert Segment.objects.filter(emptied_at=None).count() == 3


def test_all_series_of_a_study_come_into_one_pack_each_in_one_piece(vendor):
    study = dicom.StudyFacts()
    one, other = dicom.make_uid(), dicom.make_uid()
    for number in range(1, 5):
        files = [
            dicom.make_ct(study, series_instance_uid=uid, instance_number=number) for uid in (one, other)
        ]
        assert vendor.store(*files).status_code == 200
    done = compact_study(Study.objects.get().pk)
    assert (done.instances, len(done.condemned)) == (8, 4)
    assert Pack.objects.get(state="live").key == done.key
    assert Segment.objects.filter(emptied_at=None).count() == 2
    order = list(Instance.objects.order_by("offset").values_list("series__series_instance_uid", flat=True))
    assert order in ([one] * 4 + [other] * 4, [other] * 4 + [one] * 4)
    condemned = Change.objects.get(kind="packs_condemned")
    assert len(condemned.detail["keys"]) == 4


def test_nothing_moves_when_an_instance_went_meanwhile(vendor, series, monkeypatch, objects_root):
    row, path, _ = series

    def lose_one(*args):
        pack = copy_parts(*args)
        Instance.objects.get(instance_number=4).delete()
        return pack

    monkeypatch.setattr(compact, "copy_parts", lose_one)
    assert compact_study(row.study_id) is None
    assert Pack.objects.filter(state="live").count() == 6
    assert len(list(objects_root.rglob("*.pack"))) == 6
    assert Segment.objects.filter(emptied_at=None).count() == 6
    assert len(json.loads(read(vendor.get(f"{path}/metadata")))) == 5


def test_what_is_past_its_recovery_time_is_erased_and_the_rest_stays_recoverable(
    vendor, series, objects_root
):
    row, path, files = series
    study = row.study.study_instance_uid
    uids = list(Instance.objects.order_by("instance_number").values_list("sop_instance_uid", flat=True))
    removals = [delete(ADMIN, Target(study, row.series_instance_uid, uid), door="test") for uid in uids[:2]]
    now = timezone.now()
    Removal.objects.filter(pk=removals[0].pk).update(recoverable_until=now - timedelta(seconds=1))
    done = compact_study(row.study_id)
    assert (done.instances, done.erased, len(done.condemned)) == (5, 1, 6)
    states = dict(RemovedInstance.objects.values_list("sop_instance_uid", "state"))
    assert states == {uids[0]: "erased", uids[1]: "hidden"}
    assert vendor.get(f"{path}/instances/{uids[1]}").status_code == 410
    restore(ADMIN, removals[1].pk, door="test")
    answer = read(vendor.get(f"{path}/instances/{uids[1]}", "application/dicom; transfer-syntax=*"))
    assert answer[128:] == files[uids[1]][128:]
    assert uids[1].encode() in read(vendor.get(f"{path}/metadata"))
    sweep(now=now + PACK_GRACE + timedelta(hours=1))
    assert len(list(objects_root.rglob("*.pack"))) == 1
    assert uids[0].encode() not in b"".join(p.read_bytes() for p in objects_root.rglob("*.pack"))
    drop_emptied_segments(now + timedelta(days=1))
    assert vendor.get(f"{path}/instances/{uids[0]}").status_code == 410


def test_a_series_of_which_all_is_erased_leaves_no_pack(vendor, series, objects_root):
    row, *_ = series
    delete(ADMIN, Target(row.study.study_instance_uid), door="test")
    Removal.objects.update(recoverable_until=timezone.now())
    assert compact_quiet() == 1
    assert not Pack.objects.filter(state="live").exists()
    sweep(now=timezone.now() + PACK_GRACE + timedelta(hours=1))
    assert list(objects_root.rglob("*.pack")) == []
    assert compact_quiet() == 0


def test_nothing_is_erased_that_is_restored_meanwhile(vendor, series, monkeypatch):
    row, *_ = series
    removal = delete(ADMIN, Target(row.study.study_instance_uid), door="test")

    def restore_first(*args):
        pack = copy_parts(*args)
        restore(ADMIN, removal.pk, door="test")
        return pack

    monkeypatch.setattr(compact, "copy_parts", restore_first)
    assert compact_study(row.study_id) is None
    assert Instance.objects.count() == 6
    assert Pack.objects.filter(state="live").count() == 6


def test_the_duty_takes_studies_that_have_been_quiet_for_a_while(vendor, series):
    Study.objects.update(quiet_due_at=timezone.now() - timedelta(seconds=1))
    note_quiet_studies()
    assert compact_quiet() == 0
    later = timezone.now() + COMPACT_AFTER + timedelta(minutes=1)
    assert compact_quiet(now=later) == 1
    assert compact_quiet(now=later) == 0
    assert Pack.objects.filter(state="live").count() == 1


def test_a_damaged_series_is_noted_by_the_duty_and_others_go_on(vendor, series, objects_root):
    flip_a_bit(sorted(objects_root.rglob("*.pack"))[2])
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    for number in range(1, 5):
        vendor.store(dicom.make_ct(study, series_instance_uid=series_uid, instance_number=number))
    Study.objects.update(quiet_due_at=timezone.now() - timedelta(seconds=1))
    note_quiet_studies()
    assert compact_quiet(after=timedelta(0)) == 1
    assert Damage.objects.get().study_instance_uid == series[0].study.study_instance_uid


def test_a_leased_series_is_left_to_whoever_holds_it(vendor, series):
    row, *_ = series
    later = timezone.now() + timedelta(minutes=5)
    StudyLease.objects.create(study=row.study, token="other", expires_at=later)
    assert compact_study(row.study_id) is None
    StudyLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert compact_study(row.study_id).instances == 6


def test_a_damaged_source_moves_nothing_and_is_not_tried_again_at_once(vendor, series, objects_root):
    row, *_ = series
    flip_a_bit(sorted(objects_root.rglob("*.pack"))[2])
    with pytest.raises(DamagedSource):
        compact_study(row.study_id)
    assert Pack.objects.filter(state="live").count() == 6
    assert len(list(objects_root.rglob("*.pack"))) == 6
    assert compact_study(row.study_id) is None


def test_the_rows_of_emptied_segments_stay_for_readers_on_their_way(vendor, series):
    now = timezone.now()
    compact_study(series[0].study_id, now=now)
    assert drop_emptied_segments(now + timedelta(minutes=59)) == 0
    assert drop_emptied_segments(now + timedelta(minutes=61)) == 6
    assert Segment.objects.count() == 1


@pytest.mark.parametrize(
    ("suffix", "accept"),
    [
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
        ("/instances/{uid}", "application/dicom; transfer-syntax=*"),
        ("/instances/{uid}/frames/1", "application/octet-stream"),
        ("/instances/{uid}/bulkdata/7FE00010", "application/octet-stream"),
        ("/instances/{uid}/metadata", "application/dicom+json"),
        ("/metadata", "application/dicom+json"),
    ],
)
def test_who_planned_before_everything_moved_plans_once_more(vendor, series, monkeypatch, suffix, accept):
    row, path, files = series
    url = path + suffix.format(uid=next(iter(files)))
    before = parts_of(read(vendor.get(url, accept)))
    calls: list[compact.Compacted] = []

    def be_late(function):
        def plan(*arguments):
            planned = function(*arguments)
            if not calls:
                calls.append(compact_study(row.study_id))
                sweep(now=timezone.now() + PACK_GRACE + timedelta(hours=1))
                drop_emptied_segments(timezone.now() + timedelta(days=1))
            return planned

        return plan

    _document.cache_clear()
    monkeypatch.setattr(retrieve, "find_instances", be_late(retrieve.find_instances))
    monkeypatch.setattr(metadata, "plan_documents", be_late(metadata.plan_documents))
    response = vendor.get(url, accept)
    assert (response.status_code, calls[0].instances) == (200, 6)
    assert parts_of(read(response)) == before
    assert not Damage.objects.exists()


def parts_of(body):
    """What a body consists of, whatever its boundary and the order of the parts."""
    if body[:1] == b"[":
        return sorted(json.dumps(document) for document in json.loads(body))
    boundary = body.partition(b"\r\n")[0].strip() if body.lstrip()[:2] == b"--" else b"no boundary at all"
    return sorted(body.split(boundary))


def test_a_compacted_pack_without_rows_is_not_adopted_but_removed(vendor, series, objects_root, monkeypatch):
    row, *_ = series
    monkeypatch.setattr(compact, "run_write", crash_at_second_write())
    with pytest.raises(KeyboardInterrupt):
        compact_study(row.study_id)
    assert len(list(objects_root.rglob("*.pack"))) == 7
    report = sweep(now=timezone.now() + timedelta(days=2))
    assert (len(report.removed_unfinished), report.moved_to_lost) == (1, [])
    assert Instance.objects.filter(segment__pack_key__in=Pack.objects.values("key")).count() == 6


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def crash_at_second_write():
    """Make a `run_write` that takes the lease, but dies before the rows move."""
    calls = []

    def run(work):
        calls.append(work)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run_write(work)

    return run
