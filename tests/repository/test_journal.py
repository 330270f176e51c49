"""The journal: what packs cannot say is written within a minute, chained, and every change to it is seen."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from registry.models import Change, IssuerRule, RemovedInstance, Study
from registry.remove import Target, delete, restore
from repository.journal import duty
from repository.journal.duty import JournalIsAhead, find_advance, verify_journal, write_journal
from repository.journal.files import BrokenJournal, list_keys, read_chain, read_file, write_file
from repository.models import JournalHead, Pack
from repository.objects.selection import open_store
from repository.sweep import sweep
from tests.support import dicom

pytestmark = pytest.mark.django_db

ADMIN = Actor("system", "tool", Scope(region_wide=True), frozenset({"read", "delete", "store"}))


@pytest.fixture
def study(vendor):
    """A stored study of two instances; the organisation is in the journal already."""
    write_journal()
    assert vendor.store(*dicom.make_series(dicom.StudyFacts(), 2)).status_code == 200
    return Study.objects.get()


def entries():
    files, faults = read_chain(open_store())
    assert faults == []
    return [entry for file in files for entry in file.entries]


def test_the_organisation_is_written_first_and_whenever_it_changes(department):
    assert write_journal() == 1
    [entry] = entries()
    assert [department.hsa_id, department.name, department.unit.hsa_id] in entry["departments"]
    assert write_journal() == 0
    IssuerRule.objects.create(department=department, position=90, kind="local", issuer="1.2.3")
    assert write_journal() == 1
    assert [department.hsa_id, 90, "local", "", "1.2.3"] in entries()[-1]["issuer_rules"]


def test_a_removal_is_told_with_the_hashes_of_what_it_hid(study):
    removal = delete(ADMIN, Target(study.study_instance_uid), door="test", reason="wrong patient")
    assert write_journal() == 1
    entry = entries()[-1]
    assert (entry["kind"], entry["study"]) == ("removed", study.study_instance_uid)
    assert (entry["removal"]["kind"], entry["removal"]["reason"]) == ("delete", "wrong patient")
    hidden = RemovedInstance.objects.filter(removal=removal).values_list("sop_instance_uid", "sha256")
    assert entry["instances"] == sorted([uid, bytes(sha256).hex()] for uid, sha256 in hidden)
    restore(ADMIN, removal.pk, door="test")
    write_journal()
    assert (entries()[-1]["kind"], len(entries()[-1]["instances"])) == ("restored", 2)


def test_what_is_stored_anew_after_a_deletion_is_told(vendor):
    file = dicom.make_ct()
    vendor.store(file)
    delete(ADMIN, Target(Study.objects.get().study_instance_uid), door="test")
    assert vendor.store(file).status_code == 200
    write_journal()
    kinds = [entry["kind"] for entry in entries()]
    assert kinds == ["organisation", "removed", "replaced"]
    assert entries()[-1]["instances"] == entries()[-2]["instances"]


def test_every_file_names_the_one_before(study):
    for number in range(3):
        Change.objects.create(
            kind="packs_condemned", detail={"keys": [f"packs/{number}"]}, appended_at=timezone.now()
        )
        write_journal()
    files, faults = read_chain(open_store())
    assert [file.sequence for file in files] == [1, 2, 3, 4]
    assert [file.previous_sha256 for file in files[1:]] == [file.sha256 for file in files[:-1]]
    assert (faults, verify_journal()) == ([], [])


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "last gone", "garbage"])
def test_a_change_to_the_journal_is_seen(study, objects_root, harm):
    for number in range(2):
        Change.objects.create(
            kind="packs_condemned", detail={"keys": [f"packs/{number}"]}, appended_at=timezone.now()
        )
        write_journal()
    keys = list_keys(open_store())
    path = objects_root / keys[2 if harm == "last gone" else 1]
    if harm == "changed":
        path.write_bytes(path.read_bytes().replace(b"packs/0", b"packs/9"))
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif harm == "garbage":
        path.write_bytes(b"\x00\xff")
    else:
        path.unlink()
    assert verify_journal() != []


def test_a_process_that_died_before_it_noted_its_file_does_no_harm(study, monkeypatch):
    delete(ADMIN, Target(study.study_instance_uid), door="test")

    def die(work):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("repository.journal.duty.run_write", die)
        with pytest.raises(KeyboardInterrupt):
            write_journal()
    assert len(list_keys(open_store())) == 2
    assert find_advance() is None
    assert write_journal() == 1
    assert [entry["kind"] for entry in entries()] == ["organisation", "removed", "removed"]
    assert verify_journal() == []


def test_the_very_first_file_is_no_alarm_while_it_is_not_noted(department, monkeypatch):
    """Between a file and its note lies a moment in which others ask, and in which a process may die."""

    def die(work):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("repository.journal.duty.run_write", die)
        with pytest.raises(KeyboardInterrupt):
            write_journal()
    [key] = list_keys(open_store())
    assert JournalHead.objects.get().sequence == 0
    assert find_advance() is None
    assert write_journal() == 1
    assert verify_journal() == []
    JournalHead.objects.all().delete()
    assert find_advance() == key, "a database that never began a journal is behind any that there is"


def test_of_two_writers_one_leaves_no_trace(study, monkeypatch):
    delete(ADMIN, Target(study.study_instance_uid), door="test")

    def be_second(*arguments):
        file = write_file(*arguments)
        with monkeypatch.context() as patched:
            patched.setattr(duty, "write_file", write_file)
            assert write_journal() == 1
        return file

    with monkeypatch.context() as patched:
        patched.setattr(duty, "write_file", be_second)
        assert write_journal() == 0
    assert [entry["kind"] for entry in entries()] == ["organisation", "removed"]


def test_an_older_database_is_neither_swept_nor_journalled(study, objects_root):
    backup = list(JournalHead.objects.values())
    delete(ADMIN, Target(study.study_instance_uid), door="test")
    write_journal()
    JournalHead.objects.update(**{k: v for k, v in backup[0].items() if k != "id"})
    Change.objects.filter(kind="instances_removed").delete()
    assert find_advance() == list_keys(open_store())[-1]
    with pytest.raises(JournalIsAhead):
        write_journal()
    Pack.objects.update(state="condemned", condemned_at=timezone.now())
    assert sweep(now=timezone.now() + timedelta(days=30)).removed_condemned == []
    assert len(list(objects_root.rglob("*.pack"))) == 1
    assert len(verify_journal()) == 1
    JournalHead.objects.all().delete()
    assert find_advance() is not None


def test_what_is_no_file_of_a_journal_is_refused(objects_root):
    for number, data in enumerate((b"", b"{}\n", b"[]\n[]\n", b'{"format_version":2}\n{}\n')):
        path = objects_root / "journal" / "2026-01-01" / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        with pytest.raises(BrokenJournal):
            read_file(open_store(), f"journal/2026-01-01/{number}.jsonl")
