"""Objects as files below one directory."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from repository.objects.base import ObjectExists, StoredKey, TruncatedObject, UnknownObject, validate_key

_PREFERRED_READ_BYTES = 256 * 1024


class LocalObjectReader:
    """One open file; `pread` carries the offset, so there is no position to fight over."""

    __slots__ = ("_descriptor", "key", "preferred_read_bytes", "size_bytes")

    def __init__(self, key: str, descriptor: int) -> None:
        self.key = key
        self.preferred_read_bytes = _PREFERRED_READ_BYTES
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset` on; raises `TruncatedObject` when the file is shorter."""
        data = os.pread(self._descriptor, length, offset)
        while len(data) < length:
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                raise TruncatedObject(
                    f"object {self.key} ends at byte {offset + len(data)}, wanted {length} bytes at {offset}"
                )
            data += more
        return data

    def close(self) -> None:
        """Close the file; twice is no error."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalObjectStore:
    """Objects as files below `root`, which must exist on one file system."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        # Folders whose own name is durable: they stay, so once is enough.
        self._named: set[str] = {self._root}
        self._flushed: set[str] = set()

    def create(self, key: str) -> BinaryIO:
        """Open a new file for reading and writing, folders made; raises `ObjectExists`, `InvalidKey`."""
        path = self._path_of(key)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                descriptor = os.open(path, flags, 0o640)
            except FileNotFoundError:  # the first of its folder
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, flags, 0o640)
        except FileExistsError as error:
            raise ObjectExists(f"object {key} exists already") from error
        return os.fdopen(descriptor, "r+b", buffering=0)

    def sync(self, key: str) -> None:
        """Flush the folder that names the file and, once, those above it: a new folder is a name in its parent."""
        folder = _above(self._path_of(key))
        _sync_folder(folder)
        while folder not in self._named:
            parent = _above(folder)
            # Of a parent that is flushed for the first time, all folders in it are durable by that: there may be many.
            beside = {folder} if parent in self._flushed else set(_folders_in(parent))
            _sync_folder(parent)
            self._flushed.add(parent)
            self._named |= beside
            folder = parent

    def open(self, key: str) -> LocalObjectReader:
        """Open a file for ranged reads; raises `UnknownObject`, `InvalidKey`."""
        try:
            descriptor = os.open(self._path_of(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnknownObject(f"object {key} does not exist") from error
        return LocalObjectReader(key, descriptor)

    def size(self, key: str) -> int:
        """Tell a file's size in bytes; raises `UnknownObject`."""
        return self._stat(key).st_size

    def modified_at(self, key: str) -> datetime:
        """Tell when the file was last written; raises `UnknownObject`."""
        return datetime.fromtimestamp(self._stat(key).st_mtime, UTC)

    def delete(self, key: str) -> None:
        """Unlink a file; a missing one is no error. Open readers keep their bytes."""
        Path(self._path_of(key)).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[StoredKey]:
        """List the files whose key begins with `prefix`, in order of their keys."""
        yield from _list_below(Path(self._root), "", prefix)

    def _path_of(self, key: str) -> str:
        return f"{self._root}/{validate_key(key)}"

    def _stat(self, key: str) -> os.stat_result:
        try:
            return os.lstat(self._path_of(key))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnknownObject(f"object {key} does not exist") from error


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _folders_in(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_below(folder: Path, folder_key: str, prefix: str) -> Iterator[StoredKey]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # removed while the listing went on
        return
    # A folder sorts as its name with the slash, as a bucket orders the same keys.
    for name, entry in sorted(
        (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries
    ):
        key = folder_key + name
        if name.endswith("/"):
            if key.startswith(prefix) or prefix.startswith(key):
                yield from _list_below(folder / entry.name, key, prefix)
        elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
            yield from _stored_key(key, entry)


def _stored_key(key: str, entry: "os.DirEntry[str]") -> Iterator[StoredKey]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted since the folder was read
        return
    yield StoredKey(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
