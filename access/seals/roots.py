"""The seals once more outside the database, where who can change the database cannot reach: a file that only grows.

Copy it away (the stream to the audit repository carries the same lines): who cuts off the end of the log together with
its seals is found by what the file still tells.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from access.models import AuditSeal
from access.seals.canonical import format_time

LINE_BYTES = 4096
"""More than the longest line."""


class SealsMissing(RuntimeError):
    """The file tells of seals that the database does not have: the log was cut, or an older database restored."""


def describe(row: AuditSeal) -> dict[str, Any]:
    """Return a seal as one line of the file: everything that `access.seals.verify` compares."""
    return {
        "number": row.number,
        "first_event_id": row.first_event_id,
        "last_event_id": row.last_event_id,
        "event_count": row.event_count,
        "root": bytes(row.root).hex(),
        "previous": bytes(row.previous).hex(),
        "signature": bytes(row.signature).hex(),
        "sealed_at": format_time(row.sealed_at),
    }


def export() -> int:
    """Append the seals that the file does not have yet; returns how many."""
    path = Path(settings.AUDIT_ROOTS_FILE)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = _read_last(file.fileno())
        _cut_torn_line(file)
        rows = AuditSeal.objects.filter(number__gt=last["number"] if last else 0).order_by("number")
        lines = [json.dumps(describe(row)).encode() + b"\n" for row in rows.iterator()]
        if lines:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
    return len(lines)


def read_last() -> dict[str, Any] | None:
    """Return the last seal of the file; None if there is none."""
    path = Path(settings.AUDIT_ROOTS_FILE)
    if not path.exists():
        return None
    with path.open("rb") as file:
        return _read_last(file.fileno())


def check_not_behind(last: AuditSeal | None, told: dict[str, Any] | None) -> None:
    """Hold the database's last seal against the file's, which was read before it.

    Raises
    ------
    SealsMissing
        The file goes on where the database ends, or tells of another seal under the same number.
    """
    if told is None:
        return
    path = settings.AUDIT_ROOTS_FILE
    if last is None or last.number < told["number"]:
        raise SealsMissing(
            f"{path} ends with seal {told['number']}, the database with {last.number if last else 'none'}:"
            " run manage.py verify_audit. After restoring an older database, keep the file under another name"
        )
    if last.number == told["number"] and describe(last) != told:
        raise SealsMissing(f"{path} tells of another seal {told['number']} than the database has")


def read_lines(path: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield the seals of the file, oldest first; nothing if there is no file.

    Raises
    ------
    ValueError
        A line cannot be read; the message names it.
    """
    path = path or Path(settings.AUDIT_ROOTS_FILE)
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                told: dict[str, Any] = json.loads(line)
                told["number"] += 0
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"line {number} of {path} is no seal") from error
            yield told


def _read_last(descriptor: int) -> dict[str, Any] | None:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, LINE_BYTES, max(0, size - LINE_BYTES))
    lines = tail[: tail.rfind(b"\n") + 1].splitlines()
    if not lines:
        return None
    last: dict[str, Any] = json.loads(lines[-1])
    return last


def _cut_torn_line(file: BinaryIO) -> None:
    """Remove half a line at the end, which a power cut left; the seal is written again."""
    size = os.fstat(file.fileno()).st_size
    tail = os.pread(file.fileno(), LINE_BYTES, max(0, size - LINE_BYTES))
    torn_bytes = len(tail) - (tail.rfind(b"\n") + 1)
    if torn_bytes:
        os.ftruncate(file.fileno(), size - torn_bytes)
