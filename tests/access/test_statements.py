"""Statements that go straight to the driver do what a cursor of Django does."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from access.models import CareProvider
from access.statements import adapt_moment, execute, execute_many, fetch

INSERT = "INSERT INTO access_careprovider (hsa_id, name) VALUES (%s, %s)"
NAMES = "SELECT name FROM access_careprovider WHERE hsa_id = %s"


@pytest.mark.django_db
def test_statements_see_what_each_other_wrote():
    assert execute(INSERT, ("SE1", "100 % Å'\"")) == 1
    assert execute_many(INSERT, [("SE2", "two"), ("SE3", "three")]) == 2
    [(key,)] = fetch(f"{INSERT} RETURNING id", ("SE4", "four"), writes=True)
    assert CareProvider.objects.get(pk=key).name == "four"
    assert fetch(NAMES, ("SE1",)) == [("100 % Å'\"",)]
    assert fetch(f"{NAMES} AND name LIKE 'x%%'", ("SE2",)) == []
    assert fetch(f"{NAMES} AND name <> '%%s'", ("SE2",)) == [("two",)]


@pytest.mark.django_db
def test_errors_are_those_of_django():
    execute(INSERT, ("SE1", "one"))
    with pytest.raises(IntegrityError), transaction.atomic():
        execute(INSERT, ("SE1", "again"))
    assert CareProvider.objects.get().name == "one"


@pytest.mark.django_db
def test_who_counts_statements_sees_them():
    with CaptureQueriesContext(connection) as seen:
        execute(INSERT, ("SE1", "one"))
        execute_many(INSERT, [("SE2", "two")])
        fetch(NAMES, ("SE1",))
    assert len(seen) == 3


@pytest.mark.django_db(transaction=True)
def test_a_write_of_its_own_is_committed():
    fetch(f"{INSERT} RETURNING id", ("SE1", "one"), writes=True)
    execute(INSERT, ("SE2", "two"))
    connection.close()
    assert CareProvider.objects.count() == 2


@pytest.mark.django_db
def test_nothing_runs_in_a_transaction_that_has_failed():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises((transaction.TransactionManagementError, OperationalError)):
            fetch(NAMES, ("SE1",))


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
@pytest.mark.parametrize("microsecond", [0, 1, 120_000])
def test_a_moment_goes_in_as_django_writes_it(zone, microsecond):
    moment = datetime(2025, 3, 30, 1, 59, 59, microsecond, tzinfo=zone)
    assert adapt_moment(moment, connection) == connection.ops.adapt_datetimefield_value(moment)
