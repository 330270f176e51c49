"""Hours of a week: whether they are open at a moment, when they open next, and which limits hold inside.

A window is meant in local time and is one stretch of real time: it begins when the clocks on the wall first show its
beginning and ends when they last show its end. Over the night of winter time it is an hour longer, over that of summer
time an hour shorter; a beginning or end that no clock shows that night is the moment of the change.

Pure: rows are read by the caller, as `registry.hours.check_hours` let them in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

DAY_MINUTES = 24 * 60
DAYS_AHEAD = 15
"""After so many days every window of a week has come once, also one that the change of the clocks swallows once."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days (Monday 0) between two minutes of the day; an end at or before the beginning is tomorrow's.

    `max_parallel` and `max_mbit` are None where the window says nothing about them.
    """

    days: frozenset[int]
    from_minute: int
    to_minute: int
    max_parallel: int | None = None
    max_mbit: float | None = None


def read_windows(value: Iterable[dict[str, Any]]) -> tuple[Window, ...]:
    """Return the windows of a subscription or a destination."""
    return tuple(
        Window(
            frozenset(entry["days"]),
            _read_minute(entry["from"]),
            _read_minute(entry["to"]),
            entry.get("max_parallel"),
            entry.get("max_mbit"),
        )
        for entry in value
    )


def find_window(windows: Sequence[Window], at: datetime, zone: tzinfo) -> Window | None:
    """Return the first of the windows that is open at a moment."""
    for window in windows:
        if any(begin <= at < end for begin, end in _stretches(window, at, zone, 1)):
            return window
    return None


def is_open(windows: Sequence[Window], at: datetime, zone: tzinfo) -> bool:
    """Tell whether one of the windows is open; no windows mean always."""
    return not windows or find_window(windows, at, zone) is not None


def next_opening(windows: Sequence[Window], at: datetime, zone: tzinfo) -> datetime:
    """Return when the first window opens; the moment itself when one is open."""
    if is_open(windows, at, zone):
        return at
    return min(
        begin
        for window in windows
        for begin, end in _stretches(window, at, zone, DAYS_AHEAD)
        if begin >= at and begin < end
    )


def _stretches(
    window: Window, at: datetime, zone: tzinfo, days_ahead: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of time that begin from the day before a moment on."""
    today = at.astimezone(zone).date()
    length_days = 1 if window.to_minute <= window.from_minute else 0
    for number in range(-1, days_ahead + 1):
        day = today + timedelta(days=number)
        if day.weekday() in window.days:
            begin = _find_moment(day, window.from_minute, zone, fold=0)
            end = _find_moment(day + timedelta(days=length_days), window.to_minute, zone, fold=1)
            yield begin, end


def _find_moment(day: date, minute: int, zone: tzinfo, *, fold: int) -> datetime:
    """Return when the clocks of a day show a minute: the first time, or with `fold` 1 the last."""
    naive = datetime.combine(day, time()) + timedelta(minutes=minute)
    found = naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == naive:
        return found
    return _find_change(naive, zone)


def _find_change(naive: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which the clocks jump over a time that none of them shows, to the minute."""
    early = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) // 2
        middle = middle.replace(second=0, microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def _read_minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
