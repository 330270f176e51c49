"""The cache of pictures and frames: what it gives back is whole, and it stays within its bound."""

import os
import time
from pathlib import Path

import pytest

from repository import rendition_cache
from repository.rendition_cache import find, keep, make_key, trim

SHA256 = bytes(range(32))


@pytest.fixture(autouse=True)
def cache_root(settings, tmp_path) -> Path:
    settings.SPOOL_ROOT = tmp_path / "spool"
    settings.RENDITION_CACHE_BYTES = 1 << 20
    return Path(tmp_path, "spool", "renditions")


def files_of(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_what_is_kept_is_found_by_the_same_parts_only():
    key = make_key(SHA256, "rendered", 1, None)
    assert find(key) is None
    keep(key, b"picture")
    assert find(key) == b"picture"
    assert find(make_key(SHA256, "rendered", 1, "")) is None
    assert find(make_key(SHA256[::-1], "rendered", 1, None)) is None
    assert make_key(SHA256, "a", "bc") != make_key(SHA256, "ab", "c")


def test_a_damaged_entry_is_not_given_and_leaves(cache_root):
    key = make_key(SHA256, 1)
    keep(key, b"picture")
    [path] = files_of(cache_root)
    for damaged in (path.read_bytes()[:-1], b"", path.read_bytes()[:-1] + b"x"):
        path.write_bytes(damaged)
        assert find(key) is None
        assert not path.exists()


def test_an_entry_of_yesterday_is_not_given(cache_root):
    key = make_key(SHA256, 1)
    keep(key, b"picture")
    [path] = files_of(cache_root)
    yesterday = time.time() - rendition_cache.MAX_AGE_S - 1
    os.utime(path, (yesterday, yesterday))
    assert find(key) is None
    assert files_of(cache_root) == []


def test_the_oldest_leave_when_the_bound_is_passed(cache_root, settings):
    settings.RENDITION_CACHE_BYTES = 1 << 20
    payload = bytes(50_000)
    now = time.time()
    keys = [make_key(SHA256, number) for number in range(30)]
    for number, key in enumerate(keys):
        keep(key, payload)
        path = cache_root / key[:2] / key[2:]
        if path.exists():
            os.utime(path, (now - 100 + number, now - 100 + number))
    assert sum(path.stat().st_size for path in files_of(cache_root)) <= (1 << 20) + (1 << 16)
    assert find(keys[0]) is None
    assert find(keys[-1]) == payload


def test_what_is_too_large_or_switched_off_is_not_kept(cache_root, settings):
    keep(make_key(SHA256, 1), bytes(1 << 17))
    settings.RENDITION_CACHE_BYTES = 0
    keep(make_key(SHA256, 2), b"x")
    assert files_of(cache_root) == []


def test_a_folder_that_cannot_be_written_is_no_error(cache_root):
    cache_root.parent.mkdir(parents=True)
    cache_root.write_bytes(b"in the way")
    keep(make_key(SHA256, 1), b"picture")
    assert find(make_key(SHA256, 1)) is None


def test_drafts_of_dead_processes_leave_with_age(cache_root):
    keep(make_key(SHA256, 1), b"picture")
    draft = files_of(cache_root)[0].with_name("left.0123")
    draft.write_bytes(b"half")
    os.utime(draft, (0, 0))
    trim()
    assert not draft.exists()
    assert find(make_key(SHA256, 1)) == b"picture"
