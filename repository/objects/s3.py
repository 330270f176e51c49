"""Objects in a bucket of an S3 service; what is being written lies in a folder of this machine until it is whole.

Standard: Amazon S3 API of 2006-03-01
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from botocore.exceptions import ClientError

from repository.objects import bucket as s3
from repository.objects.base import ObjectExists, StoredKey, TruncatedObject, UnknownObject, validate_key
from repository.objects.local import LocalObjectStore

_PREFERRED_READ_BYTES = 4 << 20
"""A read is a round trip of some milliseconds."""
_COPY_BYTES = 1 << 20
_LEFT_AFTER_S = 86400.0


class BucketObjectReader:
    """One object that is read by ranges."""

    __slots__ = ("_bucket", "key", "preferred_read_bytes", "size_bytes")

    def __init__(self, bucket: s3.Bucket, key: str, size_bytes: int) -> None:
        self._bucket: s3.Bucket | None = bucket
        self.key = key
        self.size_bytes = size_bytes
        self.preferred_read_bytes = _PREFERRED_READ_BYTES

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset` on; raises `TruncatedObject` when the object is shorter."""
        if self._bucket is None:
            raise OSError(f"object {self.key} was closed")
        if offset + length > self.size_bytes:
            raise TruncatedObject(
                f"object {self.key} ends at byte {self.size_bytes}, wanted {length} bytes at {offset}"
            )
        if not length:
            return b""
        with _explained(self.key):
            data = s3.read_range(self._bucket, self.key, offset, length)
        if len(data) != length:
            raise TruncatedObject(f"object {self.key} gave {len(data)} of {length} bytes at {offset}")
        return data

    def close(self) -> None:
        """Forget the object; twice is no error. Its connection is the store's."""
        self._bucket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BucketObjectStore:
    """Objects in a bucket; `spool` is a folder that no other machine writes to."""

    def __init__(self, bucket: s3.Bucket, spool: Path) -> None:
        self._bucket = bucket
        self._spool = LocalObjectStore(spool)
        _remove_left(self._spool)

    def create(self, key: str) -> BinaryIO:
        """Open a new file in the spool; raises `ObjectExists`, `InvalidKey`."""
        if self._find(validate_key(key)) is not None:
            raise ObjectExists(f"object {key} exists already")
        return self._spool.create(key)

    def sync(self, key: str) -> None:
        """Bring the object to the bucket, with checksums: it is durable there when this returns.

        Raises
        ------
        ObjectExists
            Somebody else has written under this key since `create`.
        UnknownObject, InvalidKey
            Nothing was created under it.
        """
        with self._spool.open(key) as reader, _explained(key):
            s3.put(self._bucket, key, _read(reader.read_at, reader.size_bytes), is_new=True)
        self._spool.delete(key)

    def open(self, key: str) -> BucketObjectReader:
        """Open an object for ranged reads; raises `UnknownObject`, `InvalidKey`."""
        return BucketObjectReader(self._bucket, key, self.size(key))

    def size(self, key: str) -> int:
        """Tell an object's size in bytes; raises `UnknownObject`."""
        return int(self._head(key)["ContentLength"])

    def modified_at(self, key: str) -> datetime:
        """Tell when the object was written, to the second; raises `UnknownObject`."""
        return _moment(self._head(key)["LastModified"])

    def encryption(self, key: str) -> str:
        """Tell how the service says it encrypted an object; empty where it says nothing. Raises `UnknownObject`."""
        return str(self._head(key).get("ServerSideEncryption", ""))

    def delete(self, key: str) -> None:
        """Remove an object, and what is in the spool of it; a missing one is no error."""
        self._spool.delete(key)
        with _explained(key):
            failed = s3.delete(self._bucket, [key])
        if failed:
            raise OSError(f"object {key} cannot be removed: {failed[key]}")

    def keys(self, prefix: str = "") -> Iterator[StoredKey]:
        """List the objects whose key begins with `prefix`, in the order in which the service lists them."""
        with _explained(prefix or "(all)"):
            for item in s3.list_keys(self._bucket, prefix):
                yield StoredKey(item["Key"], int(item["Size"]), _moment(item["LastModified"]))

    def _head(self, key: str) -> dict[str, Any]:
        head = self._find(validate_key(key))
        if head is None:
            raise UnknownObject(f"object {key} does not exist")
        return head

    def _find(self, key: str) -> dict[str, Any] | None:
        try:
            with _explained(key):
                return s3.read_head(self._bucket, key)
        except UnknownObject:
            return None


def _read(read_at: Callable[[int, int], bytes], size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, _COPY_BYTES):
        yield read_at(start, min(_COPY_BYTES, size_bytes - start))


def _moment(moment: datetime) -> datetime:
    """Return a moment as all answers can tell it: a list has fractions of seconds, a header has none."""
    return moment.astimezone(UTC).replace(microsecond=0)


@contextmanager
def _explained(key: str) -> Iterator[None]:
    """Raise the errors of an object store in place of the client's."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = error.response.get("Error", {}).get("Code")
        if status == 404 and code != "NoSuchBucket":
            raise UnknownObject(f"object {key} does not exist") from error
        if status == 412:
            raise ObjectExists(f"object {key} exists already") from error
        if status == 416:
            raise TruncatedObject(f"object {key} ends before the range that was asked for") from error
        raise OSError(f"object {key}: the service answers {status} {code}") from error
    except s3.S3_ERRORS as error:
        raise OSError(f"object {key}: {error}") from error


def _remove_left(spool: LocalObjectStore) -> None:
    """Remove what a process left in the spool that was killed: no row names it."""
    before = time.time() - _LEFT_AFTER_S
    for stored in spool.keys(""):
        if stored.modified_at.timestamp() < before:
            spool.delete(stored.key)
