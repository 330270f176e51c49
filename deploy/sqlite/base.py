"""Django's SQLite backend with a turnstile in front of every write transaction.

Measured with 16 writers: deferred BEGIN fails with lock errors by the thousand, BEGIN IMMEDIATE alone
starves the unlucky; with a lock file taken before BEGIN IMMEDIATE every writer gets its turn.
"""

import re
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from deploy.sqlite.turnstile import Turnstile, TurnstileTimeout

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER)\b", re.IGNORECASE)


class TurnstileCursor(base.SQLiteCursorWrapper):
    """Takes the turnstile around a single writing statement outside a transaction."""

    wrapper: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement, in turn if it writes on its own."""
        if self.wrapper.needs_turn(query):
            with self.wrapper.one_turn():
                return super().execute(query, params)
        return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        """Run one statement for many rows, in turn if it writes on its own."""
        if self.wrapper.needs_turn(query):
            with self.wrapper.one_turn():
                return super().executemany(query, param_list)
        return super().executemany(query, param_list)


class _OneTurn:
    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile

    def __enter__(self) -> None:
        _enter(self._turnstile)

    def __exit__(self, *exc: object) -> None:
        self._turnstile.leave()


def _enter(turnstile: Turnstile) -> None:
    try:
        turnstile.enter()
    except TurnstileTimeout as error:
        raise OperationalError(f"database is locked: {error}") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite connection whose outermost write transaction goes through the turnstile."""

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        name = str(settings_dict["NAME"])
        in_memory = ":memory:" in name or "mode=memory" in name
        self._turnstile = None if in_memory else Turnstile(Path(name).parent / "run" / "write.lock")

    def needs_turn(self, query: str) -> bool:
        """Tell whether the statement would open a write transaction of its own."""
        return self._turnstile is not None and not self.in_atomic_block and bool(_WRITES.match(query))

    def one_turn(self) -> _OneTurn:
        """Context that holds the turnstile for one statement."""
        assert self._turnstile is not None
        return _OneTurn(self._turnstile)

    def create_cursor(self, name: str | None = None) -> Any:
        """Cursor that knows its connection."""
        cursor = self.connection.cursor(factory=TurnstileCursor)
        cursor.wrapper = self
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        if self._turnstile is not None:
            _enter(self._turnstile)
        try:
            with self.wrap_database_errors:
                self.connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._leave()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._leave()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._turnstile is not None:
            self._turnstile.leave()
