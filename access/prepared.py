"""Queries that the ORM builds once and the database runs many times.

Building the SQL of a queryset costs ten times and more of what a look-up by key does; a door that is opened
a thousand times a second builds it once. There is still one place that says what is selected: the queryset.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Expression, QuerySet
from django.db.models.sql.compiler import SQLCompiler


class Slot(Expression):
    """A place in a queryset for a value that is given when the query runs: `filter(uid=Slot("uid"))`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[str | int]]:
        """Leave itself among the parameters, where `Prepared` finds it again."""
        return "%s", [self]  # type: ignore[list-item]  # replaced before the database sees it


@dataclass(frozen=True, slots=True)
class Prepared:
    """The SQL of a queryset; keep it for the life of the process."""

    sql: str
    parameters: tuple[Any, ...]

    def fetch(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run with a value for each slot; the rows are as the driver gives them.

        Select plain columns only: nothing converts JSON, truth values or times on the way out.
        """
        parameters = [_adapt(values[p.name]) if isinstance(p, Slot) else p for p in self.parameters]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def prepare(rows: QuerySet[Any, Any]) -> Prepared:
    """Build the SQL of a queryset made with `values_list`, its slots still open.

    Raises
    ------
    django.core.exceptions.EmptyResultSet
        The conditions can match nothing.
    """
    sql, parameters = rows.query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    return Prepared(sql, tuple(parameters))


def _adapt(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
