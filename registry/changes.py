"""The change feed: append in the transaction of the change, number what is committed, read in order.

Ids are not an order: a transaction that began earlier may commit later. Rows therefore get their
`position` only once they are committed; readers read by position and save their cursor in the
transaction that did the work.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from access.database import is_sqlite, write_transaction
from access.rows import add
from registry.models import Change, ChangeCursor

NUMBERING_LOCK = 0x53414D53  # arbitrary, but the same for every process


def append(kind: str, study_instance_uid: str = "", detail: Mapping[str, Any] | None = None) -> None:
    """Append a change; it must be called in the transaction that changes something."""
    add(
        Change,
        kind=kind,
        study_instance_uid=study_instance_uid,
        detail=dict(detail or {}),
        appended_at=timezone.now(),
    )


def number() -> int:
    """Give committed rows without a position the next ones; returns how many. One winner, others return 0."""
    if not Change.objects.filter(position__isnull=True).exists():
        return 0
    with write_transaction(), connection.cursor() as cursor:
        if not is_sqlite():
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [NUMBERING_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        cursor.execute(
            "UPDATE registry_change SET position = numbered.position FROM ("
            " SELECT id, (SELECT COALESCE(MAX(position), 0) FROM registry_change)"
            "  + ROW_NUMBER() OVER (ORDER BY id) AS position"
            " FROM registry_change WHERE position IS NULL) AS numbered"
            " WHERE registry_change.id = numbered.id"
        )
        return int(cursor.rowcount)


def read_since(position: int, limit: int = 500) -> list[Change]:
    """Number what can be numbered, then return the changes after a position, oldest first."""
    number()
    return list(Change.objects.filter(position__gt=position).order_by("position")[:limit])


def cursor_of(reader: str) -> int:
    """Return how far a reader has come."""
    row = ChangeCursor.objects.filter(reader=reader).first()
    return row.position if row else 0


def save_cursor(reader: str, position: int) -> None:
    """Move a reader's cursor; call it in the transaction that did the work."""
    ChangeCursor.objects.update_or_create(reader=reader, defaults={"position": position})
