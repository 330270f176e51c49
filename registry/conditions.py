"""A key of a search becomes a condition on columns.

Person names are compared without case, everything else with it.

Standard: PS3.4 C.2.2.2
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import and_, or_

from django.db.models import Q

from registry.fuzzy_names import fuzzy_pattern
from registry.identity import normalise_national
from registry.item_keys import UnreadableItemKey, make_test
from registry.matching import EMPTY_VALUE, Match, UnreadableKeyValue, read_range
from registry.names import fold_name
from registry.ranges import Range, read_times
from registry.swedish_numbers import clean_if_reserve
from registry.wildcards import ValueTest

MAX_VALUES = 1000
MAX_WORDS = 10
"""Of a fuzzy name. With one wildcard inside, the expression of a word cannot run away on any name."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def make_condition(match: Match, column: str) -> Q:
    """Return the condition on a column (with its lookup path) for a key that is not universal.

    Raises
    ------
    UnreadableKeyValue
        The value has no form that this attribute matches.
    """
    if match.asks_empty:
        return _match_nothing(match, column)
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


def split_every(match: Match) -> list[str]:
    """Split a list of which a row must hold every value.

    Standard: PS3.4 C.2.2.2.8
    """
    values = split_values(match)
    if not values or any({"*", "?"} & set(value) for value in values):
        raise _unreadable(match, "whole values where every one of them must match")
    return values


def patient_numbers(text: str) -> set[str]:
    """Return the normal forms a patient's number may be kept in."""
    national = normalise_national(text)
    return {text, clean_if_reserve(text), national.value} if national else {text, clean_if_reserve(text)}


def name_prefix(match: Match) -> str:
    """Return the folded beginning that an index can find a name by; empty if there is none."""
    if match.rules.fuzzy or match.asks_empty or "\\" in match.value or not _is_latin(match.value):
        return ""
    return re.split(r"[*?=]", fold_name(match.value), maxsplit=1)[0]


def _match_nothing(match: Match, column: str) -> Q:
    """Match rows that have no value."""
    matching = match.attribute.matching
    if matching == "number":
        return Q(**{f"{column}__isnull": True})
    return Q(**{column: [] if matching in ("uids", "sequence") else ""})


def _match_uid(match: Match, column: str) -> Q:
    _refuse_wildcards(match)
    return Q(**{f"{column}__in": split_values(match)})


def _match_text(match: Match, column: str) -> Q:
    if match.attribute.keyword == "PatientID":
        return _match_patient_id(match, column)
    condition = _any(_compare(column, value) for value in split_values(match))
    if match.attribute.keyword == "AccessionNumber" and match.is_exact:
        return condition & ~Q(**{column: ""})  # said aloud, because the index holds no empty ones
    return condition


def _match_patient_id(match: Match, column: str) -> Q:
    """Compare exact numbers with the indexed normal form, patterns with both forms.

    A person's other numbers are looked for in the same index; somebody else may have the same under another issuer.
    """
    normal = f"{column}_normal"
    if match.is_exact:
        numbers = {number for value in split_values(match) for number in patient_numbers(value)}
        asked = Q(**{f"{normal}__in": sorted(numbers)})
        if not match.persons:
            return asked
        path = column.removesuffix("patient_id")
        if match.issuer is not None:
            asked &= make_condition(match.issuer, f"{path}issuer_of_patient_id")
        anyone = Q(**{f"{normal}__in": sorted(numbers.union(match.others))})
        return anyone & (asked | _any(Q(**{f"{path}person": person}) for person in match.persons))
    return _any(_compare(target, value) for value in split_values(match) for target in (column, normal))


def _match_name(match: Match, column: str) -> Q:
    """Match names by group; a value without `=` may be any of them."""
    target = f"{column}_folded"
    words = [word for word in re.split(r"[\s^,=]+", match.value) if word.strip("*")]
    if match.rules.fuzzy and words:
        if len(words) > MAX_WORDS or any("*" in word.strip("*").replace("*", "", 1) for word in words):
            raise _unreadable(match, f"at most {MAX_WORDS} words, with one * inside a word")
        return reduce(and_, (Q(**{f"{target}__regex": fuzzy_pattern(word)}) for word in words))
    patterns = [pattern for value in split_values(match) for pattern in _name_patterns(value)]
    return _any(_compare(target, pattern) for pattern in patterns)


def _name_patterns(value: str) -> list[str]:
    """Return patterns for a folded name: the value as its first group or groups, or as any later one.

    Only letters that are not Latin are looked for in the later groups, so that an index finds the others.

    Standard: PS3.5 6.2.1.2
    """
    groups = fold_name(value).split("=")
    if groups == [""]:  # delimiters alone are the name that says nothing
        return [""]
    folded = "=".join(group or "*" for group in groups)
    found = [folded] if folded.endswith("*") else [folded, f"{folded}=*"]
    if len(groups) == 1 and not _is_latin(folded):
        found += [f"*={pattern}" for pattern in found]
    return found


def _is_latin(text: str) -> bool:
    return all(ord(character) < 0x250 for character in text)  # the end of Latin Extended-B


def _match_date(match: Match, column: str) -> Q:
    days = read_range(match)
    if match.time:
        times = read_times(match.time)
        return _between_moments(match, column, days, times)
    _refuse_backwards(match, days)
    return Q(**{column: days.low}) if days.form == "=" else _between(column, days.low, days.high)


def _match_time(match: Match, column: str) -> Q:
    times = read_range(match)
    _refuse_backwards(match, times)
    return _between(column, times.low, times.high)


def _match_number(match: Match, column: str) -> Q:
    values = split_values(match)
    if not values or not all(_NUMBER.fullmatch(value) for value in values):
        raise _unreadable(match, "a whole number")
    return Q(**{f"{column}__in": [int(value) for value in values]})


def _match_uids(match: Match, column: str) -> Q:
    _refuse_wildcards(match)
    values = split_values(match)
    return Q(**{f"{column}__has_item": (ValueTest((), tuple(values)),)}) if values else _any([])


def _match_sequence(match: Match, column: str) -> Q:
    """Match rows with one item that passes for all keys inside the sequence."""
    try:
        tests = tuple(
            make_test(key, asks_empty=match.rules.empty and key.value == EMPTY_VALUE)
            for key in match.items
            if not key.is_universal
        )
    except UnreadableItemKey as error:
        raise UnreadableKeyValue(f"{match.attribute.keyword}: {error}") from error
    return Q(**{f"{column}__has_item": tests})


def _between(column: str, low: str, high: str) -> Q:
    """Compare within both bounds; rows without a value lie in no range."""
    condition = Q(**{f"{column}__gte": low}) if low else Q(**{f"{column}__gt": ""})
    return condition & Q(**{f"{column}__lte": high}) if high else condition


def _between_moments(match: Match, column: str, days: Range, times: Range) -> Q:
    """Compare date and time as one; the bounds of the date stay by themselves for the index."""
    if (days.low, times.low) > (days.high or "9", times.high or "9"):
        raise _unreadable(match, "a range that ends after it begins")
    time = column.removesuffix("date") + "time"
    condition = _between(column, days.low, days.high)
    if days.low:
        condition &= Q(**{f"{column}__gt": days.low}) | Q(**{f"{time}__gte": times.low})
    if days.high and times.high:
        condition &= Q(**{f"{column}__lt": days.high}) | Q(**{f"{time}__lte": times.high})
    return condition


def _refuse_backwards(match: Match, bounds: Range) -> None:
    if bounds.is_backwards:
        raise _unreadable(match, "a range that ends after it begins")


def _refuse_wildcards(match: Match) -> None:
    if "*" in match.value or "?" in match.value:
        raise _unreadable(match, "whole UIDs, several of them with commas between")


def _compare(column: str, value: str) -> Q:
    return Q(**{f"{column}__wildcard" if "*" in value or "?" in value else column: value})


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
    "uids": _match_uids,
    "sequence": _match_sequence,
}
