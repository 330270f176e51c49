"""Transactions: the only place that knows how the two databases lock."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.utils import timezone

T = TypeVar("T")

RETRYABLE_SQLSTATES = frozenset({"40P01", "40001"})
MAX_ATTEMPTS = 5


def is_sqlite() -> bool:
    """Tell whether the default database is SQLite."""
    return connection.vendor == "sqlite"


def database_now() -> datetime:
    """Return the time that leases and deadlines go by: one clock, whichever machine asks.

    PostgreSQL's own clock (not that of the transaction's start); the host's beside SQLite.
    """
    if is_sqlite():
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


@contextmanager
def write_transaction() -> Iterator[None]:
    """One atomic write; on SQLite the turnstile of the backend lets one writer in at a time."""
    with transaction.atomic():
        yield


def run_write(work: Callable[[], T]) -> T:
    """Run `work` in a write transaction, again on deadlock or serialisation failure.

    `work` may run up to five times, so it must do nothing but write to the database.

    Raises
    ------
    django.db.OperationalError
        After the fifth attempt, or at once for any other database error.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with write_transaction():
                return work()
        except OperationalError as error:
            sqlstate = getattr(error.__cause__, "sqlstate", None)
            if sqlstate not in RETRYABLE_SQLSTATES or attempt == MAX_ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 (jitter, not a secret)
    raise AssertionError("unreachable")


@contextmanager
def snapshot() -> Iterator[None]:
    """Several reads of one moment; keep it below two seconds.

    On SQLite a deferred read transaction beside the writers, on PostgreSQL REPEATABLE READ.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED" if is_sqlite() else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def release() -> None:
    """Give the connection back before a body moves: a slow peer must not hold one.

    SQLite connections are the thread's own and cost nothing while idle, so they stay.
    """
    if not is_sqlite() and not connection.in_atomic_block:
        connection.close()
