"""Dates and times of DICOM and of rows as FHIR writes them.

Standard: FHIR R4 datatypes.html#dateTime; PS3.5 6.2 (DA, TM), PS3.3 C.12.1.1.8
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo

from django.utils.timezone import get_default_timezone

_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])([0-9]{2})([0-9]{2})")


def instant(moment: datetime) -> str:
    """Write a moment with milliseconds and its offset in local time."""
    return moment.astimezone(get_default_timezone()).isoformat(timespec="milliseconds")


def date_of(da: str) -> str:
    """Write a DICOM date; empty for what is none."""
    if not _DATE.fullmatch(da):
        return ""
    try:
        return datetime.strptime(da, "%Y%m%d").date().isoformat()  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        return ""


def date_time_of(da: str, tm: str, offset: str = "") -> str:
    """Write a DICOM date and time; the date alone where the time is missing or no time, empty without a date.

    A time without an offset is local time.
    """
    date, found = date_of(da), _TIME.fullmatch(tm.strip())
    if not date or not found:
        return date
    hour, minute, second, fraction = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{hour}:{minute or '00'}:{second or '00'}")
    except ValueError:  # a leap second, or an hour that no day has
        return date
    moment = moment.replace(microsecond=int((fraction or "").ljust(6, "0")), tzinfo=_zone_of(offset))
    return moment.isoformat(timespec="milliseconds" if fraction else "seconds")


def _zone_of(offset: str) -> tzinfo:
    found = _OFFSET.fullmatch(offset.strip())
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        return get_default_timezone()
    minutes = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-minutes if found[1] == "-" else minutes)
