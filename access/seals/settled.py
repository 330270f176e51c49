"""Up to which id the log is settled: nothing at or below it will come, or go, by itself.

Ids are given when a statement runs, rows appear when its transaction commits. A batch that was closed
over an id whose transaction still ran would look as if somebody had added a row later.

To seal below the oldest running transaction (`pg_snapshot_xmin`) is not enough: an id is given before the
transaction has a number of its own, so a younger number can hold an older id. Every INSERT, however, locks the
table (ROW EXCLUSIVE) before it takes an id, and keeps the lock until its end: who holds that lock after an id was
seen is all that can still bring an older one.
"""

import time

from django.db import connection
from django.db.models import Max

from access.database import is_sqlite
from access.models import AuditEvent

WAIT_S = 2.0
POLL_S = 0.02


def settled_event_id(wait_s: float = WAIT_S) -> int:
    """Return the last settled id; 0 if transactions that write to the log did not end within `wait_s`.

    Call it outside a transaction: it waits for the others to end, and must see what they wrote.
    """
    newest = AuditEvent.objects.aggregate(newest=Max("id"))["newest"] or 0
    if is_sqlite() or not newest:
        return newest  # one writer at a time: ids are given in the order of commits
    writing = _find_writers()
    deadline = time.monotonic() + wait_s
    while writing:
        if time.monotonic() > deadline:
            return 0
        time.sleep(POLL_S)
        writing &= _find_writers()
    return newest


def _find_writers() -> set[str]:
    """Return the transactions that hold what an INSERT takes before it is given an id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE relation = %s::regclass AND locktype = 'relation'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND mode = 'RowExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()",
            [AuditEvent._meta.db_table],
        )
        return {row[0] for row in cursor.fetchall()}
