"""Keys inside sequences: from `Sequence.Element=value` to what one item must hold.

Every element of the data dictionary is known here by keyword or tag; how its value compares follows its VR.

Standard: PS3.4 C.2.2.2.6, PS3.18 8.3.4.1
"""

import re
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword

from registry.ranges import Range, UnreadableRange, read_dates, read_times
from registry.wildcards import ValueTest

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT", "UN"})
_WHOLE_VRS = frozenset({"AS", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UI", "UL", "US", "UV", "DT"})


class UnreadableItemKey(ValueError):
    """The key or value inside a sequence cannot be matched; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ItemKey:
    """An element inside an item, by the tags that lead to it, and the value that it must have."""

    path: tuple[str, ...]
    value: str

    @property
    def is_universal(self) -> bool:
        """True if every item matches."""
        return not self.value.strip("* ")


def read_tag(part: str) -> str | None:
    """Return the tag (eight digits, upper case) of a keyword or tag; None if the dictionary has no such keyword."""
    if _TAG.fullmatch(part):
        return part.upper()
    number = tag_for_keyword(part)
    return None if number is None else f"{number:08X}"


def make_test(key: ItemKey, *, asks_empty: bool) -> ValueTest:
    """Return the test of an item for one key that is not universal.

    Raises
    ------
    UnreadableItemKey
        Values of this VR are not matched inside sequences, or not in this form.
    """
    if asks_empty:
        return ValueTest(key.path)
    vr = _vr_of(key.path[-1])
    if vr in ("DA", "TM"):
        bounds = _read_range(key, vr)
        return ValueTest(key.path, low=bounds.low, high=bounds.high)
    if vr not in _TEXT_VRS | _WHOLE_VRS:
        raise UnreadableItemKey(f"elements with VR {vr} are not matched inside sequences")
    if vr not in _TEXT_VRS and set("*?") & set(key.value):
        raise UnreadableItemKey(f"give whole values: wildcards do not go with VR {vr}")
    split = re.split(r"[,\\]" if vr in ("UI", "CS") else r"\\", key.value)
    values = tuple(value.strip() for value in split if value.strip())
    if not values:
        raise UnreadableItemKey("give a value")
    return ValueTest(key.path, patterns=values)


def _read_range(key: ItemKey, vr: str) -> Range:
    try:
        return read_dates(key.value) if vr == "DA" else read_times(key.value)
    except UnreadableRange as error:
        raise UnreadableItemKey(str(error)) from error


def _vr_of(tag: str) -> str:
    """Return the VR of a tag; what the dictionary does not know is matched as text."""
    try:
        return str(dictionary_VR(int(tag, 16)))
    except KeyError:
        return "UN"
