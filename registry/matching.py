"""A key of a search becomes a condition on columns.

DIMSE, QIDO-RS and the portal share these rules. Names and descriptions are compared without case,
everything else with it. Date and time ranges are matched each for itself.

Standard: PS3.4 C.2.2.2
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q

from registry import wildcards
from registry.attributes import Attribute, Level, find_attribute
from registry.fuzzy_names import fuzzy_pattern
from registry.identity import normalise_national
from registry.names import fold_name, fold_text

EMPTY_VALUE = '""'
LAST_MOMENT = "235959.999999"
MAX_VALUES = 1000
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(
    r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9]|60)?)?|([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9]|60)\.[0-9]{1,6}"
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")

_LEVELS: Mapping[Level, tuple[Level, ...]] = {
    "study": ("study", "series", "instance"),
    "series": ("series", "study", "instance"),
    "instance": ("instance", "series", "study"),
}
"""Where a key is looked for, by the level of the search: itself, its parents, then below."""

ITEM_KEYWORDS: Mapping[str, str] = {
    "AccessionNumber": "00080050",
    "CodeMeaning": "00080104",
    "CodeValue": "00080100",
    "CodingSchemeDesignator": "00080102",
    "RequestedProcedureCodeSequence": "00321064",
    "RequestedProcedureDescription": "00321060",
    "RequestedProcedureID": "00401001",
    "ScheduledProcedureStepDescription": "00400007",
    "ScheduledProcedureStepID": "00400009",
    "ScheduledProtocolCodeSequence": "00400008",
    "StudyInstanceUID": "0020000D",
}
"""Keywords inside sequences; any other element there is named by its eight digits."""


class InvalidSearch(ValueError):
    """The search asks for something that cannot be answered rightly; the message names the part."""


class UnknownKey(InvalidSearch):
    """The key is no attribute that this search can match; ignoring it would widen the answer."""


class UnreadableKeyValue(InvalidSearch):
    """The value of a key cannot be matched; the message names the key and a form that can."""


@dataclass(frozen=True, slots=True)
class Match:
    """One key of a search; `path` is the tags inside a sequence, `fuzzy` changes how names compare."""

    attribute: Attribute
    value: str
    path: tuple[str, ...] = ()
    fuzzy: bool = False

    @property
    def is_universal(self) -> bool:
        """True if every row matches. Standard: PS3.4 C.2.2.2.3"""
        return not self.value.strip("* ")

    @property
    def is_exact(self) -> bool:
        """True for values without wildcards and without the mark for empty ones."""
        return not self.is_universal and not {"*", "?"} & set(self.value) and self.value != EMPTY_VALUE


def make_match(level: Level, key: str, value: str, *, fuzzy: bool = False) -> Match:
    """Read a key: keyword or eight hexadecimal digits, with dots down into sequences.

    Raises
    ------
    UnknownKey
        Not an attribute, or one that answers hold but no search can match.
    """
    head, *rest = key.split(".")
    attribute = find_key(level, head)
    if attribute is None or attribute.matching == "none":
        raise UnknownKey(
            f"{key!r} is not a key that a search for {level} can match; see the conformance statement"
        )
    if bool(rest) != (attribute.matching == "sequence") and not (
        attribute.matching == "sequence" and not value
    ):
        raise UnknownKey(f"{key!r}: sequences are matched by an element inside, as in Sequence.Element=value")
    return Match(attribute, value.strip(), tuple(_read_item_key(key, part) for part in rest), fuzzy)


def find_key(level: Level, key: str) -> Attribute | None:
    """Find the attribute a key means in a search on a level: of that level, else of a parent, else below."""
    return next((a for where in _LEVELS[level] if (a := find_attribute(where, key)) is not None), None)


def make_condition(match: Match, column: str) -> Q:
    """Return the condition on a column (with its lookup path) for a key that is not universal.

    Raises
    ------
    UnreadableKeyValue
        The value has no form that this attribute matches.
    """
    return _CONDITIONS[match.attribute.matching](match, column)


def split_values(match: Match) -> list[str]:
    """Split a list: UIDs and code strings by comma or backslash, other text by backslash alone.

    Standard: PS3.4 C.2.2.2.2
    """
    separators = r"[,\\]" if match.attribute.vr in ("UI", "CS") else r"\\"
    values = [value.strip() for value in re.split(separators, match.value)]
    if len(values) > MAX_VALUES:
        raise _unreadable(match, f"at most {MAX_VALUES} values")
    return [value for value in values if value]


def patient_numbers(text: str) -> set[str]:
    """Return the normal forms a patient's number may be kept in."""
    national = normalise_national(text)
    return {text, national.value} if national else {text}


def _read_item_key(key: str, part: str) -> str:
    tag = ITEM_KEYWORDS.get(part) or (part.upper() if _TAG.fullmatch(part) else None)
    if tag is None:
        raise UnknownKey(
            f"{key!r}: {part!r} is not known inside a sequence; give its eight hexadecimal digits"
        )
    return tag


def _match_uid(match: Match, column: str) -> Q:
    if "*" in match.value or "?" in match.value:
        raise _unreadable(match, "whole UIDs, several of them with commas between")
    return Q(**{f"{column}__in": split_values(match)})


def _match_text(match: Match, column: str) -> Q:
    if match.attribute.keyword == "PatientID":
        return _match_patient_id(match, column)
    fold = fold_text if match.attribute.folded else str
    target = _folded(match, column)
    condition = _any(_compare(target, fold(value)) for value in _values_or_empty(match))
    if match.attribute.keyword == "AccessionNumber" and match.is_exact:
        return condition & ~Q(**{column: ""})  # said aloud, because the index holds no empty ones
    return condition


def _match_patient_id(match: Match, column: str) -> Q:
    """Compare exact numbers with the indexed normal form, patterns with both forms."""
    normal = f"{column}_normal"
    if match.is_exact:
        numbers = {number for value in split_values(match) for number in patient_numbers(value)}
        return Q(**{f"{normal}__in": sorted(numbers)})
    return _any(_compare(target, value) for value in _values_or_empty(match) for target in (column, normal))


def _match_name(match: Match, column: str) -> Q:
    target = _folded(match, column)
    if match.fuzzy and match.value != EMPTY_VALUE:
        words = re.split(r"[\s^,=]+", match.value)
        patterns = [f"{target}__regex" for word in words if word.strip("*")]
        values = [fuzzy_pattern(word) for word in words if word.strip("*")]
        return reduce(lambda q, item: q & Q(**{item[0]: item[1]}), zip(patterns, values, strict=True), Q())
    return _any(_compare(target, fold_name(value)) for value in _values_or_empty(match))


def _match_date(match: Match, column: str) -> Q:
    if match.value == EMPTY_VALUE:
        return Q(**{column: ""})
    low, high, is_range = _read_range(match, _DATE, "YYYYMMDD, YYYYMMDD-YYYYMMDD, YYYYMMDD- or -YYYYMMDD")
    return _between(column, low, high) if is_range else Q(**{column: low})


def _match_time(match: Match, column: str) -> Q:
    """Compare as text: the lower bound loses zeros that say nothing, the upper is filled to its precision."""
    if match.value == EMPTY_VALUE:
        return Q(**{column: ""})
    low, high, _ = _read_range(match, _TIME, "HHMMSS, HHMM or HH, or a range of them with a hyphen")
    low = re.sub(r"(?<=..)(00)?(00)?$", "", low.rstrip("0").rstrip(".") if "." in low else low)
    high = high + "9" * (13 - len(high)) if "." in high else high + LAST_MOMENT[len(high) :]
    return _between(column, low, high if high != LAST_MOMENT else "")


def _match_number(match: Match, column: str) -> Q:
    if match.value == EMPTY_VALUE:
        return Q(**{f"{column}__isnull": True})
    values = split_values(match)
    if not values or not all(_NUMBER.fullmatch(value) for value in values):
        raise _unreadable(match, "a whole number")
    return Q(**{f"{column}__in": [int(value) for value in values]})


def _match_json(match: Match, column: str) -> Q:
    return _any(
        Q(**{f"{column}__has_item_value": wildcards.ItemValue(match.path, value)})
        for value in split_values(match)
    )


def _read_range(match: Match, form: re.Pattern[str], forms: str) -> tuple[str, str, bool]:
    low, hyphen, high = (part.strip() for part in match.value.partition("-"))
    bounds = [bound for bound in (low, high) if bound]
    if not bounds or not all(form.fullmatch(bound) for bound in bounds):
        raise _unreadable(match, forms)
    return low, high if hyphen else low, bool(hyphen)


def _between(column: str, low: str, high: str) -> Q:
    """Compare within both bounds; rows without a value lie in no range."""
    condition = Q(**{f"{column}__gte": low}) if low else Q(**{f"{column}__gt": ""})
    return condition & Q(**{f"{column}__lte": high}) if high else condition


def _values_or_empty(match: Match) -> list[str]:
    return [""] if match.value == EMPTY_VALUE else split_values(match)


def _compare(column: str, value: str) -> Q:
    return Q(**{f"{column}__wildcard" if "*" in value or "?" in value else column: value})


def _folded(match: Match, column: str) -> str:
    return f"{column}_folded" if match.attribute.folded else column


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))


def _unreadable(match: Match, forms: str) -> UnreadableKeyValue:
    return UnreadableKeyValue(f"{match.attribute.keyword}={match.value!r} cannot be matched: give {forms}")


_CONDITIONS: Mapping[str, Callable[[Match, str], Q]] = {
    "uid": _match_uid,
    "text": _match_text,
    "modalities": _match_text,
    "name": _match_name,
    "date": _match_date,
    "time": _match_time,
    "number": _match_number,
    "uids": _match_json,
    "sequence": _match_json,
}
