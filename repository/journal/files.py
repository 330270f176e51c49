"""Files of the journal: JSON lines, each file naming the SHA-256 of the one before it.

The first line is the header, the last says how many lines lie between: a file that was cut is known as such.
A process that dies between writing a file and noting it leaves a file that another one repeats; both say the
same, so a reader takes every line of every file, in the order of the sequence.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from ulid import ULID

from repository.objects.base import ObjectStore

PREFIX = "journal/"
FORMAT_VERSION = 1

Entry = dict[str, Any]


class BrokenJournal(ValueError):
    """A file of the journal is not what was written; the message says which and how."""


@dataclass(frozen=True, slots=True)
class JournalFile:
    """One whole file: `previous_sha256` is empty for the first."""

    key: str
    sequence: int
    previous_sha256: str
    sha256: str
    written_at: datetime
    entries: tuple[Entry, ...]


def write_file(
    objects: ObjectStore, sequence: int, previous_sha256: str, entries: Sequence[Entry], written_at: datetime
) -> JournalFile:
    """Write the next file and make it durable; raises OSError."""
    header = {
        "format_version": FORMAT_VERSION,
        "sequence": sequence,
        "previous_sha256": previous_sha256,
        "written_at": written_at.isoformat(),
    }
    lines = [header, *entries, {"kind": "end", "entries": len(entries)}]
    data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    key = f"{PREFIX}{written_at:%Y-%m-%d}/{str(ULID()).lower()}.jsonl"
    with objects.create(key) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fdatasync(file.fileno())
    objects.sync(key)
    digest = hashlib.sha256(data).hexdigest()
    return JournalFile(key, sequence, previous_sha256, digest, written_at, tuple(entries))


def read_file(objects: ObjectStore, key: str) -> JournalFile:
    """Read one file; raises `BrokenJournal`, `UnknownObject`, OSError."""
    with objects.open(key) as reader:
        data = reader.read_at(0, reader.size_bytes)
    try:
        header, *entries, end = [orjson.loads(line) for line in data.splitlines()]
        if header["format_version"] != FORMAT_VERSION:
            raise BrokenJournal(f"{key} has format version {header['format_version']}")
        if end != {"kind": "end", "entries": len(entries)} or not data.endswith(b"\n"):
            raise BrokenJournal(f"{key} was cut: its last line does not count its lines")
        return JournalFile(
            key,
            int(header["sequence"]),
            str(header["previous_sha256"]),
            hashlib.sha256(data).hexdigest(),
            datetime.fromisoformat(header["written_at"]),
            tuple(entries),
        )
    except BrokenJournal:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenJournal(f"{key} is no file of a journal: {error}") from error


def list_keys(objects: ObjectStore) -> list[str]:
    """Return the keys of all files, oldest day first."""
    return [stored.key for stored in objects.keys(PREFIX)]


def read_chain(objects: ObjectStore) -> tuple[list[JournalFile], list[str]]:
    """Read the whole journal: the files in order, and what is wrong with the chain in words.

    Repeated files of one sequence are all in it. A file that cannot be read is named and left out.
    """
    files: list[JournalFile] = []
    faults: list[str] = []
    for key in list_keys(objects):
        try:
            files.append(read_file(objects, key))
        except BrokenJournal as error:
            faults.append(str(error))
    files.sort(key=lambda file: (file.sequence, file.key))
    faults.extend(_find_breaks(files))
    return files, faults


def _find_breaks(files: Sequence[JournalFile]) -> Iterator[str]:
    by_sequence: dict[int, set[str]] = {}
    for file in files:
        by_sequence.setdefault(file.sequence, set()).add(file.sha256)
    for file in files:
        before = by_sequence.get(file.sequence - 1, {""} if file.sequence == 1 else set())
        if not before:
            yield f"the file before {file.key} is missing (number {file.sequence - 1})"
        elif file.previous_sha256 not in before:
            yield f"{file.key} continues another file than number {file.sequence - 1}: one of them was changed"
