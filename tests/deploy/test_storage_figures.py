"""What doctor says of the storage, and which of it needs somebody."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from deploy.storage_figures import describe_damages, read_figures
from deploy.storage_place import lies_on_encrypted_volume
from registry.models import Instance, Study
from repository.compaction.compact import compact_study
from repository.damage import note_damage
from repository.journal.duty import write_journal
from repository.models import Damage, JournalHead, Pack
from repository.objects.bucket import put
from repository.scrub import scrub
from tests.registry.factories import make_department
from tests.repository.conftest import make_vendor
from tests.support import dicom
from tests.support.buckets import ACCESS_KEY, SECRET_KEY, run_s3

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guarded_log")]


@pytest.fixture(autouse=True)
def scattered(settings, tmp_path):
    """A series of five instances that came one by one."""
    settings.OBJECTS_ROOT = tmp_path / "objects"
    vendor = make_vendor(make_department(), "pacs")
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    for number in range(1, 6):
        file = dicom.make_ct(study, series_instance_uid=series_uid, instance_number=number)
        assert vendor.store(file).status_code == 200
    return series_uid


def doctor(**options):
    out = StringIO()
    try:
        call_command("doctor", stdout=out, **options)
    except SystemExit as error:
        return out.getvalue(), error.code
    return out.getvalue(), 0


def test_figures_follow_compaction_and_scrub(scattered, tmp_path):
    before = read_figures()
    assert (before.live_packs, before.condemned_packs, before.never_scrubbed) == (5, 0, 5)
    assert [(one.series_instance_uid, one.segments) for one in before.scattered] == [(scattered, 5)]
    assert before.live_bytes == sum(p.stat().st_size for p in tmp_path.rglob("*.pack"))
    compact_study(Study.objects.get().pk)
    scrub()
    after = read_figures()
    assert (after.live_packs, after.condemned_packs, after.never_scrubbed) == (1, 5, 0)
    assert (after.instances, after.scattered, after.damages) == (5, (), 0)
    assert after.oldest_scrub_at is not None


def test_all_is_well_is_said_in_so_many_words():
    write_journal()
    text, status = doctor(journal=True)
    assert status == 0
    assert "nothing needs attention" in text
    assert "packs 5, " in text
    assert "journal: 1 files" in text


def test_damage_is_named_with_its_uids():
    row = Instance.objects.select_related("series__study", "segment").earliest("pk")
    note_damage(
        row.segment.pack_key, "a bad block", row.sop_instance_uid, row.series.study.study_instance_uid
    )
    text, status = doctor()
    assert status == 1
    for expected in (
        row.segment.pack_key,
        row.sop_instance_uid,
        row.series.study.study_instance_uid,
        "a bad block",
    ):
        assert expected in text


def test_of_many_damages_some_are_named_and_the_rest_counted():
    key = Pack.objects.earliest("key").key
    now = timezone.now()
    Damage.objects.bulk_create(
        Damage(pack_key=key, sop_instance_uid=f"1.2.{n}", detail="gone", found_at=now) for n in range(25)
    )
    lines = list(describe_damages())
    assert len(lines) == 21
    assert "5 more" in lines[-1]


def test_a_journal_that_is_ahead_or_broken_needs_somebody(tmp_path):
    write_journal()
    [path] = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"Radiology", b"Cardiology"))
    assert doctor(journal=True)[1] == 1
    JournalHead.objects.all().delete()
    text, status = doctor()
    assert status == 1
    assert "rebuild_index" in text


def test_a_folder_without_the_newest_pack_needs_somebody(tmp_path, settings):
    newest = Pack.objects.latest("written_at")
    text, status = doctor()
    assert f"objects: folder {tmp_path / 'objects'}" in text
    assert "newest pack" not in text
    Pack.objects.filter(pk=newest.pk).update(size_bytes=newest.size_bytes + 1)
    assert f"{newest.key} has {newest.size_bytes} bytes instead of" in doctor()[0]
    settings.OBJECTS_ROOT = tmp_path / "elsewhere"
    text, status = doctor()
    assert status == 1
    assert f"! the newest pack {newest.key} is not there" in text


def test_a_bucket_is_looked_at_in_place_of_the_folder(tmp_path, settings):
    """What is not in the bucket is said, also where the folder has it; and a bucket that does not answer is."""
    newest = Pack.objects.latest("written_at")
    content = (settings.OBJECTS_ROOT / newest.key).read_bytes()
    settings.SPOOL_ROOT = tmp_path / "spool"
    settings.OBJECTS_BUCKET, settings.S3_KEY = "s3://archive/region", f"{ACCESS_KEY}:{SECRET_KEY}"
    with run_s3(tmp_path / "s3") as service:
        settings.S3_ENDPOINT = service.url
        bucket = service.open("archive", "region/")
        text, status = doctor()
        assert (status, "objects: bucket s3://archive/region" in text) == (1, True)
        assert f"! the newest pack {newest.key} is not there" in text
        put(bucket, newest.key, [content])
        put(bucket, "lost/x.pack", [b"lost"])
        text, _status = doctor()
        assert "newest pack" not in text
        assert "1 packs in objects/lost" in text
        assert "the bucket of the objects is not known to be encrypted" in text
    text, status = doctor(journal=True)
    assert status == 1
    assert "! the objects cannot be read: " in text


def test_a_volume_that_linux_does_not_know_as_encrypted_is_not_called_so():
    assert lies_on_encrypted_volume(Path("/proc/self")) is False
    assert lies_on_encrypted_volume(Path("/nowhere/at/all")) == lies_on_encrypted_volume(Path("/"))
