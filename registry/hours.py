"""Hours in a week as a subscription or a destination states them: checked before they are kept."""

from typing import Any

from registry.noted import InvalidEntry

MOST_WINDOWS = 20
PLAIN = frozenset({"days", "from", "to"})
LIMITS = frozenset({"max_parallel", "max_mbit"})


def check_hours(value: Any, name: str, *, with_limits: bool = False) -> None:
    """Raise `InvalidEntry` unless the value is a list of `{"days": [0..6], "from": "18:00", "to": "06:00"}`.

    Parameters
    ----------
    name
        What the value is called in the message.
    with_limits
        `max_parallel` and `max_mbit` may be there: those of a destination.
    """
    if not isinstance(value, list) or len(value) > MOST_WINDOWS:
        raise InvalidEntry(f"{name}: a list of at most {MOST_WINDOWS} windows")
    for number, window in enumerate(value, start=1):
        _check_window(window, f"{name}, window {number}", PLAIN | LIMITS if with_limits else PLAIN)


def _check_window(window: Any, where: str, known: frozenset[str]) -> None:
    if not isinstance(window, dict) or not window.keys() >= PLAIN or window.keys() - known:
        raise InvalidEntry(
            f"{where}: an object with days, from and to, and of others only {', '.join(sorted(known))}"
        )
    days = window["days"]
    if not isinstance(days, list) or not days or not all(_is_whole(day, 6) for day in days):
        raise InvalidEntry(f"{where}: days is a list of numbers from 0 (Monday) to 6 (Sunday)")
    for side in ("from", "to"):
        if not _is_time(window[side]):
            raise InvalidEntry(f"{where}: {side} is a time of day as 18:00")
    if window["from"] == window["to"]:
        raise InvalidEntry(f"{where}: it begins when it ends; a whole day is from 00:00 to 24:00")
    if not _is_whole(window.get("max_parallel", 0), 64):
        raise InvalidEntry(f"{where}: max_parallel is a number from 0 to 64; 0 sends nothing")
    mbit = window.get("max_mbit", 1)
    if mbit is not None and (
        isinstance(mbit, bool) or not isinstance(mbit, int | float) or not 0 < mbit <= 1e6
    ):
        raise InvalidEntry(f"{where}: max_mbit is a number of megabit a second above 0")


def _is_whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or len(value) != 5 or value[2] != ":" or not value.isascii():
        return False
    hour, minute = value[:2], value[3:]
    if not (hour.isdigit() and minute.isdigit()):
        return False
    return (int(hour) < 24 and int(minute) < 60) or value == "24:00"
