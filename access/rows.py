"""Rows written with SQL that is built once for a model: for the paths that write at every request.

The models stay the one place that knows columns, defaults and how a value is kept. What differs between the
databases is how many rows go in at once: one statement run for each on SQLite, arrays on PostgreSQL.
"""

from collections.abc import Sequence
from functools import cache
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
    Model,
)

from access.database import is_sqlite

AnyField: TypeAlias = "Field[Any, Any]"

_PLAIN_TYPES = frozenset({str, int, bytes, bool, type(None)})
_PLAIN_FIELDS = (BinaryField, BooleanField, CharField, ForeignKey, IntegerField)


def insert(row: Model, *, unless_known: bool = False) -> bool:
    """Insert one new row and set its key; False if `unless_known` and a unique column is taken already.

    Lean beside `save`: no signals, no look whether the row exists, no multi-table inheritance.
    """
    fields, sql = _insert_statement(type(row))
    if unless_known:
        sql = sql.replace(" RETURNING", " ON CONFLICT DO NOTHING RETURNING")
    with connection.cursor() as cursor:
        cursor.execute(sql, _prepare(fields, row, adding=True))
        found = cursor.fetchall()
    if not found:
        return False
    row.pk = found[0][0]
    row._state.adding = False
    row._state.db = connection.alias
    return True


def update(row: Model, columns: Sequence[str]) -> None:
    """Write some columns of a row that exists."""
    fields, sql = _update_statement(type(row), tuple(columns))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_prepare(fields, row, adding=False), row.pk])


def insert_many(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> int:
    """Insert rows but those whose unique columns are taken; returns how many went in.

    Parameters
    ----------
    columns
        Every column without a default in the database; text, numbers and bytes only, which nothing converts.
    rows
        Values in the order of `columns`.
    """
    with connection.cursor() as cursor:
        if is_sqlite():
            cursor.executemany(_many_statement(model, columns), rows)
        else:
            cursor.execute(
                _array_statement(model, columns), [list(column) for column in zip(*rows, strict=True)]
            )
        return int(cursor.rowcount)


def _prepare(fields: Sequence[AnyField], row: Model, *, adding: bool) -> list[Any]:
    """Return the values of a row as the database takes them; what it takes as it is passes by the field."""
    plain, database = _plain_columns(type(row)), connections[DEFAULT_DB_ALIAS]
    values = []
    for field in fields:
        value = getattr(row, field.attname)
        if type(value) not in _PLAIN_TYPES or field.attname not in plain:
            value = field.get_db_prep_save(field.pre_save(row, adding), database)
        values.append(value)
    return values


@cache
def _plain_columns(model: type[Model]) -> frozenset[str]:
    """Return the columns that keep text, numbers and bytes as they are: not JSON, not times."""
    return frozenset(f.attname for f in model._meta.concrete_fields if isinstance(f, _PLAIN_FIELDS))


@cache
def _insert_statement(model: type[Model]) -> tuple[tuple[AnyField, ...], str]:
    key = model._meta.pk
    fields = tuple(f for f in model._meta.concrete_fields if not isinstance(f, AutoField))
    names = ", ".join(_quote_column(f) for f in fields)
    values = ", ".join(["%s"] * len(fields))
    insert = f"INSERT INTO {_quote_table(model)} ({names}) VALUES ({values})"  # noqa: S608 (names of the model)
    return fields, f"{insert} RETURNING {_quote_column(key)}"


@cache
def _update_statement(model: type[Model], columns: tuple[str, ...]) -> tuple[tuple[AnyField, ...], str]:
    fields = tuple(_field(model, name) for name in columns)
    changes = ", ".join(f"{_quote_column(field)} = %s" for field in fields)
    key = _quote_column(model._meta.pk)
    return fields, f"UPDATE {_quote_table(model)} SET {changes} WHERE {key} = %s"  # noqa: S608 (names of the model)


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
