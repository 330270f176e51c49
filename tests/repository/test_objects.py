"""The contract of an object store, held by a folder and by a bucket of SeaweedFS; a new one joins in `store`."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from access.address import Address
from repository.objects.base import (
    InvalidKey,
    ObjectExists,
    ObjectStore,
    TruncatedObject,
    UnknownObject,
    validate_key,
)
from repository.objects.bucket import open_bucket
from repository.objects.bucket_place import BucketPlace
from repository.objects.local import LocalObjectStore
from repository.objects.s3 import BucketObjectStore
from tests.support.buckets import S3Server, run_s3
from tests.support.processes import find_free_port


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["local", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalObjectStore(tmp_path)
    service = request.getfixturevalue("service")
    return BucketObjectStore(service.open("objects", f"{uuid4().hex}/"), tmp_path)


def put(store: ObjectStore, key: str, data: bytes) -> None:
    with store.create(key) as file:
        file.write(data)
    store.sync(key)


def test_what_was_written_is_read_by_range(store: ObjectStore) -> None:
    data = bytes(range(256)) * 3000
    put(store, "packs/ab/one.pack", data)
    with store.open("packs/ab/one.pack") as reader:
        assert (reader.key, reader.size_bytes) == ("packs/ab/one.pack", len(data))
        assert reader.read_at(0, len(data)) == data
        assert reader.read_at(1000, 17) == data[1000:1017]
        assert reader.read_at(len(data) - 1, 1) == data[-1:]
        assert reader.read_at(len(data), 0) == b""
        assert reader.preferred_read_bytes > 0
    assert store.size("packs/ab/one.pack") == len(data)


def test_a_range_past_the_end_is_an_error_not_a_short_answer(store: ObjectStore) -> None:
    put(store, "packs/ab/one.pack", b"0123456789")
    with (
        store.open("packs/ab/one.pack") as reader,
        pytest.raises(TruncatedObject, match=r"one\.pack ends at byte 10"),
    ):
        reader.read_at(5, 6)


def test_a_new_object_can_be_patched_and_read_back_through_its_descriptor(store: ObjectStore) -> None:
    with store.create("packs/ab/one.pack") as file:
        file.write(b"0123456789")
        os.pwrite(file.fileno(), b"xy", 3)
        assert os.pread(file.fileno(), 10, 0) == b"012xy56789"
        os.ftruncate(file.fileno(), 6)
    store.sync("packs/ab/one.pack")
    with store.open("packs/ab/one.pack") as reader:
        assert reader.read_at(0, reader.size_bytes) == b"012xy5"


def test_an_object_is_never_overwritten(store: ObjectStore) -> None:
    put(store, "packs/ab/one.pack", b"first")
    with pytest.raises(ObjectExists, match=r"packs/ab/one\.pack"):
        store.create("packs/ab/one.pack")
    with store.open("packs/ab/one.pack") as reader:
        assert reader.read_at(0, reader.size_bytes) == b"first"


@pytest.mark.parametrize("key", ["packs/ab/none.pack", "packs", "packs/ab/one.pack/below"])
def test_an_unknown_object_is_named_in_every_question(store: ObjectStore, key: str) -> None:
    put(store, "packs/ab/one.pack", b"x")
    if key == "packs":
        key = "nothing"
    for ask in (store.open, store.size, store.modified_at):
        with pytest.raises(UnknownObject, match=key):
            ask(key)


def test_deleting_removes_and_twice_is_no_error(store: ObjectStore) -> None:
    put(store, "packs/ab/one.pack", b"x")
    store.delete("packs/ab/one.pack")
    store.delete("packs/ab/one.pack")
    assert list(store.keys("")) == []
    put(store, "packs/ab/one.pack", b"again")
    assert store.size("packs/ab/one.pack") == 5


def test_listing_is_by_prefix_in_key_order_with_size_and_time(store: ObjectStore) -> None:
    sizes = {
        "packs/ab/2.pack": 2,
        "packs/ab/1.pack": 1,
        "packs/ab.pack": 4,
        "packs/b/3.pack": 3,
        "lost/ab/5": 5,
    }
    before = datetime.now(UTC) - timedelta(seconds=5)
    for key, size in sizes.items():
        put(store, key, b"x" * size)
    for prefix in ("", "packs/", "packs/ab"):
        found = [stored.key for stored in store.keys(prefix)]
        assert sorted(found) == sorted(key for key in sizes if key.startswith(prefix))
        # Where a folder stands among files whose names begin as its own is the service's.
        found = [key for key in found if key != "packs/ab.pack"]
        assert found == sorted(found)
    assert [stored.key for stored in store.keys("packs/ab/1")] == ["packs/ab/1.pack"]
    assert list(store.keys("documents/")) == []
    for stored in store.keys(""):
        assert stored.size_bytes == sizes[stored.key]
        assert stored.modified_at >= before
        assert stored.modified_at == store.modified_at(stored.key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/packs/a",
        "packs/",
        "packs//a",
        "../a",
        "packs/../a",
        "packs/..",
        ".hidden",
        "packs/.a",
        "a\\b",
        "å",
        "a b",
        "a\n",
        "packs/a\x00",
        "-rf",
        "x" * 513,
    ],
)
def test_keys_that_could_leave_the_store_are_refused_by_every_method(store: ObjectStore, key: str) -> None:
    for ask in (store.create, store.open, store.size, store.delete, store.sync, store.modified_at):
        with pytest.raises(InvalidKey):
            ask(key)


def test_a_good_key_is_returned_as_it_is() -> None:
    assert validate_key("journal/2025-03-01/01jz.jsonl") == "journal/2025-03-01/01jz.jsonl"


def test_closing_twice_is_no_error_and_reading_afterwards_is(store: ObjectStore) -> None:
    put(store, "packs/ab/one.pack", b"x")
    reader = store.open("packs/ab/one.pack")
    reader.close()
    reader.close()
    with pytest.raises(OSError):
        reader.read_at(0, 1)


def test_a_local_store_follows_no_links_out_of_its_root(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "objects"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    store = LocalObjectStore(root)
    assert list(store.keys("")) == []
    with pytest.raises(OSError):
        store.open("link")


def test_a_folder_is_flushed_each_time_and_its_name_once(tmp_path, monkeypatch):
    store = LocalObjectStore(tmp_path)
    flushed: list[str] = []
    monkeypatch.setattr("repository.objects.local._sync_folder", flushed.append)
    for key in ("packs/aa/1.pack", "packs/aa/2.pack", "packs/bb/3.pack"):
        store.create(key).close()
        store.sync(key)
    root, packs = str(tmp_path), str(tmp_path / "packs")
    first, second, third = (f"{packs}/{name}" for name in ("aa", "bb", "cc"))
    assert flushed == [first, packs, root, first, second, packs]

    flushed.clear()  # another process: what it finds there is flushed with the first of it, what is new by itself
    store = LocalObjectStore(tmp_path)
    for key in ("packs/bb/4.pack", "packs/aa/5.pack", "packs/cc/6.pack"):
        store.create(key).close()
        store.sync(key)
    assert flushed == [second, packs, root, first, third, packs]


def test_what_was_not_brought_to_the_bucket_is_nobodys_and_goes(service: S3Server, tmp_path: Path) -> None:
    bucket = service.open("objects", "left/")
    store = BucketObjectStore(bucket, tmp_path)
    store.create("packs/ab/one.pack").close()
    assert list(store.keys("")) == []
    with pytest.raises(UnknownObject):
        store.open("packs/ab/one.pack")
    left = tmp_path / "packs" / "ab" / "one.pack"
    os.utime(left, (0, 0))
    store = BucketObjectStore(bucket, tmp_path)
    assert not left.exists()
    store.create("packs/ab/two.pack").close()
    put(BucketObjectStore(bucket, tmp_path / "other"), "packs/ab/two.pack", b"first")
    with pytest.raises(ObjectExists, match=r"packs/ab/two\.pack"):
        store.sync("packs/ab/two.pack")
    assert store.size("packs/ab/two.pack") == 5


def test_a_service_that_is_away_says_nothing_about_the_object(tmp_path: Path) -> None:
    address = Address("http", "127.0.0.1", "127.0.0.1", find_free_port(), "")
    store = BucketObjectStore(open_bucket(BucketPlace(address, "objects"), "a", "b"), tmp_path)
    for ask in (store.open, store.size, store.delete, store.create):
        with pytest.raises(OSError, match=r"packs/ab/one\.pack") as caught:
            ask("packs/ab/one.pack")
        assert type(caught.value) is OSError


class Encrypting(BaseHTTPRequestHandler):
    """A service that says of every object how it encrypted it (Amazon S3 HeadObject)."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT")
        self.send_header("x-amz-server-side-encryption", "aws:kms")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_how_an_object_is_encrypted_is_what_the_service_says(service: S3Server, tmp_path: Path) -> None:
    plain = BucketObjectStore(service.open("objects", "plain/"), tmp_path)
    put(plain, "packs/ab/one.pack", b"one")
    assert plain.encryption("packs/ab/one.pack") == ""
    with pytest.raises(UnknownObject):
        plain.encryption("packs/ab/two.pack")
    with HTTPServer(("127.0.0.1", 0), Encrypting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = Address("http", "127.0.0.1", "127.0.0.1", server.server_address[1], "")
        store = BucketObjectStore(open_bucket(BucketPlace(address, "objects"), "a", "b"), tmp_path)
        assert store.encryption("packs/ab/one.pack") == "aws:kms"
        server.shutdown()
