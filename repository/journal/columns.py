"""Columns of a row as a line of the journal writes them, and reads them again."""

from datetime import datetime
from typing import Any

from django.db.models import BinaryField, DateTimeField, Model


def plain_columns(model: type[Model]) -> list[str]:
    """Return the columns of a table that hold a value of their own: no key, nothing that points elsewhere."""
    return [
        field.name for field in model._meta.concrete_fields if not field.primary_key and not field.is_relation
    ]


def plain_values(row: Model) -> dict[str, Any]:
    """Return those columns of a row by name: moments as ISO 8601, bytes as hexadecimal digits."""
    return {name: _write(getattr(row, name)) for name in plain_columns(type(row))}


def read_values(model: type[Model], told: dict[str, Any]) -> dict[str, Any]:
    """Return what `plain_values` wrote, of the columns that the table has, as a row takes it."""
    return {name: _read(model, name, told[name]) for name in plain_columns(model) if name in told}


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _read(model: type[Model], name: str, value: Any) -> Any:
    field = model._meta.get_field(name)
    if isinstance(field, BinaryField):
        return bytes.fromhex(value)
    if isinstance(field, DateTimeField):
        return datetime.fromisoformat(value) if value else None
    return value
