"""The database is lost: packs and journal bring everything back, closed, and nothing that was dead."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from access.actor import Actor, Scope
from access.models import ApiClient, AuditEvent, CareProvider, CareUnit, Department
from registry.models import (
    CareRelation,
    Change,
    ChangeCursor,
    Conflict,
    Home,
    Instance,
    IssuerRule,
    Patient,
    PatientIdentifier,
    Removal,
    RemovedInstance,
    Segment,
    Series,
    Share,
    Study,
)
from registry.rebuilt import confirm_rebuilt
from registry.remove import Target, delete, reject, restore
from registry.removed import REJECTIONS
from repository.compaction.compact import compact_study
from repository.journal.duty import find_advance, verify_journal, write_journal
from repository.journal.files import list_keys
from repository.models import Damage, JournalHead, Pack
from repository.objects.selection import open_store
from repository.rebuild.rebuild import rebuild
from repository.retrieve import instances_to_send, read_as_received
from tests.registry.factories import make_department, make_share
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db

ADMIN = Actor("system", "tool", Scope(region_wide=True), frozenset({"read", "delete", "store"}))
MULTIPART = 'multipart/related; type="application/dicom"; transfer-syntax=*'
LOST = (
    CareRelation,
    Share,
    Damage, JournalHead, Pack, Conflict, RemovedInstance, Removal, Instance, Segment, Home, Series, Study,
    PatientIdentifier, Patient, Change, ChangeCursor, IssuerRule,
)  # fmt: skip


@pytest.fixture
def reader(department):
    """A region-wide reader: what it sees is all there is."""
    return make_vendor(None, "tool")


def lose_database():
    """Delete every row; the organisation too, as an empty database has none."""
    write_journal()
    for model in LOST:
        model.objects.all().delete()
    ApiClient.objects.exclude(region_wide=True).delete()
    Department.objects.all().delete()
    CareUnit.objects.all().delete()
    CareProvider.objects.all().delete()


def store(vendor, count=2, **facts):
    study = dicom.StudyFacts(**facts)
    files = dicom.make_series(study, count)
    assert vendor.store(*files).status_code == 200
    return study.study_instance_uid


def all_bytes():
    """Every instance as it is stored, by UID."""
    return {
        item.sop_instance_uid: b"".join(read_as_received(item))
        for study in Study.objects.filter(number_of_study_related_instances__gt=0)
        for item in instances_to_send(study)
    }


def rows_of(model, *without):
    """The rows of a model without what a database numbers itself."""
    names = [
        f.attname for f in model._meta.concrete_fields
        if not f.primary_key and not f.is_relation and f.attname not in without
    ]  # fmt: skip
    return sorted(repr(row) for row in model.objects.values_list(*names))


def test_every_instance_and_every_row_is_back(vendor):
    store(vendor)
    store(vendor, count=3, patient_id="201212121212", study_description="MR hjärna")
    series = Series.objects.all()
    closed = ("in_conflict", "state", "quiet_due_at", "fragment", "created_at")
    before = [rows_of(model, *closed) for model in (Study, Series, Instance, Segment, PatientIdentifier)]
    whole = all_bytes()
    assert (len(whole), series.count()) == (5, 2)
    lose_database()
    report = rebuild()
    assert (report.packs, report.instances, report.faults, report.departments) == (2, 5, [], 1)
    assert all_bytes() == whole
    after = [rows_of(model, *closed) for model in (Study, Series, Instance, Segment, PatientIdentifier)]
    assert after == before
    assert verify_journal() == []


def test_studies_come_back_to_the_unit_of_their_custodian_only(vendor, department):
    uid = store(vendor)
    colleague = Department.objects.create(unit=department.unit, hsa_id="SE-colleague", name="Colleague")
    other_unit = CareUnit.objects.create(provider=department.unit.provider, hsa_id="SE-u2", name="Unit 2")
    cousin = Department.objects.create(unit=other_unit, hsa_id="SE-cousin", name="Cousin")
    names = [department.hsa_id, colleague.hsa_id, cousin.hsa_id]
    lose_database()
    rebuild()
    make_share(Study.objects.get(), Department.objects.get(hsa_id=cousin.hsa_id), basis="delivery")
    vendors = [make_vendor(Department.objects.get(hsa_id=hsa_id), f"pacs {hsa_id}") for hsa_id in names]
    assert [v.get(f"/studies/{uid}", MULTIPART).status_code for v in vendors] == [200, 200, 404]
    assert [
        len(v.get("/studies").json()) if v.get("/studies").status_code == 200 else 0 for v in vendors
    ] == [1, 1, 0]
    assert confirm_rebuilt(ADMIN, ["1.2.3"], door="test") == 0
    assert confirm_rebuilt(ADMIN, door="test") == 1  # and what it is shared with finds it again
    assert [v.get(f"/studies/{uid}", MULTIPART).status_code for v in vendors] == [200, 200, 200]
    assert Study.objects.get().quiet_due_at is None
    assert not Change.objects.filter(kind="study_quiet").exists()


def test_what_was_removed_stays_removed_and_what_was_restored_is_there(vendor, reader):
    deleted, rejected, kept, back = (store(vendor) for _ in range(4))
    delete(ADMIN, Target(deleted), door="test")
    one = Instance.objects.filter(series__study__study_instance_uid=rejected).first()
    reject(
        ADMIN,
        Target(rejected, one.series.series_instance_uid, one.sop_instance_uid),
        REJECTIONS[1],
        door="test",
    )
    restore(ADMIN, delete(ADMIN, Target(back), door="test").pk, door="test")
    whole = all_bytes()
    lose_database()
    rebuild()
    assert all_bytes() == whole
    assert set(Study.objects.filter(number_of_study_related_instances=2).values_list("study_instance_uid", flat=True)) == {
        kept, back
    }  # fmt: skip
    assert reader.get(f"/studies/{deleted}", MULTIPART).status_code == 410
    metadata = b"".join(reader.get(f"/studies/{rejected}/metadata").streaming_content)
    assert one.sop_instance_uid.encode() not in metadata
    assert Home.objects.filter(study__study_instance_uid=deleted).count() == 0
    removal = Removal.objects.get(kind="delete", study__study_instance_uid=deleted)
    assert restore(ADMIN, removal.pk, door="test").restored_at is not None
    assert len(all_bytes()) == len(whole) + 2


def test_a_second_loss_changes_nothing(vendor):
    deleted = store(vendor)
    store(vendor)
    delete(ADMIN, Target(deleted), door="test")
    whole = all_bytes()
    for _ in range(2):
        lose_database()
        assert rebuild().faults == []
        assert all_bytes() == whole
        assert verify_journal() == []


def test_stored_anew_after_a_deletion_with_other_bytes(vendor):
    study, uid = dicom.StudyFacts(), dicom.make_uid()
    vendor.store(dicom.make_ct(study, seed=1, sop_instance_uid=uid))
    delete(ADMIN, Target(study.study_instance_uid), door="test")
    assert vendor.store(dicom.make_ct(study, seed=2, sop_instance_uid=uid)).status_code == 200
    whole = all_bytes()
    lose_database()
    rebuild()
    assert all_bytes() == whole


def test_what_lay_in_a_pack_and_was_refused_does_not_come_back(vendor, monkeypatch):
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    uid = dicom.make_uid()
    first = dicom.make_ct(study, series_instance_uid=series_uid, sop_instance_uid=uid, seed=1)
    second = dicom.make_ct(study, series_instance_uid=series_uid, sop_instance_uid=uid, seed=2)
    other = dicom.make_ct(study, series_instance_uid=series_uid)
    # The check before the pack is written is what two racing stores both pass.
    monkeypatch.setattr("repository.store._check_known", lambda *arguments: None)
    vendor.store(first)
    vendor.store(second, other)
    vendor.store(second)
    assert Pack.objects.filter(state="condemned").count() == 1
    whole = all_bytes()
    assert len(whole) == 2
    lose_database()
    # Even if the loser's pack is read first: its key is older when its request began earlier.
    monkeypatch.setattr("repository.rebuild.rebuild.sorted", lambda found: sorted(found)[::-1], raising=False)
    rebuild()
    assert all_bytes() == whole


def test_compacted_packs_bring_back_each_instance_once(vendor):
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    for number in range(1, 6):
        vendor.store(dicom.make_ct(study, series_instance_uid=series_uid, instance_number=number))
    gone = Instance.objects.get(instance_number=3)
    delete(ADMIN, Target(study.study_instance_uid, series_uid, gone.sop_instance_uid), door="test")
    compacted = compact_study(Study.objects.get().pk)
    whole = all_bytes()
    lose_database()
    report = rebuild()
    assert (report.packs, report.condemned, len(all_bytes())) == (1, 5, 4)
    assert all_bytes() == whole
    assert Pack.objects.get(state="live").key == compacted.key


def test_an_older_database_is_brought_up_to_date(vendor, reader):
    deleted = store(vendor)
    write_journal()
    head, packs = JournalHead.objects.values()[0], set(Pack.objects.values_list("key", flat=True))
    delete(ADMIN, Target(deleted), door="test")
    newer = store(vendor)
    write_journal()
    restore_backup(head, packs, deleted)
    assert reader.get(f"/studies/{deleted}", MULTIPART).status_code == 200
    assert find_advance() is not None
    report = rebuild()
    assert (report.packs, report.hidden) == (1, 2)
    assert reader.get(f"/studies/{deleted}", MULTIPART).status_code == 410
    assert reader.get(f"/studies/{newer}", MULTIPART).status_code == 200
    assert find_advance() is None
    assert rebuild().packs == 0


def restore_backup(head, packs, study_uid):
    """Bring the rows back to where they were before the deletion and the second study."""
    restore(ADMIN, Removal.objects.get().pk, door="test")
    RemovedInstance.objects.all().delete()
    Removal.objects.all().delete()
    younger = Study.objects.exclude(study_instance_uid=study_uid)
    Instance.objects.filter(series__study__in=younger).delete()
    Segment.objects.filter(series__study__in=younger).delete()
    younger.delete()
    Pack.objects.exclude(key__in=packs).delete()
    Change.objects.exclude(kind="store", study_instance_uid=study_uid).delete()
    JournalHead.objects.filter(pk=head["id"]).update(**{k: v for k, v in head.items() if k != "id"})


def test_a_damaged_pack_brings_back_what_is_whole(vendor, objects_root):
    vendor.store(*dicom.make_series(dicom.StudyFacts(), 3, rows=512, columns=512))
    [path] = objects_root.rglob("*.pack")
    victim = Instance.objects.latest("offset")
    data = bytearray(path.read_bytes())
    data[victim.offset + victim.length - 10] ^= 1
    path.write_bytes(data)
    lose_database()
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("rebuild_index", processes=1, stdout=out)
    assert victim.sop_instance_uid in out.getvalue()
    assert Instance.objects.count() == 2
    assert not Instance.objects.filter(sop_instance_uid=victim.sop_instance_uid).exists()
    assert Damage.objects.filter(mended_at=None).exists()


def test_a_pack_that_was_never_finished_is_left_to_the_sweep(vendor, objects_root):
    store(vendor)
    [path] = objects_root.rglob("*.pack")
    path.write_bytes(path.read_bytes()[:-50])
    lose_database()
    assert rebuild().faults == [
        f"packs/{path.parent.name}/{path.name}: it was never finished, so never answered for"
    ]
    assert not Study.objects.exists()


def test_it_goes_on_where_it_was_interrupted(vendor, monkeypatch):
    for _ in range(3):
        store(vendor)
    whole = all_bytes()
    lose_database()

    def die(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(note_progress=die)
    assert Study.objects.count() == 2
    assert find_advance() is not None
    assert rebuild().packs == 1
    assert all_bytes() == whole
    assert find_advance() is None


def test_without_a_journal_nobody_but_the_region_sees_what_came_back(vendor, reader, department):
    uid = store(vendor)
    lose_database()
    for key in list_keys(open_store()):
        open_store().delete(key)
    rebuild()
    assert reader.get(f"/studies/{uid}", MULTIPART).status_code == 200
    stranger = make_vendor(make_department(), "stranger")
    assert stranger.get(f"/studies/{uid}", MULTIPART).status_code == 404
    assert Study.objects.get().custodian is None


def test_the_confirmation_is_in_the_access_log(vendor):
    uid = store(vendor)
    lose_database()
    rebuild()
    out = StringIO()
    call_command("confirm_rebuilt", uid, officer="A. Officer", stdout=out)
    assert "1 studies confirmed" in out.getvalue()
    assert AuditEvent.objects.filter(action="confirm_rebuilt", study_instance_uid=uid).count() == 1
    with pytest.raises(CommandError):
        call_command("confirm_rebuilt", officer="A. Officer")
