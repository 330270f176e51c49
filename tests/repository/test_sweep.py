"""What unanswered requests leave behind is removed or set aside, what was answered never."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from registry.models import Instance
from repository.models import Pack
from repository.objects.selection import open_store
from repository.sweep import PACK_GRACE, _condemn, adopt, lost_packs, sweep, tell_time
from tests.support import dicom

pytestmark = pytest.mark.django_db

LATER = timedelta(days=2)


def in_two_days():
    return timezone.now() + LATER


@pytest.fixture
def unanswered(vendor, objects_root):
    """A complete pack whose request died between pack and commit: the rows are gone."""
    study = dicom.StudyFacts()
    vendor.store(*dicom.make_series(study, 3))
    from registry.models import Change, Home, Segment, Series, Study

    for model in (Instance, Segment, Home, Series, Study, Change, Pack):
        model.objects.all().delete()
    [path] = objects_root.rglob("*.pack")
    return path


def test_what_is_answered_or_young_stays(vendor, objects_root):
    vendor.store(dicom.make_ct())
    (objects_root / "packs" / "zz").mkdir(parents=True)
    young = objects_root / "packs" / "zz" / "01arz3ndektsv4rrffq69g5fav.pack"
    young.write_bytes(b"half a pack")
    report = sweep()
    assert (report.removed_unfinished, report.moved_to_lost, report.removed_condemned) == ([], [], [])
    assert young.exists()
    report = sweep(now=in_two_days())
    assert report.removed_unfinished == ["packs/zz/01arz3ndektsv4rrffq69g5fav.pack"]
    assert not young.exists()
    assert len(list(objects_root.rglob("*.pack"))) == 1


def test_a_complete_pack_without_a_row_is_set_aside_and_adopted(unanswered, vendor, objects_root):
    before = unanswered.read_bytes()
    report = sweep(now=in_two_days())
    assert len(report.moved_to_lost) == 1
    assert not unanswered.exists()
    [key] = lost_packs()
    assert (objects_root / key).read_bytes() == before
    assert Pack.objects.get().state == "gone"
    output = StringIO()
    call_command("adopt_packs", stdout=output)
    assert "3 stored, 0 refused" in output.getvalue()
    assert Instance.objects.count() == 3
    assert lost_packs() == []
    assert Pack.objects.filter(state="live").count() == 1


def test_sweeping_twice_does_nothing_twice(unanswered):
    now = in_two_days()
    assert len(sweep(now=now).moved_to_lost) == 1
    again = sweep(now=now)
    assert (again.moved_to_lost, again.removed_unfinished) == ([], [])


def test_adopting_what_was_sent_again_meanwhile_is_no_conflict(vendor, objects_root):
    study = dicom.StudyFacts()
    files = dicom.make_series(study, 2)
    vendor.store(*files)
    [path] = objects_root.rglob("*.pack")
    copy = objects_root / "lost" / path.name
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    adoption = adopt(f"lost/{path.name}")
    assert adoption.is_complete
    assert all(result.is_duplicate for result in adoption.results)
    assert (Instance.objects.count(), lost_packs()) == (2, [])


def test_condemned_packs_go_after_their_grace_only(vendor, objects_root):
    vendor.store(dicom.make_ct())
    now = timezone.now()
    Pack.objects.update(state="condemned", condemned_at=now)
    assert sweep(now=now + PACK_GRACE - timedelta(hours=1)).removed_condemned == []
    assert len(sweep(now=now + PACK_GRACE).removed_condemned) == 1
    assert list(objects_root.rglob("*.pack")) == []
    assert Pack.objects.get().state == "gone"


def test_a_sweep_that_died_after_condemning_is_taken_up_again(unanswered):
    now = in_two_days()
    key = f"packs/{unanswered.parent.name}/{unanswered.name}"
    assert _condemn(key, 1, now)
    assert sweep(now=now + timedelta(minutes=1)).moved_to_lost == []
    report = sweep(now=now + timedelta(hours=2))
    assert (report.moved_to_lost, report.removed_condemned) == ([key], [])
    assert len(lost_packs()) == 1


def test_lost_packs_are_kept_for_ninety_days(unanswered):
    assert len(sweep(now=in_two_days()).moved_to_lost) == 1
    assert sweep(now=timezone.now() + timedelta(days=89)).removed_lost == []
    assert len(lost_packs()) == 1
    assert len(sweep(now=timezone.now() + timedelta(days=91)).removed_lost) == 1
    assert lost_packs() == []


def test_the_age_of_a_pack_is_by_the_clock_of_the_object_store(objects_root, monkeypatch):
    store = open_store()
    left = objects_root / "packs" / "zz" / "01arz3ndektsv4rrffq69g5fav.pack"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a pack")
    of_store = timezone.now() + LATER
    monkeypatch.setattr(type(store), "modified_at", lambda self, key: of_store)
    assert tell_time(store) == of_store
    assert len(sweep().removed_unfinished) == 1
    assert list(store.keys("")) == []
