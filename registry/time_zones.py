"""Dates and times of a search that are meant in another time zone than that of the archive.

What the archive holds is taken for local time of the region; requests that name a zone are moved there.

Standard: PS3.18 8.3.4.1.1, PS3.4 C.2.2.2.1.3
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from django.utils.timezone import get_default_timezone

from registry.matching import InvalidSearch, Match, read_range
from registry.ranges import Range

_OFFSET = re.compile(r"([+-]?)(0[0-9]|1[0-4])([0-5][0-9])")
_PAIRED = frozenset({"study_date", "series_date", "performed_procedure_step_start_date"})
_FIRST, _LAST = "000000.000000", "235959.999999"


class UnreadableTimezone(InvalidSearch):
    """The offset cannot be read, or a key cannot be moved by it; the message says which."""


def move_to_local(matches: Sequence[Match], offset: str) -> tuple[Match, ...]:
    """Move the dates and times of keys from the zone of an offset (`+0100`) to local time.

    A date becomes the range of moments that it is there; a time moves with its date.

    Raises
    ------
    UnreadableTimezone
        No offset, or a time without a date beside it, or ranges of different form.
    UnreadableKeyValue
        A date or time cannot be read.
    """
    zone = _read_offset(offset)
    dates = {
        _place(match): match for match in matches if match.attribute.column in _PAIRED and match.is_exact
    }
    times = {
        _place(match): match for match in matches if match.attribute.matching == "time" and match.is_exact
    }
    for place, match in times.items():
        if place not in dates:
            raise UnreadableTimezone(
                f"{match.attribute.keyword} moves to another time zone with its date only"
            )
    moved = []
    for match in matches:
        place = _place(match)
        if match is dates.get(place):
            moved.append(_move(match, times.get(place), zone))
        elif match is not times.get(place):
            moved.append(match)
    return tuple(moved)


def _place(match: Match) -> tuple[str, str]:
    return match.attribute.level, match.attribute.column.removesuffix("date").removesuffix("time")


def _read_offset(text: str) -> timezone:
    read = _OFFSET.fullmatch(text)
    if read is None:
        raise UnreadableTimezone(f"TimezoneOffsetFromUTC={text!r}: give hours and minutes, as in +0100")
    offset = timedelta(hours=int(read[2]), minutes=int(read[3]))
    return timezone(-offset if read[1] == "-" else offset)


def _move(date: Match, time: Match | None, zone: timezone) -> Match:
    days = read_range(date)
    hours = read_range(time) if time is not None else Range("", "", "=")
    if time is not None and days.form not in ("=", hours.form):
        raise UnreadableTimezone(f"{date.attribute.keyword} and its time must be ranges of one form")
    try:
        bounds = (_local(days.low, hours.low, _FIRST, zone), _local(days.high, hours.high, _LAST, zone))
    except (ValueError, OverflowError) as error:
        raise UnreadableTimezone(
            f"{date.attribute.keyword}={date.value!r} is in no calendar: {error}"
        ) from error
    value = "-".join(moment.strftime("%Y%m%d") if moment else "" for moment in bounds)
    return replace(date, value=value, time="-".join(m.strftime("%H%M%S.%f") if m else "" for m in bounds))


def _local(date: str, time: str, filling: str, zone: timezone) -> datetime | None:
    if not date:
        return None
    moment = datetime.strptime(date + time + filling[len(time) :], "%Y%m%d%H%M%S.%f").replace(tzinfo=zone)
    return moment.astimezone(get_default_timezone())
