"""Questions that take the database too long are interrupted, and the connection is as before."""

import time

import pytest
from django.db import OperationalError, ProgrammingError, connection

from access.database import StatementTimeout, is_sqlite, time_limit

pytestmark = pytest.mark.django_db(transaction=True)

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n WHERE x < 0"


def ask(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_what_takes_too_long_is_interrupted() -> None:
    started = time.monotonic()
    with pytest.raises(StatementTimeout, match=r"0\.2 s"), time_limit(0.2):
        ask(ENDLESS)
    assert time.monotonic() - started >= 0.2
    assert ask("SELECT 7") == 7


def test_what_comes_afterwards_has_its_own_time() -> None:
    with time_limit(0.05):
        assert ask("SELECT 7") == 7
    if is_sqlite():
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 900000)"
        assert ask(f"{numbers} SELECT count(*) FROM n") == 900000
    else:
        assert ask("SELECT 7 FROM pg_sleep(0.2)") == 7
        assert ask("SHOW statement_timeout") != "50ms"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises((ProgrammingError, OperationalError), match="nowhere"), time_limit(1):
        ask("SELECT x FROM nowhere")
    with pytest.raises(KeyError), time_limit(1):
        raise KeyError("mine")
    assert ask("SELECT 7") == 7
