"""The tree that a file describes: care providers, care units, departments, each with its HSA-id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

Level = Literal["provider", "unit", "department"]
LEVELS: tuple[Level, ...] = ("provider", "unit", "department")
HSA_ID = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
LONGEST_HSA_ID = 64
LONGEST_NAME = 200
MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One provider, unit or department of a file.

    `where` says where it stands in the file; `parent` is an HSA-id, empty for a provider. An entry that
    `has_ended` ends what is there, from now on when no `valid_to` is given.
    """

    level: Level
    hsa_id: str
    name: str
    parent: str
    where: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    has_ended: bool = False


class InvalidTree(ValueError):
    """The file cannot be taken in; `faults` says what is wrong where, each in one sentence."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        shown = list(self.faults[:MOST_FAULTS])
        if len(self.faults) > MOST_FAULTS:
            shown.append(f"and {len(self.faults) - MOST_FAULTS} more")
        super().__init__("\n".join(shown))


class MalformedValue(ValueError):
    """A value that is not of its form; the message says which form."""


def check_entries(entries: tuple[Entry, ...]) -> list[str]:
    """Return what is wrong with the entries by themselves; whether their parents are known is asked later."""
    faults: list[str] = []
    seen: dict[str, Entry] = {}
    for entry in entries:
        faults += [f"{entry.where}: {fault}" for fault in _faults_of(entry)]
        first = seen.setdefault(entry.hsa_id, entry)
        if entry.hsa_id and first is not entry:
            faults.append(f"{entry.where}: HSA-id {entry.hsa_id} stands at {first.where} already")
    return faults


def _faults_of(entry: Entry) -> Iterable[str]:
    if not entry.hsa_id:
        yield "the HSA-id is missing"
    elif not HSA_ID.fullmatch(entry.hsa_id) or len(entry.hsa_id) > LONGEST_HSA_ID:
        yield f"{entry.hsa_id!r} is no HSA-id: letters, digits and hyphens, at most {LONGEST_HSA_ID}"
    if not entry.name:
        yield "the name is missing"
    elif len(entry.name) > LONGEST_NAME:
        yield f"the name is longer than {LONGEST_NAME} characters"
    elif not entry.name.isprintable():
        yield "the name holds control characters"
    if entry.level == "provider" and entry.parent:
        yield "a provider stands at the top and has no parent"
    if entry.level != "provider" and not entry.parent:
        yield f"a {entry.level} needs the HSA-id of its {LEVELS[LEVELS.index(entry.level) - 1]}"
    if entry.valid_from and entry.valid_to and entry.valid_to <= entry.valid_from:
        yield "it would end before it begins"


def read_begin(text: str) -> datetime | None:
    """Read when something begins: a date (from its first moment, local time) or a date and time.

    Raises
    ------
    MalformedValue
        It is neither.
    """
    return _read_time(text, timedelta())


def read_end(text: str) -> datetime | None:
    """Read when something ends: a date is the last day on which it holds.

    Standard: FHIR R4 Period.end
    """
    return _read_time(text, timedelta(days=1))


def _read_time(text: str, added: timedelta) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    try:
        day = parse_date(text)
        moment = None if day else parse_datetime(text)
        if day is not None:
            moment = timezone.make_aware(datetime.combine(_add(day, added), time.min))
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise MalformedValue(f"{text!r} is no date: write 2026-01-31 or 2026-01-31T08:00:00+01:00")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _add(day: date, added: timedelta) -> date:
    return day + added
