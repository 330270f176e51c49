"""Times of the metadata (DTM in UTC, 4 to 14 digits) as FHIR dateTime, and back.

Standard: IHE ITI TF-3 table 4.2.3.1.7-2 (DTM), FHIR R4 datatypes.html#dateTime
"""

import re
from datetime import UTC, datetime, timedelta

from django.utils.timezone import get_default_timezone

_DTM = re.compile(r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2}))?)?)?)?)?")
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
DTM_FORMAT = "%Y%m%d%H%M%S"


def date_time_of_dtm(dtm: str) -> str:
    """Write a DTM as dateTime: a date as precise as it is, with an hour always to the second; empty for none."""
    found = _DTM.fullmatch(dtm)
    moment = start_of_dtm(dtm)
    if found is None or moment is None:
        return ""
    if found[4]:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return "-".join(part for part in found.groups()[:3] if part)


def start_of_dtm(dtm: str) -> datetime | None:
    """Return the first moment that a DTM may mean; None for what is none."""
    found = _DTM.fullmatch(dtm)
    if found is None:
        return None
    year, *rest = (int(part) if part else None for part in found.groups())
    month, day, hour, minute, second = rest
    try:
        return datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
    except ValueError:
        return None


def end_of_dtm(dtm: str) -> datetime | None:
    """Return the moment after the last that a DTM may mean; None for what is none."""
    start = start_of_dtm(dtm)
    if start is None:
        return None
    length = len(dtm)
    try:
        if length == 4:
            return start.replace(year=start.year + 1)
        if length == 6:
            return (start + timedelta(days=32)).replace(day=1)
        return start + {8: timedelta(days=1), 10: timedelta(hours=1), 12: timedelta(minutes=1)}.get(
            length, _SECOND
        )
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)


_SECOND = timedelta(seconds=1)


def dtm_of_date_time(text: str) -> str:
    """Read a dateTime or instant as DTM in UTC; a date keeps its precision, a time without a zone is local.

    Raises
    ------
    ValueError
        It is none.
    """
    if _PARTIAL.fullmatch(text):
        dtm = text.replace("-", "")
        if start_of_dtm(dtm) is None:
            raise ValueError(f"{text!r} is no date")
        return dtm
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=get_default_timezone())
    return moment.astimezone(UTC).strftime(DTM_FORMAT)


def dtm_of(moment: datetime) -> str:
    """Write a moment as DTM."""
    return moment.astimezone(UTC).strftime(DTM_FORMAT)
