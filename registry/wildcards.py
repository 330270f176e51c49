"""Two comparisons that Django lacks, the same on both databases: DICOM wildcards, values in DICOM JSON.

`*` is any run of characters, `?` any one; everything else stands for itself, and case counts. SQLite
compares by GLOB (its LIKE ignores case), PostgreSQL by LIKE.

Standard: PS3.4 C.2.2.2.4, PS3.4 C.2.2.2.6
"""

from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, JSONField, Lookup
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class ItemValue:
    """A pattern for the values below a JSON column.

    `path` is the tags from the sequence's items down to the element; empty for a plain JSON list.
    """

    path: tuple[str, ...]
    pattern: str


def to_like(pattern: str) -> str:
    """Write a DICOM pattern for LIKE with the escape character `!`."""
    return pattern.translate({33: "!!", 37: "!%", 95: "!_", 42: "%", 63: "_"})


def to_glob(pattern: str) -> str:
    """Write a DICOM pattern for GLOB: only `[` means something else there."""
    return pattern.replace("[", "[[]")


@CharField.register_lookup
class Wildcard(Lookup):  # type: ignore[type-arg]  # not generic at run time
    """`column__wildcard=pattern`."""

    lookup_name = "wildcard"

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for PostgreSQL."""
        column, params = self.process_lhs(compiler, connection)
        return f"{column} LIKE %s ESCAPE '!'", [*params, to_like(str(self.rhs))]

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for SQLite."""
        column, params = self.process_lhs(compiler, connection)
        return f"{column} GLOB %s", [*params, to_glob(str(self.rhs))]


@JSONField.register_lookup
class HasItemValue(Lookup):  # type: ignore[type-arg]
    """`column__has_item_value=ItemValue(...)`: some value at the path matches the pattern."""

    lookup_name = "has_item_value"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for PostgreSQL."""
        column, params = self.process_lhs(compiler, connection)
        wanted: ItemValue = self.rhs
        tables = [f"jsonb_array_elements({column}) AS i0(value)"]
        for depth, tag in enumerate(wanted.path):
            tables.append(f"jsonb_array_elements(i{depth}.value -> %s -> 'Value') AS i{depth + 1}(value)")
            params = [*params, tag]
        text = f"i{len(wanted.path)}.value #>> '{{}}'"
        return (
            f"EXISTS (SELECT 1 FROM {', '.join(tables)} WHERE {text} LIKE %s ESCAPE '!')",  # noqa: S608
            [*params, to_like(wanted.pattern)],
        )

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for SQLite."""
        column, params = self.process_lhs(compiler, connection)
        wanted: ItemValue = self.rhs
        tables = [f"json_each({column}) AS i0"]
        for depth, tag in enumerate(wanted.path):
            tables.append(f"json_each(i{depth}.value, %s) AS i{depth + 1}")
            params = [*params, f'$."{tag}".Value']
        text = f"CAST(i{len(wanted.path)}.value AS TEXT)"
        return (
            f"EXISTS (SELECT 1 FROM {', '.join(tables)} WHERE {text} GLOB %s)",  # noqa: S608
            [*params, to_glob(wanted.pattern)],
        )
