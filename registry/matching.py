"""The keys of a search: what each asks, of which attribute, by which optional rules.

DIMSE, QIDO-RS and the portal share them. Ranges of dates and times are matched each for itself until
`join_ranges` makes one of a pair.

Standard: PS3.4 C.2.2.2
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from registry.attributes import Attribute, Level, find_attribute
from registry.item_keys import ItemKey, read_tag
from registry.ranges import Range, UnreadableRange, read_dates, read_times

EMPTY_VALUE = '""'
MAX_WILDCARDS = 16
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

_LEVELS: Mapping[Level, tuple[Level, ...]] = {
    "study": ("study", "series", "instance"),
    "series": ("series", "study", "instance"),
    "instance": ("instance", "series", "study"),
}
"""Where a key is looked for, by the level of the search: itself, its parents, then below."""


class InvalidSearch(ValueError):
    """The search asks for something that cannot be answered rightly; the message names the part."""


class UnknownKey(InvalidSearch):
    """The key is no attribute at all."""


class UnsupportedKey(UnknownKey):
    """The key is an attribute that this search cannot match; ignoring its value would widen the answer."""


class UnreadableKeyValue(InvalidSearch):
    """The value of a key cannot be matched; the message names the key and a form that can."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which of the optional matching types are wanted.

    `fuzzy` compares names by the beginnings of words, without accents; with `empty`, the value `""` asks for
    rows without one; with `every`, all values of a list must be there.

    Standard: PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6
    """

    fuzzy: bool = False
    empty: bool = False
    every: bool = False


LITERAL = Rules()


@dataclass(frozen=True, slots=True)
class Match:
    """One key of a search.

    `items` are the keys inside a sequence, which then has no `value`; `time` is the range of times that
    belongs to a range of dates. Of a PatientID, `others` are further numbers of the `persons` who have it, and
    `issuer` is the key that says whose number it is.
    """

    attribute: Attribute
    value: str
    items: tuple[ItemKey, ...] = ()
    rules: Rules = LITERAL
    time: str = ""
    others: tuple[str, ...] = ()
    persons: tuple[int, ...] = ()
    issuer: "Match | None" = None

    @property
    def is_universal(self) -> bool:
        """True if every row matches. Standard: PS3.4 C.2.2.2.3"""
        return not self.value.strip("* ") and all(key.is_universal for key in self.items)

    @property
    def asks_empty(self) -> bool:
        """True if rows without a value are asked for. Standard: PS3.4 C.2.2.2.7"""
        return self.rules.empty and self.value == EMPTY_VALUE

    @property
    def is_exact(self) -> bool:
        """True for values without wildcards and without the mark for empty ones."""
        return not self.is_universal and not {"*", "?"} & set(self.value) and not self.asks_empty


def make_match(level: Level, key: str, value: str, rules: Rules = LITERAL) -> Match:
    """Read a key: keyword or eight hexadecimal digits, with dots down into sequences.

    Raises
    ------
    UnknownKey
        Not an attribute.
    UnsupportedKey
        An attribute, but none that a search on this level can match.
    UnreadableKeyValue
        The value holds control characters or too many wildcards.
    """
    value = value.strip()
    head, *rest = key.split(".")
    path = tuple(_read_item_part(key, part) for part in rest)
    attribute = find_key(level, head)
    if attribute is None and read_tag(head) is None:
        raise UnknownKey(f"{key!r} is no attribute: give a keyword or the eight hexadecimal digits of a tag")
    if attribute is None or (attribute.matching == "none" and value.strip("*")):
        raise UnsupportedKey(
            f"{key!r} is not a key that a search for {level} can match; see the conformance statement"
        )
    if rest and attribute.matching != "sequence":
        raise UnsupportedKey(f"{key!r}: {head} is no sequence")
    _check_text(key, value)
    match = (
        Match(attribute, "", (ItemKey(path, value),), rules) if path else Match(attribute, value, (), rules)
    )
    if attribute.matching == "sequence" and not (path or match.is_universal or match.asks_empty):
        raise UnsupportedKey(f"{key!r}: a sequence is matched by an element inside: {key}.Element=value")
    return match


def find_key(level: Level, key: str) -> Attribute | None:
    """Find the attribute a key means in a search on a level: of that level, else of a parent, else below."""
    return next((a for where in _LEVELS[level] if (a := find_attribute(where, key)) is not None), None)


def join_ranges(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Make one range of moments of a date and its time that are ranges of the same form.

    Standard: PS3.18 8.3.4.1.1, PS3.4 C.2.2.2.5.4
    """
    joined = list(matches)
    times = {(m.attribute.level, m.attribute.column): m for m in joined if m.attribute.matching == "time"}
    for days in [m for m in joined if m.attribute.matching == "date"]:
        other = times.get((days.attribute.level, days.attribute.column.removesuffix("date") + "time"))
        if other is None or not (days.is_exact and other.is_exact):
            continue
        if read_range(days).form == read_range(other).form != "=":
            joined[joined.index(days)] = replace(days, time=other.value)
            joined.remove(other)
    return tuple(joined)


def read_range(match: Match) -> Range:
    """Return the bounds that a date or time key asks for; raises `UnreadableKeyValue`."""
    try:
        return read_dates(match.value) if match.attribute.matching == "date" else read_times(match.value)
    except UnreadableRange as error:
        raise UnreadableKeyValue(f"{match.attribute.keyword}={match.value!r}: {error}") from error


def _read_item_part(key: str, part: str) -> str:
    tag = read_tag(part)
    if tag is None:
        raise UnknownKey(f"{key!r}: {part!r} is no attribute: give a keyword or eight hexadecimal digits")
    return tag


def _check_text(key: str, value: str) -> None:
    if _CONTROLS.search(value):
        raise UnreadableKeyValue(f"{key}: the value holds control characters")
    if len(re.findall(r"\*+", value)) > MAX_WILDCARDS:
        raise UnreadableKeyValue(f"{key}: the value holds more than {MAX_WILDCARDS} wildcards *")
