"""Rows of the access log that the database would not take, kept on the disk of this machine until it does.

Only for what must not wait in an emergency (`access.audit.record(..., may_spool=True)`): all else is refused while
the log cannot be written. One file an event, durable under its final name before anything is answered; written
to the log by the duty `replay_audit_spool`, and removed only after that was committed.
"""

import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils.crypto import constant_time_compare, salted_hmac

from access.database import run_write
from access.models import AuditEvent
from access.rows import add

log = logging.getLogger(__name__)

SUFFIX = ".event"
UNREADABLE = ".unreadable"
UNFINISHED = ".part"
SALT = "access.audit_spool"
MOST_AT_ONCE = 500
MOST_FAILURES = 3
"""So many rows in a run may be refused: after that the log is still away, and the rest waits for the next run."""


class UnreadableEvent(ValueError):
    """A file of the spool that is not what was written there."""


def keep(values: Mapping[str, Any]) -> str:
    """Write the columns of a row into a file of its own, durable when this returns; returns its name.

    Raises
    ------
    OSError
        The disk did not take it.
    """
    root = _open_root()
    name = f"{time.time_ns():020}-{secrets.token_hex(8)}"
    unfinished = root / f"{name}{UNFINISHED}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_write(values))
        file.flush()
        os.fdatasync(file.fileno())
    unfinished.rename(root / f"{name}{SUFFIX}")
    _flush(root)
    log.error("the access log cannot be written: event %s of an emergency lies in %s", name, root)
    return name


def replay() -> int:
    """Write what lies in the spool to the log, oldest first; a duty. Returns how many rows the log took.

    May run twice, also at the same time: a row that the log has is not written again.
    """
    root = Path(settings.AUDIT_SPOOL_ROOT)
    if not root.is_dir():
        return 0
    written = failed = 0
    with _alone(root) as is_alone:
        for path in _waiting(root)[:MOST_AT_ONCE] if is_alone else ():
            try:
                _take(path)
                written += 1
            except UnreadableEvent as error:
                log.error("%s is not an event of the access log and was put aside: %s", path, error)
                path.rename(path.with_suffix(UNREADABLE))
            except DatabaseError as error:
                log.warning("the access log does not take %s yet: %s", path.name, error)
                failed += 1
                if failed == MOST_FAILURES:
                    break
        _flush(root)
    return written


def count_spooled() -> int:
    """Return how many events lie on this machine and are not in the log, what nobody can read included."""
    root = Path(settings.AUDIT_SPOOL_ROOT)
    return sum(path.suffix in (SUFFIX, UNREADABLE) for path in root.iterdir()) if root.is_dir() else 0


def _take(path: Path) -> None:
    values = _read(path.read_bytes())
    values["detail"] = {**values["detail"], "spooled": path.stem}

    def work() -> None:
        same_moment = AuditEvent.objects.filter(recorded_at=values["recorded_at"], actor=values["actor"])
        known = same_moment.values_list("detail", flat=True)
        if all(detail.get("spooled") != path.stem for detail in known):
            add(AuditEvent, **values)

    run_write(work)
    path.unlink()


def _write(values: Mapping[str, Any]) -> bytes:
    event = json.dumps({**values, "recorded_at": values["recorded_at"].isoformat()}, sort_keys=True)
    return json.dumps({"event": event, "mac": _sign(event, settings.SECRET_KEY)}).encode()


def _read(data: bytes) -> dict[str, Any]:
    """Return the columns of a row, if it is one that a holder of the secret key wrote."""
    try:
        document = json.loads(data)
        event, mac = document["event"], document["mac"]
        keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        if not any(constant_time_compare(mac, _sign(event, key)) for key in keys):
            raise UnreadableEvent("it was not written here, or was changed")
        values: dict[str, Any] = json.loads(event)
        values["recorded_at"] = datetime.fromisoformat(values["recorded_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableEvent(str(error)) from error
    return values


def _sign(event: str, key: str | bytes) -> str:
    return salted_hmac(SALT, event, secret=key, algorithm="sha256").hexdigest()


def _open_root() -> Path:
    root = Path(settings.AUDIT_SPOOL_ROOT)
    if not root.is_dir():
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _flush(root.parent)
    return root


def _waiting(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.suffix == SUFFIX)


@contextmanager
def _alone(root: Path) -> Iterator[bool]:
    """Let one process at a time replay; freed by the kernel when it dies."""
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
