"""Rows written with SQL that is built once for a model: for the paths that write at every request.

The models stay the one place that knows columns, defaults and how a value is kept. What differs between the
databases is how many rows go in at once: one statement run for each on SQLite, arrays on PostgreSQL.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from json import JSONEncoder
from operator import attrgetter
from typing import Any, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import (
    AutoField,
    BinaryField,
    BooleanField,
    CharField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
)

from access.database import is_sqlite
from access.statements import adapt_moment, execute, execute_many, fetch

AnyField: TypeAlias = "Field[Any, Any]"

_write_json = JSONEncoder().encode  # what Django writes, without looking for an encoder first
_PLAIN_FIELDS = (BinaryField, BooleanField, CharField, ForeignKey, IntegerField)


def insert(row: Model, *, unless_known: bool = False) -> bool:
    """Insert one new row and set its key; False if `unless_known` and a unique column is taken already.

    Lean beside `save`: no signals, no look whether the row exists, no multi-table inheritance.
    """
    columns, sql = _insert_statement(type(row), unless_known)
    found = fetch(sql, _prepare(columns, row, adding=True), writes=True)
    if not found:
        return False
    row.pk = found[0][0]
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
    return True


def add(model: type[Model], *, unless_known: bool = False, **values: Any) -> Any:
    """Insert one new row that nobody needs as an instance; returns its key, None as `insert` returns False.

    `values` are by column (`study_id`, not `study`); what is not named gets the default of its field.
    """
    columns, others, sql = _add_statement(model, tuple(values), unless_known)
    row = [*values.values(), *(field.get_default() for field in others)]
    database = connections[DEFAULT_DB_ALIAS]
    for index, field, is_json in columns.converted:
        row[index] = _adapt(field, row[index], is_json, database)
    found = fetch(sql, row, writes=True)
    return found[0][0] if found else None


def update(row: Model, columns: Sequence[str]) -> None:
    """Write some columns of a row that exists."""
    written, sql = _update_statement(type(row), tuple(columns))
    execute(sql, [*_prepare(written, row, adding=False), row.pk])


def insert_many(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> int:
    """Insert rows but those whose unique columns are taken; returns how many went in.

    Parameters
    ----------
    columns
        Every column without a default in the database; text, numbers and bytes only, which nothing converts.
    rows
        Values in the order of `columns`.
    """
    if is_sqlite():
        return execute_many(_many_statement(model, columns), rows)
    return execute(_array_statement(model, columns), [list(column) for column in zip(*rows, strict=True)])


def _prepare(columns: "_Columns", row: Model, *, adding: bool) -> list[Any]:
    """Return the values of a row as the database takes them; text, numbers and bytes pass as they are."""
    values = list(columns.read(row))
    database = connections[DEFAULT_DB_ALIAS]
    for index, field, is_json in columns.converted:
        values[index] = _adapt(field, field.pre_save(row, adding), is_json, database)
    return values


def _adapt(field: AnyField, value: Any, is_json: bool, database: Any) -> Any:
    if value is None:
        return None
    if type(value) is datetime:
        return adapt_moment(value, database)
    if is_json and type(value) in (list, dict) and database.vendor == "sqlite":
        return _write_json(value)
    return field.get_db_prep_save(value, database)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns of a model in the order of a statement, and those of them that hold JSON, times or the like."""

    read: Callable[[Model], tuple[Any, ...]]
    converted: tuple[tuple[int, AnyField, bool], ...]


def _columns_of(fields: Sequence[AnyField]) -> _Columns:
    converted = tuple(
        (n, field, type(field) is JSONField and field.encoder is None)
        for n, field in enumerate(fields)
        if not isinstance(field, _PLAIN_FIELDS)
    )
    names = [field.attname for field in fields]
    getter = attrgetter(*names)
    return _Columns(getter if len(names) > 1 else lambda row: (getter(row),), converted)


@cache
def _insert_statement(model: type[Model], unless_known: bool) -> tuple[_Columns, str]:
    fields = tuple(f for f in model._meta.concrete_fields if not isinstance(f, AutoField))
    return _columns_of(fields), _insert_sql(model, fields, unless_known)


@cache
def _add_statement(
    model: type[Model], columns: tuple[str, ...], unless_known: bool
) -> tuple[_Columns, tuple[AnyField, ...], str]:
    named = tuple(next(f for f in model._meta.concrete_fields if f.attname == name) for name in columns)
    others = tuple(f for f in model._meta.concrete_fields if f not in named and not isinstance(f, AutoField))
    fields = named + others
    return _columns_of(fields), others, _insert_sql(model, fields, unless_known)


def _insert_sql(model: type[Model], fields: Sequence[AnyField], unless_known: bool) -> str:
    key = model._meta.pk
    names = ", ".join(_quote_column(f) for f in fields)
    values = ", ".join(["%s"] * len(fields))
    insert = f"INSERT INTO {_quote_table(model)} ({names}) VALUES ({values})"  # noqa: S608 (names of the model)
    conflict = " ON CONFLICT DO NOTHING" if unless_known else ""
    return f"{insert}{conflict} RETURNING {_quote_column(key)}"


@cache
def _update_statement(model: type[Model], columns: tuple[str, ...]) -> tuple[_Columns, str]:
    fields = tuple(_field(model, name) for name in columns)
    changes = ", ".join(f"{_quote_column(field)} = %s" for field in fields)
    key = _quote_column(model._meta.pk)
    sql = f"UPDATE {_quote_table(model)} SET {changes} WHERE {key} = %s"  # noqa: S608 (names of the model)
    return _columns_of(fields), sql


@cache
def _many_statement(model: type[Model], columns: tuple[str, ...]) -> str:
    return f"{_into(model, columns)} VALUES ({', '.join(['%s'] * len(columns))}) ON CONFLICT DO NOTHING"


@cache
def _array_statement(model: type[Model], columns: tuple[str, ...]) -> str:
    # Without its length, because a cast to varchar(64) would cut longer text where an insert refuses it.
    types = [str(_field(model, name).db_type(connection)).split("(")[0] for name in columns]
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    select = f"SELECT * FROM unnest({arrays})"  # noqa: S608 (types of the model)
    return f"{_into(model, columns)} {select} ON CONFLICT DO NOTHING"


def _into(model: type[Model], columns: tuple[str, ...]) -> str:
    names = ", ".join(_quote_column(_field(model, name)) for name in columns)
    return f"INSERT INTO {_quote_table(model)} ({names})"


def _field(model: type[Model], name: str) -> AnyField:
    return next(f for f in model._meta.concrete_fields if name in (f.name, f.attname))


def _quote_table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _quote_column(field: AnyField) -> str:
    return connection.ops.quote_name(str(field.column))
