"""An organisation tree from a CSV file: one row for each provider, unit and department, in any order.

Columns, by their names in the first line: `level` (provider, unit, department), `hsa_id`, `name`,
`parent_hsa_id` (empty for a provider), and if wanted `valid_from`, `valid_to`. UTF-8; comma, semicolon or tab.
"""

import csv
import io
from collections.abc import Iterator

from access.organisation_import.tree import (
    LEVELS,
    Entry,
    InvalidTree,
    MalformedValue,
    check_entries,
    read_begin,
    read_end,
)

NEEDED = ("level", "hsa_id", "name", "parent_hsa_id")
OPTIONAL = ("valid_from", "valid_to")
DELIMITERS = (",", ";", "\t")


def read_csv(content: bytes) -> tuple[Entry, ...]:
    """Read the entries of a file.

    Raises
    ------
    InvalidTree
        With a sentence for everything that is wrong, each with its line.
    """
    rows = _rows(_decode(content))
    columns = _read_columns(next(rows, (1, []))[1])
    faults: list[str] = []
    entries = []
    for line, row in rows:
        where = f"line {line}"
        if len(row) != len(columns):
            faults.append(f"{where}: {len(row)} values under {len(columns)} columns")
            continue
        try:
            entries.append(_read_entry(dict(zip(columns, row, strict=True)), where))
        except MalformedValue as error:
            faults.append(f"{where}: {error}")
    faults += check_entries(tuple(entries))
    if not entries and not faults:
        faults.append("the file holds no rows below its first line")
    if faults:
        raise InvalidTree(faults)
    return tuple(entries)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidTree([f"line {line}: not UTF-8; save the file as CSV UTF-8"]) from error


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold something, each with its line; a quote that is left open ends the file."""
    delimiter = max(DELIMITERS, key=text.split("\n", 1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InvalidTree([f"line {reader.line_num}: not CSV: {error}"]) from error
        if row is None:
            return
        values = [cell.strip() for cell in row]
        if any(values):
            yield reader.line_num, values


def _read_columns(row: list[str]) -> list[str]:
    columns = [name.lower() for name in row]
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in NEEDED + OPTIONAL]
    faults = []
    if missing:
        faults.append(f"line 1: the column {', '.join(missing)} is missing; columns are {', '.join(NEEDED)}")
    if unknown:
        faults.append(f"line 1: unknown column {', '.join(map(repr, unknown))}")
    if len(set(columns)) < len(columns):
        faults.append("line 1: a column stands there twice")
    if faults:
        raise InvalidTree(faults)
    return columns


def _read_entry(values: dict[str, str], where: str) -> Entry:
    level = next((level for level in LEVELS if level == values["level"].lower()), None)
    if level is None:
        raise MalformedValue(f"unknown level {values['level']!r}: one of {', '.join(LEVELS)}")
    return Entry(
        level=level,
        hsa_id=values["hsa_id"],
        name=values["name"],
        parent=values["parent_hsa_id"],
        where=where,
        valid_from=read_begin(values.get("valid_from", "")),
        valid_to=read_end(values.get("valid_to", "")),
    )
