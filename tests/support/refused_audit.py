"""A database that takes everything but rows of the access log."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

TABLE = "access_auditevent"
_MAKE = {
    "sqlite": (
        f"CREATE TRIGGER audit_away BEFORE INSERT ON {TABLE} BEGIN SELECT RAISE(ABORT, 'the log is away'); END",
    ),
    "postgresql": (
        """CREATE FUNCTION refuse_audit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the log is away'; END $$""",
        f"CREATE TRIGGER audit_away BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION refuse_audit()",
    ),
}
_UNMAKE = {
    "sqlite": ("DROP TRIGGER audit_away",),
    "postgresql": (f"DROP TRIGGER audit_away ON {TABLE}", "DROP FUNCTION refuse_audit()"),
}


@contextmanager
def refused_audit() -> Iterator[None]:
    """Refuse every new row of the log while the block runs."""
    _run(_MAKE)
    try:
        yield
    finally:
        _run(_UNMAKE)


def _run(statements: dict[str, tuple[str, ...]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)
