"""The outcome list of an import: what became of each file, as CSV, written as it happens."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TextIO

HEADINGS = ("path", "outcome", "reason")


class UnreadableOutcomes(ValueError):
    """A file given as outcome list is not one; the message says where it is not."""


class Outcome(Enum):
    """What became of a file.

    A duplicate was stored before with the same content. Of one that differs the server keeps another content under
    the same UID, and says so as a warning; what is in the file did not go in.
    """

    STORED = "stored"
    DUPLICATE = "duplicate"
    DIFFERS = "differs"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file, and why where that needs saying."""

    path: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeList:
    """An open outcome list: `done` holds the paths that went in on an earlier run, `counts` those of this one."""

    file: TextIO
    done: frozenset[str] = frozenset()
    counts: Counter[Outcome] = field(default_factory=Counter)

    def record(self, entry: FileOutcome) -> None:
        """Write one line; it is in the file when this returns, so that a killed import can be resumed."""
        csv.writer(self.file).writerow((entry.path, entry.outcome.value, entry.reason))
        self.file.flush()
        self.counts[entry.outcome] += 1


@contextmanager
def open_outcomes(path: Path) -> Iterator[OutcomeList]:
    """Open an outcome list for an import: lines of what went in before are kept, all others are dropped.

    Raises
    ------
    UnreadableOutcomes
        The file exists and is not an outcome list; it is left as it is.
    """
    kept = [entry for entry in read_outcomes(path) if entry.outcome in (Outcome.STORED, Outcome.DUPLICATE)]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        writer.writerows((entry.path, entry.outcome.value, entry.reason) for entry in kept)
    fresh.replace(path)
    with path.open("a", newline="", encoding="utf-8") as file:
        yield OutcomeList(file, frozenset(entry.path for entry in kept))


def write_headings(file: TextIO) -> OutcomeList:
    """Begin an outcome list on a stream that is not resumed from, such as standard output."""
    csv.writer(file).writerow(HEADINGS)
    return OutcomeList(file)


def read_outcomes(path: Path) -> tuple[FileOutcome, ...]:
    """Read an outcome list; a missing file is an empty one. A last line cut by a crash is left out.

    Raises
    ------
    UnreadableOutcomes
        The file is something else.
    """
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.reader(file))
    if not rows:
        return ()
    if tuple(rows[0]) != HEADINGS:
        raise UnreadableOutcomes(f"{path} is not an outcome list: its first line is not {','.join(HEADINGS)}")
    known = {outcome.value: outcome for outcome in Outcome}
    return tuple(
        FileOutcome(row[0], known[row[1]], row[2])
        for row in rows[1:]
        if len(row) == len(HEADINGS) and row[1] in known
    )
