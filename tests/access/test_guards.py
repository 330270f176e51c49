"""The log is only added to, whoever asks."""

import pytest
from django.db import DatabaseError, connection, transaction

from access import audit
from access.database import is_sqlite
from access.guards import (
    GUARDED,
    UnsuitableRole,
    find_missing_guards,
    grant_application_role,
    install_guards,
    lift_guards,
)
from access.models import AccessSpan, AuditEvent, AuditSeal
from access.seals.seal import seal
from tests.access.seals.conftest import ACTOR, sealing_files, write_events  # noqa: F401 (fixture)

pytestmark = pytest.mark.django_db


@pytest.fixture
def guarded(sealing_files):  # noqa: F811
    """A guarded log with one event and one seal."""
    write_events(1)
    seal()
    assert find_missing_guards() == list(GUARDED)
    install_guards()
    install_guards()
    assert find_missing_guards() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_auditevent SET actor = 'x'",
        "DELETE FROM access_auditevent",
        "UPDATE access_auditseal SET event_count = 0",
        "DELETE FROM access_auditseal",
        "TRUNCATE access_auditevent",
        "TRUNCATE access_auditseal",
    ],
)
def test_rows_neither_change_nor_go(guarded, statement):
    if is_sqlite():
        statement = statement.replace("TRUNCATE", "DELETE FROM")
    with (
        pytest.raises(DatabaseError, match="the access log is only added to"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert (AuditEvent.objects.count(), AuditSeal.objects.count()) == (1, 1)


def test_rows_are_added_and_counts_are_kept(guarded, monkeypatch):
    monkeypatch.setattr(audit, "_touches", {})
    for _ in range(2):
        audit.touch(ACTOR, "1.2.3", 5, door="wado")
        audit.count(ACTOR, "1.2.3", door="wado", frames=1)
        audit.flush_counts()
    assert AccessSpan.objects.get().frames == 2
    assert seal() == 1


def test_at_the_end_of_retention_they_are_lifted_for_one_transaction(guarded):
    with lift_guards():
        AuditEvent.objects.all().delete()
    assert find_missing_guards() == []
    assert AuditEvent.objects.count() == 0


def test_a_role_that_no_right_binds_is_refused():
    name = "nobody-knows" if not is_sqlite() else "web"
    with pytest.raises(UnsuitableRole, match="SQLite knows no roles" if is_sqlite() else "there is no role"):
        grant_application_role(name)
    if not is_sqlite():
        with pytest.raises(UnsuitableRole, match="is a superuser"):
            grant_application_role("postgres")
