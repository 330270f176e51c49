"""Finding what to import: files in folders, members of zip archives, what a DICOMDIR lists."""

import mmap
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.importing.directory import UnreadableDirectory, is_directory_name, list_files, list_missing_files
from deploy.importing.outcomes import FileOutcome, Outcome

MAX_MEMBER_BYTES = 4 << 30
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 << 20

_HEAD_BYTES, _ARCHIVE_MAGIC = 132, b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Source:
    """One file that may be an instance: `path` names it in the outcome list.

    `open()` gives its bytes for as long as its `with` block lasts; large files are mapped, not read.
    """

    path: str
    size_bytes: int
    open: Callable[[], AbstractContextManager[memoryview]]


Found = Source | FileOutcome


class UnknownPath(FileNotFoundError):
    """A path to import from does not exist."""


def find_sources(paths: Iterable[Path]) -> Iterator[Found]:
    """Find what is to be imported, in a stable order; what cannot be opened comes as its outcome at once.

    Links to folders are not followed, so that a loop cannot catch the walk.

    Raises
    ------
    UnknownPath
        For the first path that does not exist, before anything is found.
    """
    wanted = [path.absolute() for path in paths]
    for path in wanted:
        if not path.exists():
            raise UnknownPath(f"{path} does not exist")
    for path in wanted:
        if path.is_dir():
            yield from _walk_folder(path)
        elif is_directory_name(path.name):
            yield from _follow_directory(path)
        else:
            yield from _open_file(path)


def _walk_folder(top: Path) -> Iterator[Found]:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            yield FileOutcome(str(folder), Outcome.REFUSED, f"cannot be read: {error.strerror}")
            continue
        waiting += [entry for entry in reversed(entries) if entry.is_dir() and not entry.is_symlink()]
        for entry in entries:
            if not entry.is_dir():
                yield from _open_file(entry)
            elif entry.is_symlink():
                reason = "a link to a folder is not followed: import its target"
                yield FileOutcome(str(entry), Outcome.REFUSED, reason)
            if is_directory_name(entry.name):
                yield from _report_missing(entry)


def _follow_directory(path: Path) -> Iterator[Found]:
    try:
        files = list_files(path)
    except UnreadableDirectory as error:
        yield FileOutcome(str(path), Outcome.REFUSED, str(error))
        return
    yield FileOutcome(str(path), Outcome.SKIPPED, "a DICOMDIR lists instances and is none itself")
    for file in files:
        yield from _open_file(file)
    yield from _report_missing(path)


def _report_missing(path: Path) -> Iterator[FileOutcome]:
    try:
        missing = list_missing_files(path)
    except UnreadableDirectory:
        return  # In a folder, everything that is there is imported without its help.
    for file in missing:
        yield FileOutcome(str(file), Outcome.REFUSED, f"listed by {path}, but not there")


def _open_file(path: Path) -> Iterator[Found]:
    try:
        if not path.is_file():
            yield FileOutcome(str(path), Outcome.REFUSED, "neither a file nor a folder")
            return
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        size_bytes = path.stat().st_size
    except OSError as error:
        yield FileOutcome(str(path), Outcome.REFUSED, f"cannot be read: {error.strerror}")
        return
    if head.startswith(_ARCHIVE_MAGIC) and not head.endswith(b"DICM"):
        yield from _open_archive(path)
    else:
        yield Source(str(path), size_bytes, lambda: _map_file(path))


@contextmanager
def _map_file(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield memoryview(b"")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            yield view


def _open_archive(path: Path) -> Iterator[Found]:
    """Open a zip archive. No member is ever written under its own name, so no name can lead anywhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield FileOutcome(str(path), Outcome.REFUSED, f"a zip archive that cannot be opened: {error}")
        return
    archive_bytes = path.stat().st_size
    if sum(member.file_size for member in members) > MAX_RATIO * archive_bytes + RATIO_FREE_BYTES:
        reason = f"the archive says it grows more than {MAX_RATIO} times: it is not unpacked"
        yield FileOutcome(str(path), Outcome.REFUSED, reason)
        return
    for member in members:
        yield _open_member(path, member)


def _open_member(path: Path, member: zipfile.ZipInfo) -> Found:
    name = f"{path}!/{member.filename}"
    if member.flag_bits & 1:
        return FileOutcome(name, Outcome.REFUSED, "encrypted: unpack the archive first")
    if member.file_size > MAX_MEMBER_BYTES:
        return FileOutcome(name, Outcome.REFUSED, f"larger than {MAX_MEMBER_BYTES >> 30} GiB")
    if member.file_size > MAX_RATIO * member.compress_size + RATIO_FREE_BYTES:
        return FileOutcome(name, Outcome.REFUSED, f"grows more than {MAX_RATIO} times: it is not unpacked")
    return Source(name, member.file_size, lambda: _unpack_member(path, member))


@contextmanager
def _unpack_member(path: Path, member: zipfile.ZipInfo) -> Iterator[memoryview]:
    """Unpack a member into a scratch file without a name; raises `OSError` for a damaged one."""
    with tempfile.TemporaryFile() as scratch:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as content:
                shutil.copyfileobj(content, scratch, 1 << 20)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            raise OSError(0, f"damaged in the archive: {error}") from error
        scratch.flush()
        if not scratch.tell():
            yield memoryview(b"")
            return
        with mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            yield view
