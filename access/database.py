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
QUERY_CANCELED = "57014"
MAX_ATTEMPTS = 5
PROGRESS_OPERATIONS = 5_000
"""Steps of SQLite's machine between two looks at the clock."""


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


class StatementTimeout(RuntimeError):
    """The database needed longer for a question than it was given, and was interrupted."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what the database works on for longer than this.

    PostgreSQL stops the one statement that takes so long, SQLite whatever runs when the time is over.

    Raises
    ------
    StatementTimeout
        It was interrupted.
    """
    with _limit_sqlite(seconds) if is_sqlite() else _limit_postgres(seconds):
        yield


@contextmanager
def _limit_sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    deadline = time.monotonic() + seconds
    connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_OPERATIONS)
    try:
        yield
    except OperationalError as error:
        if str(error) != "interrupted":
            raise
        raise StatementTimeout(f"longer than {seconds:g} s") from error
    finally:
        if connection.connection is not None:
            connection.connection.set_progress_handler(None, 0)


@contextmanager
def _limit_postgres(seconds: float) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {max(1, int(seconds * 1000))}")
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
            raise
        raise StatementTimeout(f"longer than {seconds:g} s") from error
    finally:
        # What a failed transaction set is undone with it, what a lost connection set is gone.
        raw = connection.connection
        if raw is not None and not raw.closed and raw.info.transaction_status.name != "INERROR":
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")


def release() -> None:
    """Give the connection back before a body moves: a slow peer must not hold one.

    SQLite connections are the thread's own and cost nothing while idle, so they stay.
    """
    if not is_sqlite() and not connection.in_atomic_block:
        connection.close()
