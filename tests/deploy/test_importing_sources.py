"""Finding what to import: folders, zip archives, DICOMDIR trees, and everything odd in them."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.fileset import FileSet

from deploy.importing.outcomes import Outcome
from deploy.importing.sources import Source, UnknownPath, find_sources
from tests.support.dicom import StudyFacts, make_ct, make_series


def find(*paths: Path) -> dict[str, Any]:
    """Everything found, by name relative to the first path's folder: bytes, or an outcome."""
    found: dict[str, Any] = {}
    for item in find_sources(paths):
        if isinstance(item, Source):
            with item.open() as view:
                assert len(view) == item.size_bytes
                found[item.path] = bytes(view)
        else:
            found[item.path] = item
    return found


def test_folders_are_walked_in_order_and_to_the_bottom(tmp_path):
    for name in ("b/2", "b/1", "a", "c/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert find(tmp_path) == {str(tmp_path / name): name.encode() for name in ("a", "b/1", "b/2", "c/d/e")}
    assert list(find(tmp_path)) == [str(tmp_path / name) for name in ("a", "b/1", "b/2", "c/d/e")]


def test_very_deep_folders_are_no_problem(tmp_path):
    deep = tmp_path
    for _ in range(600):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")
    assert list(find(tmp_path).values()) == [b"x"]
    shutil.rmtree(tmp_path / "d")


def test_an_unknown_path_is_named_before_anything_is_found(tmp_path):
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(UnknownPath, match="missing"):
        list(find_sources([tmp_path / "there", tmp_path / "missing"]))


def test_an_empty_file_is_found_with_no_bytes(tmp_path):
    (tmp_path / "empty").touch()
    assert find(tmp_path) == {str(tmp_path / "empty"): b""}


def test_links_to_folders_and_special_files_are_refused_and_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = find(tmp_path)
    assert {Path(path).name: entry.outcome for path, entry in found.items()} == {
        "dangling": Outcome.REFUSED,
        "loop": Outcome.REFUSED,
        "pipe": Outcome.REFUSED,
    }


def test_zip_members_are_found_without_being_unpacked_anywhere(tmp_path):
    archive = tmp_path / "in" / "a.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("folder/one", b"1" * 1000)
        file.writestr("../../escape", b"2")
        file.writestr("/etc/absolute", b"3")
        file.writestr("empty", b"")
        file.mkdir("a folder")
    found = find(archive.parent)
    assert found == {
        f"{archive}!/folder/one": b"1" * 1000,
        f"{archive}!/../../escape": b"2",
        f"{archive}!//etc/absolute": b"3",
        f"{archive}!/empty": b"",
    }
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_a_file_that_is_dicom_and_looks_like_zip_is_dicom(tmp_path):
    instance = make_ct()
    (tmp_path / "odd.dcm").write_bytes(b"PK\x03\x04" + instance[4:])
    assert list(find(tmp_path)) == [str(tmp_path / "odd.dcm")]


def test_zip_bombs_are_not_unpacked(tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(200 << 20))
    (entry,) = find(archive).values()
    assert entry.outcome is Outcome.REFUSED
    assert "200 times" in entry.reason


def test_one_bomb_among_many_good_members_is_refused_alone(tmp_path):
    archive = tmp_path / "mixed.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(100 << 20))
        file.writestr("noise", os.urandom(2 << 20))
    found = find(archive)
    assert found[f"{archive}!/zeros"].outcome is Outcome.REFUSED
    assert len(found[f"{archive}!/noise"]) == 2 << 20


def test_broken_and_encrypted_archives_are_refused_with_a_reason(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and nothing more")
    good = tmp_path / "encrypted.zip"
    with zipfile.ZipFile(good, "w") as file:
        file.writestr("secret", b"x")
    content = bytearray(good.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    good.write_bytes(content)
    found = find(tmp_path)
    assert "cannot be opened" in found[str(tmp_path / "broken.zip")].reason
    assert "encrypted" in found[f"{good}!/secret"].reason


def test_a_damaged_member_is_an_error_when_it_is_opened(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("member", b"content of the member")
    content = archive.read_bytes().replace(b"content of the member", b"Content of the member")
    archive.write_bytes(content)
    (source,) = find_sources([archive])
    assert isinstance(source, Source)
    with pytest.raises(OSError, match="damaged in the archive"), source.open():
        pass


@pytest.fixture
def file_set(tmp_path):
    """A file-set of three instances with its DICOMDIR, as a burned disc has it."""
    discs = FileSet()
    for instance in make_series(StudyFacts(), 3):
        path = tmp_path / "instance.dcm"
        path.write_bytes(instance)
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.PatientName = "19121212-1212", "Tolvan"
        discs.add(dataset)
    discs.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_a_dicomdir_gives_the_files_it_lists_and_no_others(file_set):
    (file_set / "README.TXT").write_text("not listed")
    found = find(file_set / "DICOMDIR")
    instances = [content for content in found.values() if isinstance(content, bytes)]
    assert len(instances) == 3
    assert found[str(file_set / "DICOMDIR")].outcome is Outcome.SKIPPED


def test_names_on_a_copied_disc_may_differ_in_case_and_version(file_set):
    for path in sorted(file_set.rglob("*"), key=lambda p: len(str(p)), reverse=True):
        if path.name != "DICOMDIR":
            path.rename(path.with_name(path.name.lower() + (";1" if path.is_file() else "")))
    found = find(file_set / "DICOMDIR")
    assert sum(isinstance(content, bytes) for content in found.values()) == 3


def test_what_a_dicomdir_lists_and_is_not_there_is_refused(file_set):
    victim = next(path for path in file_set.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    victim.unlink()
    for start in (file_set, file_set / "DICOMDIR"):
        found = find(start)
        assert found[str(victim)].outcome is Outcome.REFUSED
        assert "not there" in found[str(victim)].reason


def test_a_dicomdir_cannot_point_outside_of_its_folder(file_set):
    (file_set.parent / "OUTSIDE").write_bytes(b"x")
    directory = pydicom.dcmread(file_set / "DICOMDIR")
    images = [r for r in directory.DirectoryRecordSequence if "ReferencedFileID" in r]
    images[0].ReferencedFileID = ["..", "OUTSIDE"]
    directory.save_as(file_set / "DICOMDIR")
    found = find(file_set / "DICOMDIR")
    assert b"x" not in found.values()
    assert sum(isinstance(content, bytes) for content in found.values()) == 2


def test_an_unreadable_dicomdir_is_refused(tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(b"rubbish")
    (entry,) = find(tmp_path / "DICOMDIR").values()
    assert entry.outcome is Outcome.REFUSED
    assert "cannot be read" in entry.reason
