"""What is kept in the process because every request asks for it: only as long as the access epoch stands.

An entry holds under the epoch that was read before it was computed, until something in it begins or ends by
itself, and never longer than `LONGEST_S`.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_S = 30.0
MOST_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class _Entry:
    epoch: int
    until: datetime
    value: Any


_entries: dict[Hashable, _Entry] = {}


def keep(key: Hashable, epoch: int, now: datetime, compute: Callable[[], tuple[T, datetime | None]]) -> T:
    """Return what is kept under the key, computed anew when it no longer holds.

    Parameters
    ----------
    key
        Names the kind of thing first, so that two kinds never meet.
    epoch
        The access epoch, read before this call.
    compute
        Returns the value and when it changes by itself (None: never).
    """
    entry = _entries.get(key)
    if entry is not None and entry.epoch == epoch and now < entry.until:
        value: T = entry.value
        return value
    computed, changes_at = compute()
    longest = now + timedelta(seconds=LONGEST_S)
    if len(_entries) >= MOST_ENTRIES:
        _entries.clear()
    _entries[key] = _Entry(epoch, min(longest, changes_at or longest), computed)
    return computed


def forget() -> None:
    """Drop everything that is kept: for a database that is another one than before."""
    _entries.clear()


def next_moment(moments: Iterable[datetime | None], now: datetime) -> datetime | None:
    """Return the first of the moments after `now`: when what has these beginnings and ends changes by itself."""
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
