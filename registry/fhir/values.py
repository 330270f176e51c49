"""Values of search parameters: dates with prefixes, tokens, references, strings.

Standard: FHIR R4 search.html#ptypes
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from django.utils.timezone import get_default_timezone

from registry.fhir.errors import InvalidParameter

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_DATE = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_REFERENCE = re.compile(
    r"(?:(?P<base>https?://[^?#]+?)/)?(?:(?P<type>[A-Z][A-Za-z]+)/)?(?P<id>[A-Za-z0-9.-]{1,64})"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A code or identifier; `system` is None where any is meant, empty where there must be none; `code` likewise."""

    system: str | None
    code: str | None

    def matches(self, system: str, code: str) -> bool:
        """Tell whether a coded value is meant."""
        return self.system in (None, system) and self.code in (None, code)


@dataclass(frozen=True, slots=True)
class DateRange:
    """A date as precise as it was written: from `start` on, before `end`, compared by `prefix`."""

    prefix: str
    start: datetime
    end: datetime

    def matches(self, start: datetime | None, end: datetime | None) -> bool:
        """Tell whether a period matches; None is open, and one that ends where it begins is a moment."""
        low = start or _FIRST
        high = end or _LAST
        if low == high:
            high += timedelta(microseconds=1)
        return _COMPARISONS[self.prefix](self, low, high)


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_COMPARISONS: dict[str, Callable[[DateRange, datetime, datetime], bool]] = {
    "eq": lambda asked, low, high: asked.start <= low and high <= asked.end,
    "ne": lambda asked, low, high: low < asked.start or asked.end < high,
    "gt": lambda asked, low, high: asked.end < high,
    "lt": lambda asked, low, high: low < asked.start,
    "ge": lambda asked, low, high: asked.start < high,
    "le": lambda asked, low, high: low < asked.end,
    "sa": lambda asked, low, high: asked.end <= low,
    "eb": lambda asked, low, high: high <= asked.start,
    "ap": lambda asked, low, high: low < asked.end and asked.start < high,
}
"""How a date compares with a period from `low` on, before `high`. Standard: FHIR R4 search.html#date"""


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """A reference to a resource; `base` is empty for one of this server."""

    base: str
    type: str
    id: str

    def names(self, resource_type: str, base: str) -> bool:
        """Tell whether it may name a resource of this type on this server."""
        return self.type in ("", resource_type) and self.base in ("", base)


def split_values(text: str) -> tuple[str, ...]:
    """Split a list of alternatives at its commas, except escaped ones."""
    return tuple(re.split(r"(?<!\\),", text))


def read_token(name: str, text: str) -> Token:
    """Read `code`, `system|code`, `|code` or `system|`."""
    parts = [unescape(part) for part in re.split(r"(?<!\\)\|", text)]
    if len(parts) == 1:
        return Token(None, parts[0])
    if len(parts) > 2 or not any(parts):
        raise InvalidParameter(f"{name} takes code, system|code, |code or system|, not {text[:60]!r}", name)
    return Token(parts[0], parts[1] or None)


def read_date(name: str, text: str) -> DateRange:
    """Read a date of any precision with a prefix; times without a zone are local time.

    Raises
    ------
    InvalidParameter
        It is none.
    """
    found = _DATE.fullmatch(text)
    prefix = (found and found["prefix"]) or "eq"
    if found is None or prefix not in PREFIXES:
        raise InvalidParameter(
            f"{name} takes a date such as 2026-11-24 or 2026-11-24T08:00:00Z, after one of {', '.join(PREFIXES)} "
            f"or none, not {text[:40]!r}",
            name,
        )
    try:
        return DateRange(prefix, *_read_moments(found))
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(f"{name}: {text[:40]!r} is no date: {error}", name) from error


def read_reference(name: str, text: str) -> ReferenceValue:
    """Read `Type/id`, `id` or an absolute address."""
    found = _REFERENCE.fullmatch(unescape(text))
    if found is None or (found["base"] and not found["type"]):
        raise InvalidParameter(f"{name} takes Type/id or an address that ends so, not {text[:60]!r}", name)
    return ReferenceValue(found["base"] or "", found["type"] or "", found["id"])


def unescape(text: str) -> str:
    r"""Take the backslash from `\,`, `\|`, `\$` and `\\`."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _read_moments(found: re.Match[str]) -> tuple[datetime, datetime]:
    """Return where a date begins and where it ends, as precise as it is written."""
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    start = datetime(year, month, day, tzinfo=get_default_timezone())
    if found["day"] is None:
        after = (
            start.replace(year=year + 1)
            if found["month"] is None
            else start.replace(day=28) + timedelta(days=4)
        )
        return start, after.replace(day=1)
    if found["hour"] is None:
        return start, start + timedelta(days=1)
    start = start.replace(
        hour=int(found["hour"]),
        minute=int(found["minute"]),
        second=int(found["second"] or 0),
        microsecond=int((found["fraction"] or "")[:6].ljust(6, "0")),
        tzinfo=_read_zone(found["zone"]),
    )
    return start, start + _precision(found)


def _precision(found: re.Match[str]) -> timedelta:
    if found["second"] is None:
        return timedelta(minutes=1)
    digits = min(len(found["fraction"] or ""), 6)
    return timedelta(microseconds=10 ** (6 - digits))


def _read_zone(text: str | None) -> tzinfo:
    if text is None:
        return get_default_timezone()
    return datetime.strptime(text, "%z").tzinfo or UTC
