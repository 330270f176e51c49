"""Comparisons that Django lacks, the same on both databases: DICOM wildcards, and values in DICOM JSON.

`*` is any run of characters, `?` any one; everything else stands for itself, and case counts. SQLite
compares by GLOB (its LIKE ignores case), PostgreSQL by LIKE.

Standard: PS3.4 C.2.2.2.4, PS3.4 C.2.2.2.6
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, JSONField, Lookup
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class ValueTest:
    """What one element inside an item must hold: a value like one of `patterns`, or one within the bounds.

    `path` is the tags from the sequence's item down to the element, empty for a list of plain values. With
    neither patterns nor bounds the element must have no value.
    """

    path: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    low: str = ""
    high: str = ""

    @property
    def asks_nothing(self) -> bool:
        """True for the test that there is no value."""
        return not (self.path or self.patterns or self.low or self.high)


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
class HasItem(Lookup):  # type: ignore[type-arg]
    """`column__has_item=(ValueTest(...), ...)`: one item of the list passes every test.

    Tests whose paths begin alike are about one and the same nested item.
    """

    lookup_name = "has_item"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for PostgreSQL."""
        return self._compile(_POSTGRES, *self.process_lhs(compiler, connection))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Sql:
        """Compile for SQLite."""
        return self._compile(_SQLITE, *self.process_lhs(compiler, connection))

    def _compile(self, dialect: "_Dialect", column: str, params: Any) -> Sql:
        text, more = _exists(dialect, dialect.each.format(list=column), self.rhs, 0)
        return text, [*params, *more]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a database opens a list of JSON values, reads one as text, and compares text with a pattern."""

    each: str
    each_below: str
    below: Callable[[str], str]
    text: str
    like: str
    pattern: Callable[[str], str]


_POSTGRES = _Dialect(
    each="jsonb_array_elements({list})",
    each_below="jsonb_array_elements({item}.value -> %s -> 'Value')",
    below=str,
    text="({item}.value #>> '{{}}') COLLATE \"C\"",
    like="{text} LIKE %s ESCAPE '!'",
    pattern=to_like,
)
_SQLITE = _Dialect(
    each="json_each({list})",
    each_below="json_each({item}.value, %s)",
    below=lambda tag: f'$."{tag}".Value',
    text="CAST({item}.value AS TEXT)",
    like="{text} GLOB %s",
    pattern=to_glob,
)


def _exists(dialect: _Dialect, source: str, tests: Sequence[ValueTest], depth: int) -> Sql:
    """Say that one value of a list passes all tests."""
    item = f"i{depth}"
    clauses, params = [], []
    for tag in dict.fromkeys(test.path[:1] for test in tests):
        same = [test for test in tests if test.path[:1] == tag]
        text, more = _below(dialect, item, same, depth) if tag else _compare(dialect, item, same[0])
        clauses.append(text)
        params += more
    return f"EXISTS (SELECT 1 FROM {source} AS {item} WHERE {' AND '.join(clauses)})", params  # noqa: S608


def _below(dialect: _Dialect, item: str, tests: Sequence[ValueTest], depth: int) -> Sql:
    tag = dialect.below(tests[0].path[0])
    source = dialect.each_below.format(item=item)
    inner = [ValueTest(test.path[1:], test.patterns, test.low, test.high) for test in tests]
    if inner[0].asks_nothing:
        return f"NOT EXISTS (SELECT 1 FROM {source})", [tag]  # noqa: S608
    text, params = _exists(dialect, source, inner, depth + 1)
    return text, [tag, *params]


def _compare(dialect: _Dialect, item: str, test: ValueTest) -> Sql:
    text = dialect.text.format(item=item)
    like = dialect.like.format(text=text)
    if test.patterns:
        return f"({' OR '.join([like] * len(test.patterns))})", [dialect.pattern(p) for p in test.patterns]
    bounds = [(">=", test.low), ("<=", test.high)]
    given = [(f"{text} {sign} %s", bound) for sign, bound in bounds if bound]
    return " AND ".join(clause for clause, _ in given), [bound for _, bound in given]
