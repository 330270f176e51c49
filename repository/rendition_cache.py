"""What was made of stored instances and may be asked for again: pictures, converted frames; a folder bounded in bytes.

A cache and no store: whatever is missing, damaged or does not fit on the disk is made again. Nobody asks it before
the caller was permitted to see the instance. Entries are files in `spool/renditions/`, shared by all processes of
the machine; each begins with the xxh3-64 of what follows. The oldest leave first, and none stays longer than a day,
so that what was made of an erased instance does not outlive it by more.
"""

import contextlib
import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import xxhash
from django.conf import settings

log = logging.getLogger(__name__)

MAX_AGE_S = 24 * 3600.0
_SUM_BYTES = 8
_TRIMMED_TO = 0.75
_TRIMS_PER_BOUND = 16

_lock = threading.Lock()
_written_bytes = 0
_trimmed_at = 0.0


def make_key(sha256: bytes, *parts: object) -> str:
    """Name a rendition: by the hash of the instance it is made of, and by all that decides what it looks like."""
    text = "\0".join(repr(part) for part in parts)
    return hashlib.sha256(sha256 + text.encode()).hexdigest()[:40]


def find(key: str) -> bytes | None:
    """Return what was kept under a key; None if there is nothing, or nothing whole."""
    path = _path_of(key)
    try:
        with path.open("rb", buffering=0) as file:
            kept_at = os.fstat(file.fileno()).st_mtime
            data = file.readall()
    except OSError:
        return None  # not there: the usual case
    age_s = time.time() - kept_at
    if age_s > MAX_AGE_S or xxhash.xxh3_64_digest(memoryview(data)[_SUM_BYTES:]) != data[:_SUM_BYTES]:
        path.unlink(missing_ok=True)
        return None
    return data[_SUM_BYTES:]


def keep(key: str, payload: bytes) -> None:
    """Keep a payload under a key, unless it is larger than a sixteenth of the bound or cannot be written."""
    bound_bytes: int = settings.RENDITION_CACHE_BYTES
    if len(payload) > bound_bytes // _TRIMS_PER_BOUND:
        return
    path = _path_of(key)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            file.write(xxhash.xxh3_64_digest(payload) + payload)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # on a full disk what was begun is in the way
            draft.unlink()
        log.warning("a rendition could not be kept: %s", error)
        return
    if _must_trim(len(payload), bound_bytes):
        trim()


def keep_stream(key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass pieces on, and keep all of them under a key once the last one has come.

    What turns out to be larger than `keep` takes, ends early or cannot be written is passed on and not kept.
    """
    bound_bytes: int = settings.RENDITION_CACHE_BYTES
    path = _path_of(key)
    draft: Path | None = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    total, size_bytes = xxhash.xxh3_64(), 0
    try:
        for piece in pieces:
            total.update(piece)
            size_bytes += len(piece)
            if draft is not None and not _append(draft, piece, size_bytes, bound_bytes // _TRIMS_PER_BOUND):
                draft = None
            yield piece
        if draft is not None and _publish(draft, path, total.digest()):
            draft = None
            if _must_trim(size_bytes, bound_bytes):
                trim()
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _append(draft: Path, piece: bytes, size_bytes: int, limit_bytes: int) -> bool:
    """Write a piece behind the others, room for the sum in front of the first; remove the draft where that fails."""
    try:
        if size_bytes <= limit_bytes:
            draft.parent.mkdir(parents=True, exist_ok=True)
            is_first = size_bytes == len(piece)
            with draft.open("xb" if is_first else "ab") as file:
                file.write(bytes(_SUM_BYTES) + piece if is_first else piece)
            return True
    except OSError as error:
        log.warning("a rendition could not be kept: %s", error)
    with contextlib.suppress(OSError):
        draft.unlink()
    return False


def _publish(draft: Path, path: Path, digest: bytes) -> bool:
    try:
        with draft.open("r+b") as file:
            file.write(digest)
        draft.replace(path)
    except OSError as error:
        log.warning("a rendition could not be kept: %s", error)
        return False
    return True


def trim() -> None:
    """Remove entries that are a day old, and then the oldest until three quarters of the bound are left."""
    entries = sorted(_list_entries(), reverse=True)
    room_bytes: float = settings.RENDITION_CACHE_BYTES
    if sum(size for _, size, _ in entries) > room_bytes:
        room_bytes *= _TRIMMED_TO
    oldest_at = time.time() - MAX_AGE_S
    for kept_at, size, path in entries:
        room_bytes -= size
        if room_bytes < 0 or kept_at < oldest_at:
            Path(path).unlink(missing_ok=True)


def _must_trim(size_bytes: int, bound_bytes: int) -> bool:
    """Count what this process wrote: a look at the folder after every sixteenth of the bound, and every hour."""
    global _written_bytes, _trimmed_at
    now = time.monotonic()
    with _lock:
        _written_bytes += size_bytes
        is_due = _written_bytes > bound_bytes // _TRIMS_PER_BOUND or now - _trimmed_at > MAX_AGE_S / 24
        if is_due:
            _written_bytes, _trimmed_at = 0, now
    return is_due


def _list_entries() -> Iterator[tuple[float, int, str]]:
    try:
        folders = [entry.path for entry in os.scandir(_root()) if entry.is_dir()]
    except FileNotFoundError:
        return
    for folder in folders:
        for entry in os.scandir(folder):
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # another process removed it
            yield status.st_mtime, status.st_size, entry.path


def _path_of(key: str) -> Path:
    return _root() / key[:2] / key[2:]


def _root() -> Path:
    return Path(settings.SPOOL_ROOT) / "renditions"
