"""Statements that are built once, run with as little on the way to the driver as the database allows.

A cursor of Django checks, counts and rewrites every statement; for the dozen statements of a small store that
costs more than the statements themselves. On SQLite they go straight to the driver, which keeps them compiled.
"""

import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

Rows = list[tuple[Any, ...]]

_PLACES = re.compile(r"(?<!%)%s")


def fetch(sql: str, parameters: Sequence[Any], *, writes: bool = False) -> Rows:
    """Run one statement and return its rows as the driver gives them.

    Parameters
    ----------
    sql
        With `%s` for each value, as for a cursor of Django.
    writes
        The statement changes something: outside a transaction it waits for its turn.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if _is_direct(connection, writes=writes):
        try:
            rows: Rows = connection.connection.execute(_with_question_marks(sql), parameters).fetchall()
            return rows
        except sqlite3.Error:
            with connection.wrap_database_errors:
                raise
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def execute(sql: str, parameters: Sequence[Any]) -> int:
    """Run one statement and return how many rows it changed; `sql` as of `fetch`."""
    connection = connections[DEFAULT_DB_ALIAS]
    if _is_direct(connection, writes=True):
        try:
            return int(connection.connection.execute(_with_question_marks(sql), parameters).rowcount)
        except sqlite3.Error:
            with connection.wrap_database_errors:
                raise
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def execute_many(sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run one statement for each row and return how many rows all of them changed; `sql` as of `fetch`."""
    connection = connections[DEFAULT_DB_ALIAS]
    if _is_direct(connection, writes=True):
        try:
            return int(connection.connection.executemany(_with_question_marks(sql), rows).rowcount)
        except sqlite3.Error:
            with connection.wrap_database_errors:
                raise
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
        return int(cursor.rowcount)


def adapt_moment(value: datetime, connection: Any) -> Any:
    """Return a moment as the database takes it, as `connection.ops` does: without its questions where all is UTC."""
    if value.tzinfo is UTC and connection.vendor == "sqlite" and connection.timezone is UTC:
        return str(value.replace(tzinfo=None))
    return connection.ops.adapt_datetimefield_value(value)


def _is_direct(connection: Any, *, writes: bool) -> bool:
    """Tell whether nobody has to see the statement pass: no turnstile to take, no log, no wrapper."""
    return (
        connection.connection is not None
        and connection.vendor == "sqlite"
        and (connection.in_atomic_block or not writes)
        and not connection.needs_rollback
        and not connection.execute_wrappers
        and not connection.queries_logged
    )


@lru_cache(maxsize=512)
def _with_question_marks(sql: str) -> str:
    return _PLACES.sub("?", sql).replace("%%", "%")
