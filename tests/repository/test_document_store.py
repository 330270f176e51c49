"""Bytes of documents: one content a unique id, durable before the row, set aside without one."""

import hashlib
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from repository.document_store import (
    DamagedDocument,
    ExpiredContent,
    OtherBytes,
    StoredContent,
    UnknownContent,
    discard,
    keep,
    open_document,
    store_bytes,
)
from repository.models import Damage, StoredDocument
from repository.objects.selection import open_store
from repository.sweep import LOST_DOCUMENTS_PREFIX, sweep

pytestmark = pytest.mark.django_db

DATA = bytes(range(256)) * 3000


def keep_new(data: bytes, unique_id: str) -> StoredDocument:
    return keep(store_bytes([data[:1000], data[1000:]], unique_id, "text/plain"))


@pytest.mark.parametrize("data", [b"", b"x", DATA, b"y" * 524_288])
def test_what_was_kept_is_read_back(data):
    row = keep_new(data, "1.2.3")
    assert (row.size, bytes(row.sha1)) == (len(data), hashlib.sha1(data).digest())
    assert row.key.startswith(f"documents/{row.key[-2:]}/")
    found, pieces = open_document("1.2.3")
    assert (found.pk, b"".join(pieces)) == (row.pk, data)


def test_bytes_without_a_row_are_nobodys(objects_root):
    content = store_bytes(DATA, "1.2.3", "text/plain")
    with pytest.raises(UnknownContent):
        open_document("1.2.3")
    discard(content)
    assert [path for path in objects_root.rglob("*") if path.is_file()] == []


def test_discarding_what_became_a_document_does_nothing():
    content = store_bytes(DATA, "1.2.3", "text/plain")
    keep(content)
    discard(content)
    assert b"".join(open_document("1.2.3")[1]) == DATA


def test_a_stream_that_fails_leaves_nothing(objects_root):
    def pieces():
        yield b"begun"
        raise OSError("the sender is gone")

    with pytest.raises(OSError, match="gone"):
        store_bytes(pieces(), "1.2.3", "text/plain")
    assert [path for path in objects_root.rglob("*") if path.is_file()] == []


def test_other_bytes_are_refused_and_the_first_stay():
    keep_new(DATA, "1.2.3")
    with pytest.raises(OtherBytes), transaction.atomic():
        keep_new(DATA[1:], "1.2.3")
    assert b"".join(open_document("1.2.3")[1]) == DATA


def test_the_same_bytes_are_kept_once(objects_root, django_capture_on_commit_callbacks):
    first = keep_new(DATA, "1.2.3")
    with django_capture_on_commit_callbacks(execute=True):
        assert keep_new(DATA, "1.2.3").key == first.key
    assert len([path for path in objects_root.rglob("*") if path.is_file()]) == 1


def test_content_that_waited_too_long_is_refused():
    content = store_bytes(DATA, "1.2.3", "text/plain")
    old = StoredContent(f"documents/aa/{'0' * 26}", "1.2.3", "text/plain", 1, content.sha1, content.sha256)
    with pytest.raises(ExpiredContent):
        keep(old)


@pytest.mark.parametrize("damage", ["flipped", "short", "gone"])
def test_damaged_bytes_never_pass_as_the_document(objects_root, damage):
    row = keep_new(DATA, "1.2.3")
    path = objects_root / row.key
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(DATA[:-1] if damage == "short" else DATA[:-1] + b"\0")
    with pytest.raises(DamagedDocument):
        b"".join(open_document("1.2.3")[1])
    assert Damage.objects.get().pack_key == row.key


def test_the_sweep_sets_aside_what_has_no_row_and_nothing_else(objects_root):
    kept = keep_new(DATA, "1.2.3")
    orphan = store_bytes(b"orphan", "1.2.4", "text/plain")
    assert sweep().moved_documents == []
    report = sweep(now=timezone.now() + timedelta(days=2))
    assert report.moved_documents == [orphan.key]
    assert b"".join(open_document("1.2.3")[1]) == DATA
    [aside] = open_store().keys(LOST_DOCUMENTS_PREFIX)
    assert (objects_root / aside.key).read_bytes() == b"orphan"
    assert sweep(now=timezone.now() + timedelta(days=91)).removed_lost == [aside.key]
    assert StoredDocument.objects.get().key == kept.key
