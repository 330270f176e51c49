"""The bytes of documents that are no instances: durable first, then a row in the transaction of the registration.

An object without a row is never read; the sweep sets it aside. A `unique_id` has one content for ever: the same
bytes again are no second copy, other bytes are refused.

Standard: IHE ITI TF-2 3.41.4.1.3
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import DatabaseError, transaction
from django.utils import timezone
from ulid import ULID

from access.database import release, run_write
from repository.models import Damage, StoredDocument
from repository.objects.base import TruncatedObject, UnknownObject
from repository.objects.selection import open_store

log = logging.getLogger(__name__)

DOCUMENTS_PREFIX = "documents/"
MAX_PARSED_BYTES = 64 << 20
"""How large a document may be that somebody wants to look into."""
ROW_WITHIN = timedelta(hours=12)
"""How old an object may be when its row is written: half of the time after which the sweep takes it."""

Buffer = bytes | bytearray | memoryview


class OtherBytes(ValueError):
    """The unique id is that of a document with other bytes; the first stays."""

    def __init__(self, unique_id: str, stored: StoredDocument) -> None:
        super().__init__(f"the document {unique_id} is stored with other bytes")
        self.unique_id = unique_id
        self.size_bytes = stored.size


class ExpiredContent(RuntimeError):
    """The object waited too long for its row: the sweep may have taken it. Send it again."""


class UnknownContent(LookupError):
    """No bytes are stored under this unique id."""


class DamagedDocument(OSError):
    """The bytes are not those that were stored; what was sent of them is not to be used."""


@dataclass(frozen=True, slots=True)
class StoredContent:
    """Bytes that lie durably in the object store, not yet anybody's document."""

    key: str
    unique_id: str
    mime_type: str
    size_bytes: int
    sha1: bytes = field(repr=False)
    sha256: bytes = field(repr=False)


def store_bytes(stream: bytes | Iterable[Buffer], unique_id: str, mime_type: str) -> StoredContent:
    """Write bytes, whole or in pieces, to the object store; durable when this returns.

    Whoever does not `keep` the content gives it back with `discard`.

    Raises
    ------
    OSError
        The device is full or failed; nothing is left behind.
    """
    objects, key = open_store(), _new_key()
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    pieces: Iterable[Buffer] = [stream] if isinstance(stream, bytes) else stream
    try:
        with objects.create(key) as file:
            for piece in pieces:
                sha1.update(piece)
                sha256.update(piece)
                size += len(piece)
                _write_all(file.fileno(), piece)
            os.fdatasync(file.fileno())
        objects.sync(key)
    except BaseException:
        objects.delete(key)
        raise
    return StoredContent(key, unique_id, mime_type, size, sha1.digest(), sha256.digest())


def keep(content: StoredContent) -> StoredDocument:
    """Write the row of a content, in the caller's transaction: with it the document exists.

    The same bytes under the same unique id are kept once: the row is the earlier one, and the object of this
    content goes with the commit.

    Raises
    ------
    OtherBytes
        The unique id is that of a document with other bytes.
    ExpiredContent
        The object was written too long ago.
    """
    _check_age(content)
    row = StoredDocument(
        key=content.key,
        unique_id=content.unique_id,
        mime_type=content.mime_type,
        size=content.size_bytes,
        sha1=content.sha1,
        sha256=content.sha256,
        stored_at=timezone.now(),
    )
    StoredDocument.objects.bulk_create([row], ignore_conflicts=True)
    kept = StoredDocument.objects.get(unique_id=content.unique_id)
    if bytes(kept.sha256) != content.sha256:
        raise OtherBytes(content.unique_id, kept)
    if kept.key != content.key:
        if kept.purged_at is not None:
            return _restore(kept, content)
        transaction.on_commit(partial(discard, content), robust=True)
    return kept


def find_content(unique_id: str) -> StoredDocument | None:
    """Return the row of a document whose bytes are there."""
    return StoredDocument.objects.filter(unique_id=unique_id, purged_at=None).first()


def discard(content: StoredContent) -> None:
    """Take back bytes that became nobody's document; those of a document stay."""
    if not StoredDocument.objects.filter(key=content.key).exists():
        open_store().delete(content.key)


def open_document(unique_id: str) -> tuple[StoredDocument, Iterator[bytes]]:
    """Open a document; returns its row and its bytes in blocks.

    The caller has decided that they may be read. Bytes that are not what was stored raise before the last
    block is given, so that nobody gets all of them.

    Raises
    ------
    UnknownContent
        Nothing is stored under this id.
    DamagedDocument
        The object is missing or has another size; from the iterator, other bytes.
    """
    row = find_content(unique_id)
    if row is None:
        raise UnknownContent(f"no bytes are stored under {unique_id[:128]}")
    try:
        size_bytes = open_store().size(row.key)
    except UnknownObject as error:
        raise _alarm(row, "the object is missing") from error
    if size_bytes != row.size:
        raise _alarm(row, f"the object has {size_bytes} bytes, not {row.size}")
    return row, _read(row)


def open_part(row: StoredDocument, start: int, length: int) -> Iterator[bytes]:
    """Open a range of a document's bytes, in blocks; within the content.

    Only the whole can be held against its digest: who asks for a part has its length checked, and no more.

    Raises
    ------
    DamagedDocument
        From the iterator: the object is missing or shorter than it was.
    """
    try:
        with open_store().open(row.key) as reader:
            at, end = start, start + length
            while at < end:
                block = reader.read_at(at, min(reader.preferred_read_bytes, end - at))
                at += len(block)
                yield block
    except (TruncatedObject, UnknownObject) as error:
        raise _alarm(row, "the object is shorter than it was, or missing") from error


def _read(row: StoredDocument) -> Iterator[bytes]:
    """Read from the first block asked for on: whoever asks for none has nothing open."""
    digest, at = hashlib.sha256(), 0
    with open_store().open(row.key) as reader:
        while True:
            length = min(reader.preferred_read_bytes, row.size - at)
            try:
                block = reader.read_at(at, length)
            except TruncatedObject as error:
                raise _alarm(row, "the object is shorter than it was") from error
            digest.update(block)
            at += length
            if at == row.size and digest.digest() != bytes(row.sha256):
                raise _alarm(row, "the bytes are not those that were stored")
            yield block
            if at == row.size:
                return


def read_object(key: str) -> bytes:
    """Return the bytes of content that is nobody's document yet, to look into it; the caller bounds its size."""
    with open_store().open(key) as reader:
        return reader.read_at(0, reader.size_bytes)


def _new_key() -> str:
    """Make a key: time-ordered, unguessable, spread over 1,024 folders."""
    identifier = str(ULID()).lower()
    return f"{DOCUMENTS_PREFIX}{identifier[-2:]}/{identifier}"


def _check_age(content: StoredContent) -> None:
    written_at = ULID.from_str(content.key.rpartition("/")[2].upper()).datetime
    if written_at < datetime.now(UTC) - ROW_WITHIN:
        raise ExpiredContent(f"the object {content.key} waited too long for its row; send the document again")


def _restore(row: StoredDocument, content: StoredContent) -> StoredDocument:
    row.key, row.purged_at, row.stored_at = content.key, None, timezone.now()
    row.save(update_fields=["key", "purged_at", "stored_at"])
    return row


def _write_all(descriptor: int, piece: Buffer) -> None:
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])


def _alarm(row: StoredDocument, detail: str) -> DamagedDocument:
    """Write the damage down for `doctor` and the log; returns what is to be raised."""
    log.error("DAMAGE in %s, document %s: %s", row.key, row.unique_id, detail)
    try:
        run_write(
            lambda: Damage.objects.update_or_create(
                pack_key=row.key,
                sop_instance_uid="",
                defaults={"detail": detail, "found_at": timezone.now(), "mended_at": None},
            )
        )
    except DatabaseError:
        log.exception("damage could not be written down")
    finally:
        release()
    return DamagedDocument(f"document {row.unique_id}: {detail}")
