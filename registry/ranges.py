"""Dates and times as keys of a search: one value, or a range with a hyphen.

Bounds are text that compares as the columns do: dates `YYYYMMDD`, times as far as they are known.

Standard: PS3.4 C.2.2.2.1.3, PS3.4 C.2.2.2.5
"""

import re
from dataclasses import dataclass

LAST_MOMENT = "235959.999999"
DATE_FORMS = "YYYYMMDD, YYYYMMDD-YYYYMMDD, YYYYMMDD- or -YYYYMMDD"
TIME_FORMS = "HHMMSS, HHMM or HH, or a range of them with a hyphen"
_DATE = re.compile(r"([0-9]{4})(\.?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])")
_TIME = re.compile(
    r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9]|60)?)?|([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9]|60)\.[0-9]{1,6}"
)


class UnreadableRange(ValueError):
    """The text is neither one value nor a range; the message gives the forms that are."""


@dataclass(frozen=True, slots=True)
class Range:
    """Both bounds, within which a value lies; an empty one is open. One value is a range of its own.

    `form` is which bounds were written: `=` for a single value, else `a-b`, `a-` or `-b`.
    """

    low: str
    high: str
    form: str

    @property
    def is_backwards(self) -> bool:
        """True if it ends before it begins: nothing lies within."""
        return bool(self.low and self.high) and self.low > self.high


def read_dates(text: str) -> Range:
    """Read a date or a range of dates; raises `UnreadableRange`. Standard: PS3.4 C.2.2.2.5.1"""
    low, high, form = _split(text, _DATE, DATE_FORMS)
    return Range(low.replace(".", ""), high.replace(".", ""), form)


def read_times(text: str) -> Range:
    """Read a time or a range of times, which compare by meaning; raises `UnreadableRange`.

    The lower bound loses zeros that say nothing, the upper is filled to the end of its precision.

    Standard: PS3.4 C.2.2.2.5.2
    """
    low, high, form = _split(text, _TIME, TIME_FORMS)
    low = re.sub(r"(?<=..)(00)?(00)?$", "", low.rstrip("0").rstrip(".") if "." in low else low)
    if high:
        high = high + "9" * (13 - len(high)) if "." in high else high + LAST_MOMENT[len(high) :]
    return Range(low, high if high != LAST_MOMENT else "", form)  # open: a leap second is 235960


def _split(text: str, value: re.Pattern[str], forms: str) -> tuple[str, str, str]:
    low, hyphen, high = (part.strip() for part in text.partition("-"))
    bounds = [bound for bound in (low, high) if bound]
    if not bounds or not all(value.fullmatch(bound) for bound in bounds):
        raise UnreadableRange(f"give {forms}")
    if not hyphen:
        return low, low, "="
    return low, high, ("a" if low else "") + "-" + ("b" if high else "")
