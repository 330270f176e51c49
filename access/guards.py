"""The log is only added to: triggers that refuse everything else, and the rights of the server's role.

The first belt on PostgreSQL is that the application role holds no right to change or delete rows of the log; the
triggers are the second, for everybody, and the only one on SQLite. Whoever owns the database can take both away:
then the seals tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from access.database import is_sqlite
from access.models import AccessSpan, AuditEvent, AuditSeal

GUARDED = (AuditEvent._meta.db_table, AuditSeal._meta.db_table)
"""Tables whose rows never change."""
COUNTED = (AccessSpan._meta.db_table,)
"""Tables whose rows change and never go."""
MIGRATIONS = "django_migrations"
FUNCTION = "samsyn_refuse_change"
REFUSAL = "the access log is only added to"


class UnsuitableRole(ValueError):
    """The role cannot be the application role; the message says why and what to do."""


def install_guards() -> None:
    """Make the triggers, whether they are there or not; run it after every migrate, as the owner."""
    with transaction.atomic():
        for statement in _triggers_of_sqlite() if is_sqlite() else _triggers_of_postgres():
            _run(statement)


def find_missing_guards() -> list[str]:
    """Return the guarded tables that have not all their triggers, or have one that is switched off."""
    found = _read(
        "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'"
        if is_sqlite()
        else "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
    )
    return [table for table in GUARDED if not set(_names_of(table)) <= {n for t, n in found if t == table}]


def owns_the_log() -> bool:
    """Tell whether the connected role may make the triggers."""
    if is_sqlite():
        return True
    sql = "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass"
    return bool(_read(sql, AuditEvent._meta.db_table)[0][0])


@contextmanager
def lift_guards() -> Iterator[None]:
    """Let rows be deleted inside the block, which is one transaction: for the end of retention, as the owner."""
    with transaction.atomic():
        for table in GUARDED:
            if is_sqlite():
                for name in _names_of(table):
                    _run(f"DROP TRIGGER IF EXISTS {name}")
            else:
                _run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        install_guards()


def grant_application_role(role: str) -> None:
    """Give a role of PostgreSQL what the server needs, and of the log only to read and to add.

    Run it after every migrate, as the owner of the tables.

    Raises
    ------
    UnsuitableRole
        There is no such role, or it stands above rights: a superuser, or an owner of the tables.
    """
    _check_role(role)
    quoted = connection.ops.quote_name(role)
    log = ", ".join(GUARDED)
    with transaction.atomic():
        for statement in (
            f"GRANT USAGE ON SCHEMA public TO {quoted}",
            f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {quoted}",
            f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
            f"REVOKE UPDATE, DELETE ON {log} FROM {quoted}",
            f"REVOKE DELETE ON {', '.join(COUNTED)} FROM {quoted}",
            f"REVOKE INSERT, UPDATE, DELETE ON {MIGRATIONS} FROM {quoted}",
        ):
            _run(statement)
        install_guards()


def _check_role(role: str) -> None:
    if is_sqlite():
        raise UnsuitableRole(
            "SQLite knows no roles: the triggers are all there is, and manage.py up makes them"
        )
    found = _read(
        "SELECT rolsuper, pg_has_role(rolname, relowner, 'USAGE') FROM pg_roles, pg_class"
        " WHERE rolname = %s AND pg_class.oid = %s::regclass",
        role,
        AuditEvent._meta.db_table,
    )
    if not found:
        raise UnsuitableRole(f"there is no role {role}: CREATE ROLE {role} LOGIN PASSWORD '...' makes it")
    is_superuser, is_owner = found[0]
    if is_superuser:
        raise UnsuitableRole(f"{role} is a superuser, whom no right binds: choose another role")
    if is_owner:
        raise UnsuitableRole(f"{role} owns the tables: migrate as one role, let the server run under another")


def _names_of(table: str) -> list[str]:
    return [f"{table}_no_{word}" for word in ("update", "delete") + (() if is_sqlite() else ("truncate",))]


def _triggers_of_sqlite() -> Iterator[str]:
    for table in GUARDED:
        for name, word in zip(_names_of(table), ("UPDATE", "DELETE"), strict=True):
            yield (
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {word} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )


def _triggers_of_postgres() -> Iterator[str]:
    yield (
        f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{REFUSAL}: % on %', TG_OP, TG_TABLE_NAME; END $$"
    )
    for table in GUARDED:
        for name, word in zip(_names_of(table), ("UPDATE", "DELETE", "TRUNCATE"), strict=True):
            each = "STATEMENT" if word == "TRUNCATE" else "ROW"
            yield (
                f"CREATE OR REPLACE TRIGGER {name} BEFORE {word} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION {FUNCTION}()"
            )
            # Also where a session says that it replicates, which skips ordinary triggers.
            yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _read(sql: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values) or None)
        return list(cursor.fetchall())
