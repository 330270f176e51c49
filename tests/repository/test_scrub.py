"""Scrub: whatever part of a pack is wrong is found, named, and mended once it is right again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Instance
from repository.models import Damage, Pack
from repository.scrub import scrub
from tests.support import dicom

pytestmark = pytest.mark.django_db


@pytest.fixture
def packs(vendor, objects_root):
    """Three packs of two instances each, by key."""
    for _ in range(3):
        assert vendor.store(*dicom.make_series(dicom.StudyFacts(), 2)).status_code == 200
    return {key: objects_root / key for key in Pack.objects.order_by("key").values_list("key", flat=True)}


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_whole_packs_are_seen_once_a_round(packs):
    first = scrub()
    assert (first.packs, first.damaged) == (3, ())
    assert first.size_bytes == sum(path.stat().st_size for path in packs.values())
    assert scrub().packs == 0
    assert scrub(now=timezone.now() + timedelta(days=31)).packs == 3
    assert not Damage.objects.exists()


def test_a_budget_spreads_the_round_and_no_pack_is_forgotten(packs):
    seen = []
    for _ in range(3):
        assert scrub(budget_bytes=1).packs == 1
        seen.append(Pack.objects.filter(last_scrubbed_at__isnull=False).count())
    assert seen == [1, 2, 3]
    oldest = Pack.objects.order_by("last_scrubbed_at")[0]
    scrub(budget_bytes=1, round_time=timedelta(0))
    assert Pack.objects.order_by("last_scrubbed_at").last() == oldest


def test_the_damaged_instance_is_named_and_mended_when_it_is_whole_again(packs):
    key, path = list(packs.items())[1]
    row = Instance.objects.filter(segment__pack_key=key).latest("offset")
    others = Instance.objects.exclude(segment__pack_key=key).count()
    before = path.read_bytes()
    flip(path, row.offset + 400)
    assert scrub().damaged == (key,)
    damaged = set(Damage.objects.filter(mended_at=None).values_list("sop_instance_uid", flat=True))
    assert row.sop_instance_uid in damaged
    assert others == 4
    assert set(Damage.objects.values_list("pack_key", flat=True)) == {key}
    path.write_bytes(before)
    assert scrub(round_time=timedelta(0)).damaged == ()
    assert not Damage.objects.filter(mended_at=None).exists()


@pytest.mark.parametrize("harm", ["cut", "gone", "epilogue", "emptied"])
def test_a_pack_that_cannot_be_read_damages_all_of_its_instances(packs, harm):
    key, path = next(iter(packs.items()))
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "gone":
        path.unlink()
    elif harm == "emptied":
        path.write_bytes(b"")
    else:
        flip(path, path.stat().st_size - 60)
    assert scrub().damaged == (key,)
    uids = set(Instance.objects.filter(segment__pack_key=key).values_list("sop_instance_uid", flat=True))
    assert set(Damage.objects.values_list("sop_instance_uid", flat=True)) == uids


def test_a_row_that_names_another_place_is_damage(packs):
    row = Instance.objects.earliest("pk")
    Instance.objects.filter(pk=row.pk).update(offset=row.offset + 1)
    scrub()
    assert Damage.objects.get().sop_instance_uid == row.sop_instance_uid
    assert "another place" in Damage.objects.get().detail


def test_a_row_of_which_the_pack_knows_nothing_is_damage(packs):
    row = Instance.objects.earliest("pk")
    Instance.objects.filter(pk=row.pk).update(sop_instance_uid="1.2.3")
    scrub()
    assert Damage.objects.get().sop_instance_uid == "1.2.3"
