"""What the repository asks of the place where bytes lie: a directory or a bucket.

Two families of errors, and the caller's duty for each:

- `InvalidKey`, `ObjectExists`, `UnknownObject`, `TruncatedObject`: the answer is certain. Trying again with
  the same key gives the same answer.
- `OSError` of any other kind: the device or the service failed, is full or is out of reach. Nothing is known
  about what was written; try again later with a *new* key and leave the old one to the sweep.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import BinaryIO, Protocol, Self

MAX_KEY_LENGTH = 512
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class InvalidKey(ValueError):
    """The key is not a relative path of plain segments; a programming error, never worth a retry."""


class ObjectExists(FileExistsError):
    """An object lies under this key already; make a new key, the old object stays as it is."""


class UnknownObject(FileNotFoundError):
    """No object lies under this key: never written, or swept. Plan the read once more; do not repeat it."""


class TruncatedObject(OSError):
    """The object ends before the asked range does: damaged or unfinished. Raise the alarm, no retry."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One object as a listing shows it; `modified_at` is by the store's own clock."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectReader(Protocol):
    """An open object. Reads carry their own offset, so several threads may share one reader."""

    @property
    def key(self) -> str:
        """The key that the object was opened under."""
        ...

    @property
    def size_bytes(self) -> int:
        """The object's size when it was opened."""
        ...

    @property
    def preferred_read_bytes(self) -> int:
        """How much one `read_at` should ask for in a sequential read; more where a read is a round trip."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes that begin at `offset`.

        Raises
        ------
        TruncatedObject
            When the object ends before `offset + length`.
        OSError
            When the device or the service failed; one retry is sensible.
        """
        ...

    def close(self) -> None:
        """Give back the descriptor or connection; twice is no error."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(Protocol):
    """Named byte strings, written once. There is no rename: a row in the database publishes an object."""

    def create(self, key: str) -> BinaryIO:
        """Open a new object for writing and for reading back; the caller closes it.

        The file is unbuffered and has a descriptor (`fileno()`): a pack is written, patched and mapped.

        Raises
        ------
        InvalidKey, ObjectExists
            Certain; see the module.
        """
        ...

    def sync(self, key: str) -> None:
        """Make the object's *name* durable. The writer has closed it and made its bytes durable before (fdatasync).

        Only then is it there for everybody: a store may keep it aside until now.
        """
        ...

    def open(self, key: str) -> ObjectReader:
        """Open an object for ranged reads.

        Raises
        ------
        InvalidKey, UnknownObject
            Certain; see the module.
        """
        ...

    def size(self, key: str) -> int:
        """Tell an object's size in bytes; raises `UnknownObject`."""
        ...

    def modified_at(self, key: str) -> datetime:
        """Tell when the object was last written, by the store's clock; raises `UnknownObject`."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error. Readers that have it open may lose it or keep it."""
        ...

    def keys(self, prefix: str = "") -> Iterator[StoredKey]:
        """List the objects whose key begins with `prefix`, in order of their keys.

        Services differ in where a folder stands among files whose names begin as its own: `a/b` and `a.b`.

        Objects that come or go during the listing may or may not be in it.
        """
        ...


def validate_key(key: str) -> str:
    """Return the key when it can name an object in every store; raises `InvalidKey`."""
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidKey(f"object key of {len(key)} characters; at most {MAX_KEY_LENGTH} are allowed")
    if not _KEY.fullmatch(key):
        raise InvalidKey(
            f"object key {key!r} is not a relative path of segments that begin with a letter or digit and"
            " hold only letters, digits, '.', '_' and '-'"
        )
    return key
