"""What in a log deserves a look: pure functions over accesses, the same for the same seed."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

FULLY_REVIEWED = ("protected", "vip", "staff", "relative", "same_surname")
"""Reasons of which every pair of reader and patient is drawn."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a sample is drawn; kept with it, so that the draw can be repeated.

    Parameters
    ----------
    seed
        Of the random draws; unknown before the draw, so that nobody knows what will be looked at.
    night_patients
        More patients than this in one night by one person are looked at.
    unrelated_patients
        So are more patients than this without a care relation.
    """

    seed: str
    random_percent: float = 2.0
    random_least: int = 10
    self_declared_percent: float = 20.0
    night_begins_hour: int = 22
    night_ends_hour: int = 6
    night_patients: int = 20
    unrelated_patients: int = 10

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Access:
    """One read of a patient's data by a person, as the log has it; `basis` are the rows that permitted it."""

    event_id: int
    at: datetime
    subject: str
    patient_id: int
    basis: frozenset[str] = frozenset()

    @property
    def has_relation(self) -> bool:
        """True if a care relation of any kind was relied on."""
        return any(name.startswith("relation:") for name in self.basis)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the log: of whom to look twice, and the time zone of the nights.

    Parameters
    ----------
    marks
        By patient: kind of mark, from when, until when (None: still).
    surnames
        Of patients by key and of readers by user name, folded; empty for unknown.
    relatives
        Pairs of user name and patient.
    self_declared
        Names of the relations (`relation:12`) that a person declared.
    """

    zone: ZoneInfo
    marks: Mapping[int, Sequence[tuple[str, datetime, datetime | None]]] = field(default_factory=dict)
    patient_surnames: Mapping[int, str] = field(default_factory=dict)
    reader_surnames: Mapping[str, str] = field(default_factory=dict)
    relatives: frozenset[tuple[str, int]] = frozenset()
    self_declared: frozenset[str] = frozenset()


def draw(accesses: Iterable[Access], known: Known, rule: Rule) -> dict[int, list[str]]:
    """Return the events to look at, each with the reasons why."""
    ordered = sorted(accesses, key=lambda access: access.event_id)
    source = random.Random(rule.seed)  # noqa: S311 (the seed is kept: the draw must be repeatable)
    drawn: dict[int, list[str]] = defaultdict(list)
    for reason in FULLY_REVIEWED:
        matches = _MATCHES[reason]
        for access in _first_of_pairs(a for a in ordered if matches(a, known)):
            drawn[access.event_id].append(reason)
    declared = _first_of_pairs(a for a in ordered if a.basis & known.self_declared)
    for access in _sample(source, declared, rule.self_declared_percent, 1):
        drawn[access.event_id].append("self_declared")
    for access in _first_of_pairs(_read_at_night(ordered, known.zone, rule)):
        drawn[access.event_id].append("night_volume")
    for access in _first_of_pairs(_read_unrelated(ordered, rule)):
        drawn[access.event_id].append("unrelated_volume")
    for access in _sample(source, ordered, rule.random_percent, rule.random_least):
        drawn[access.event_id].append("random")
    return dict(drawn)


def _is_marked(kind: str) -> Callable[[Access, Known], bool]:
    def matches(access: Access, known: Known) -> bool:
        return any(
            mark.startswith(kind) and since <= access.at and (until is None or access.at < until)
            for mark, since, until in known.marks.get(access.patient_id, ())
        )

    return matches


def _is_relative(access: Access, known: Known) -> bool:
    return (access.subject, access.patient_id) in known.relatives


def _has_same_surname(access: Access, known: Known) -> bool:
    surname = known.reader_surnames.get(access.subject, "")
    return bool(surname) and surname == known.patient_surnames.get(access.patient_id, "")


_MATCHES: dict[str, Callable[[Access, Known], bool]] = {
    "protected": _is_marked("protected"),
    "vip": _is_marked("vip"),
    "staff": _is_marked("staff"),
    "relative": _is_relative,
    "same_surname": _has_same_surname,
}


def _read_at_night(accesses: Sequence[Access], zone: ZoneInfo, rule: Rule) -> list[Access]:
    """Return what people read in nights in which they read more patients than usual."""
    nights: dict[tuple[str, date], list[Access]] = defaultdict(list)
    for access in accesses:
        local = access.at.astimezone(zone)
        if local.hour >= rule.night_begins_hour:
            nights[access.subject, local.date()].append(access)
        elif local.hour < rule.night_ends_hour:
            nights[access.subject, local.date() - timedelta(days=1)].append(access)
    busy = (n for n in nights.values() if len({a.patient_id for a in n}) > rule.night_patients)
    return sorted((access for night in busy for access in night), key=lambda access: access.event_id)


def _read_unrelated(accesses: Sequence[Access], rule: Rule) -> list[Access]:
    by_reader: dict[str, list[Access]] = defaultdict(list)
    for access in accesses:
        if not access.has_relation:
            by_reader[access.subject].append(access)
    many = (r for r in by_reader.values() if len({a.patient_id for a in r}) > rule.unrelated_patients)
    return sorted((access for reads in many for access in reads), key=lambda access: access.event_id)


def _first_of_pairs(accesses: Iterable[Access]) -> list[Access]:
    """Return the first access of each reader to each patient: one item says what there is to ask."""
    first: dict[tuple[str, int], Access] = {}
    for access in accesses:
        first.setdefault((access.subject, access.patient_id), access)
    return list(first.values())


def _sample(source: random.Random, accesses: Sequence[Access], percent: float, least: int) -> list[Access]:
    size = min(len(accesses), max(least, ceil(len(accesses) * percent / 100)))
    return source.sample(list(accesses), size)
