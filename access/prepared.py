"""Queries that the ORM builds once and the database runs many times.

Building the SQL of a queryset costs ten times and more of what a look-up by key does; a door that is opened
a thousand times a second builds it once. There is still one place that says what is selected: the queryset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BooleanField, Expression, Func, Model, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from access.statements import adapt_moment, fetch

M = TypeVar("M", bound=Model)

LIST_SIZES = (1, 20, 100, 500)
MOST_LIFTED = 20
NOT_LIFTED = ("__isnull", "__regex", "__has_item", "__wildcard")
"""Lookups that write their value into the SQL, or change it on the way there."""


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
        return fetch(self.sql, _fill(self.parameters, values))


def prepare(rows: QuerySet[Any, Any]) -> Prepared:
    """Build the SQL of a queryset made with `values_list`, its slots still open.

    Raises
    ------
    django.core.exceptions.EmptyResultSet
        The conditions can match nothing.
    """
    sql, parameters = rows.query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    return Prepared(sql, tuple(parameters))


@dataclass(frozen=True, slots=True)
class PreparedModels(Generic[M]):
    """The SQL of a queryset of one model, and how what it selects becomes rows of that model."""

    model: type[M]
    query: Prepared
    columns: tuple[str, ...]
    converters: dict[int, Any]

    def fetch(self, **values: Any) -> list[M]:
        """Run with a value for each slot; the rows are as the queryset would give them."""
        rows = self.query.fetch(**values)
        database = connections[DEFAULT_DB_ALIAS]
        return [
            self.model.from_db(DEFAULT_DB_ALIAS, self.columns, self._convert(row, database)) for row in rows
        ]

    def _convert(self, row: tuple[Any, ...], database: Any) -> Sequence[Any]:
        converted = list(row)
        for index, (functions, expression) in self.converters.items():
            for function in functions:
                converted[index] = function(converted[index], expression, database)
        return converted


def prepare_models(rows: QuerySet[M, M]) -> PreparedModels[M]:
    """Build the SQL of a queryset of one model, its slots still open; inside a transaction if it locks rows."""
    compiler = _compiler(rows)
    sql, parameters = compiler.as_sql()
    selected = [expression for expression, *_ in compiler.select or ()]
    columns = tuple(str(expression.target.attname) for expression in selected)
    return PreparedModels(
        rows.model, Prepared(sql, tuple(parameters)), columns, dict(compiler.get_converters(selected))
    )


def _compiler(rows: QuerySet[Any, Any]) -> SQLCompiler:
    compiler: SQLCompiler = rows.query.get_compiler(DEFAULT_DB_ALIAS)
    return compiler


def _adapt(value: Any) -> Any:
    return adapt_moment(value, connections[DEFAULT_DB_ALIAS]) if isinstance(value, datetime) else value


def _fill(parameters: tuple[Any, ...], values: dict[str, Any]) -> list[Any]:
    """Put the values in their places; each is converted once, however many places it has."""
    adapted = {name: _adapt(value) for name, value in values.items()}
    return [adapted[p.name] if isinstance(p, Slot) else p for p in parameters]


ITSELF = Slot("itself")
_INNER = "itself"


def prepare_condition(rows: QuerySet[Any, Any]) -> Prepared:
    """Build a condition that a row is among these: SQL for `Written`, the row's key left open.

    The table has another name inside, so that the row outside can be of the same one.
    """
    sql, parameters = (
        rows.filter(pk=ITSELF).order_by().values_list("pk").query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    )
    table = connection.ops.quote_name(rows.model._meta.db_table)
    inner = connection.ops.quote_name(_INNER)
    named = sql.replace(f"{table}.", f"{inner}.").replace(f"FROM {table}", f"FROM {table} {inner}", 1)
    return Prepared(f"EXISTS({named})", tuple(parameters))


class Written(Func):
    """A condition that was built before, about the row with this key: `Written(F("pk"), condition, values)`."""

    conditional = True
    output_field = BooleanField()

    def __init__(self, key: Any, condition: Prepared, values: dict[str, Any]) -> None:
        super().__init__(key)
        self.condition = condition
        self.values = values

    def as_sql(  # type: ignore[override]  # nothing of a function's template is open here
        self, compiler: SQLCompiler, connection: Any, **extra: Any
    ) -> tuple[str, list[str | int]]:
        """Put the key of the row outside and the values where they were left open."""
        [key] = self.get_source_expressions()
        key_sql, _ = compiler.compile(key)
        pieces = self.condition.sql.split("%s")
        sql, parameters = pieces[0], []
        for slot, piece in zip(self.condition.parameters, pieces[1:], strict=True):
            if isinstance(slot, Slot) and slot.name == ITSELF.name:
                sql += key_sql + piece
            else:
                sql += "%s" + piece
                parameters.append(_adapt(self.values[slot.name]) if isinstance(slot, Slot) else slot)
        return sql, parameters


class PreparedList:
    """A prepared query about a list; built for few sizes, shorter lists repeat their last item.

    Parameters
    ----------
    build
        Makes the queryset of the slots: `lambda slots: Study.objects.filter(pk__in=slots).values_list("pk")`.
    """

    def __init__(self, build: Callable[[list[Slot]], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._queries: dict[int, Prepared] = {}

    def fetch(self, items: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run for all items, some hundred at a time."""
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(items), LIST_SIZES[-1]):
            asked = items[start : start + LIST_SIZES[-1]]
            size = next(size for size in LIST_SIZES if size >= len(asked))
            values = {f"v{n}": asked[min(n, len(asked) - 1)] for n in range(size)}
            rows += self._query(size).fetch(**values)
        return rows

    def _query(self, size: int) -> Prepared:
        known = self._queries.get(size)
        if known is None:
            known = self._queries[size] = prepare(self._build([Slot(f"v{n}") for n in range(size)]))
        return known


@dataclass(frozen=True, slots=True)
class Lifted:
    """A condition whose values were taken out: `shape` is equal for conditions that differ in them only."""

    condition: Q
    shape: tuple[Any, ...]
    values: dict[str, Any]


def lift(condition: Q) -> Lifted | None:
    """Take the values out of a condition; None if it holds anything but columns compared with text and numbers."""
    values: dict[str, Any] = {}
    lifted = _lift(condition, values)
    return None if lifted is None else Lifted(*lifted, values)


def _lift(condition: Q, values: dict[str, Any]) -> tuple[Q, tuple[Any, ...]] | None:
    children: list[Any] = []
    shapes: list[Any] = [condition.connector, condition.negated]
    for child in condition.children:
        part = _lift(child, values) if isinstance(child, Q) else _lift_leaf(child, values)
        if part is None:
            return None
        children.append(part[0])
        shapes.append(part[1])
    lifted: Q = Q.create(children, condition.connector, condition.negated)  # type: ignore[assignment]
    return lifted, tuple(shapes)


def _lift_leaf(leaf: Any, values: dict[str, Any]) -> tuple[Any, tuple[Any, ...]] | None:
    if not isinstance(leaf, tuple):
        return None
    lookup, value = leaf
    items = value if isinstance(value, list) else [value]
    if (
        lookup.endswith(NOT_LIFTED)
        or len(items) > MOST_LIFTED
        or any(type(i) not in (str, int) for i in items)
    ):
        return None
    slots = []
    for item in items:
        slots.append(Slot(f"v{len(values)}"))
        values[slots[-1].name] = item
    if isinstance(value, list):
        return (lookup, slots), (lookup, len(slots))
    return (lookup, slots[0]), (lookup,)
