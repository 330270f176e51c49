"""Data types of HL7 v2 in the words of this house: times, numbers with their issuer, names.

Standard: HL7 v2.5.1 2.A
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from django.utils.timezone import get_default_timezone

from registry.hl7v2.message import Segment, Value
from registry.hl7v2.refusal import DATA_TYPE, RefusedMessage
from registry.identity import is_oid

_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?)?)?([+-]\d{4})?"
)
MOST_NUMBER = 64


def read_time(segment: Segment, number: int, component: int = 1) -> datetime | None:
    """Return the moment in a field, of its first second; None if it is empty. Without offset it is local time.

    Raises
    ------
    RefusedMessage
        It is no time of any calendar.
    """
    text = segment.text(number, component)
    if not text:
        return None
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        micro = int((found[7] or "").ljust(6, "0"))
        zone = _zone(found[8])
        moment = datetime(year, month or 1, day or 1, hour, minute, second, micro, tzinfo=zone)
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        where = segment.at(number, 1, component)
        raise RefusedMessage(
            DATA_TYPE, f"{text[:30]!r} is not a time of the form YYYYMMDD[HHMM[SS[.SSS]]][+ZZZZ]", where
        ) from error
    return moment


def _zone(offset: str | None) -> tzinfo:
    if not offset:
        return get_default_timezone()
    hours, minutes = int(offset[1:3]), int(offset[3:])
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(-shift if offset[0] == "-" else shift)


def read_date(segment: Segment, number: int) -> str:
    """Return the day in a field as `YYYYMMDD`; an incomplete one is empty.

    Raises
    ------
    RefusedMessage
        It is no time of any calendar.
    """
    moment = read_time(segment, number)
    text = segment.text(number)
    return text[:8] if moment is not None and len(text) >= 8 else ""


def read_entity(value: Value, number: int = 1) -> tuple[str, str]:
    """Return number and issuer of an EI: the OID of its authority, else empty."""
    return value.text(number)[:MOST_NUMBER], _issuer(value.text(number + 2), value.text(number + 1))


def read_numbered(value: Value) -> tuple[str, str]:
    """Return number and issuer of a CX, whose authority is an HD in its fourth component."""
    return value.text(1)[:MOST_NUMBER], _issuer(value.text(4, 2), value.text(4, 1))


def _issuer(universal_id: str, namespace: str) -> str:
    """Return the OID of an authority, wherever it was written; a bare name of a namespace says nothing here."""
    for text in (universal_id, namespace):
        plain = text.removeprefix("urn:oid:")
        if is_oid(plain):
            return plain[:MOST_NUMBER]
    return ""


def read_name(value: Value) -> str:
    """Return the name of an XPN as DICOM writes it: family, given, middle, prefix, suffix."""
    parts = [value.text(1), value.text(2), value.text(3), value.text(5), value.text(4)]
    return join_name(parts)


def read_person(value: Value) -> tuple[str, str]:
    """Return id and name of an XCN, or of an NDL, whose first component is a name by itself (CNN)."""
    is_nested = value.coding.delimiters.subcomponent in value.component(1)
    texts = [value.text(1, n) if is_nested else value.text(n) for n in range(1, 7)]
    number, family, given, middle, suffix, prefix = texts
    return number[:MOST_NUMBER], join_name([family, given, middle, prefix, suffix])


def join_name(parts: list[str]) -> str:
    """Join the parts of a name with carets, without those at the end; no part holds one itself."""
    plain = [part.replace("^", " ").replace("=", " ").replace("\\", " ") for part in parts]
    return "^".join(plain).rstrip("^")[:324]


def read_coded(value: Value) -> tuple[str, str, str]:
    """Return code, scheme and text of a CE or CWE; of the alternative triplet where the first has no code."""
    first = (value.text(1), value.text(3), value.text(2))
    second = (value.text(4), value.text(6), value.text(5))
    code, scheme, text = first if first[0] or not second[0] else second
    return code[:64], scheme[:64], (text or first[2] or second[2])[:400]
