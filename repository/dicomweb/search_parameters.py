"""The query string of a search: keys to match, attributes to include, paging.

Percent-encoding is decoded before any list is split. No value of a key is ever ignored: a key that cannot be
matched is an error. One that asks for nothing (an empty value), or an attribute that cannot be included, is a
warning.

Standard: PS3.18 8.3.4
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import parse_qsl

from pydicom.datadict import dictionary_has_tag

from registry.attributes import STORED, Attribute, Level, attributes_of
from registry.fragments import IN_ALL_ANSWERS, default_fields
from registry.item_keys import read_tag
from registry.matching import (
    InvalidSearch,
    Match,
    Rules,
    UnsupportedKey,
    find_key,
    join_ranges,
    make_match,
)
from registry.search import Paging
from registry.time_zones import move_to_local

MAX_LIMIT = 5000
MAX_STORED_LIMIT = 500
MAX_OFFSET = 1_000_000
MAX_PARAMETERS = 200
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
_SWITCHES = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_RESERVED = frozenset({*_SWITCHES, "limit", "offset", "includefield", "accept", "charset"})
_TIMEZONE = ("TimezoneOffsetFromUTC", "00080201")
_NOT_PRINTED = re.compile(r"[^0-9A-Za-z.]")

Pairs = list[tuple[str, str]]


class InvalidParameter(InvalidSearch):
    """A parameter has a value that it does not take, or is there twice."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search as read from its URL.

    `fields` are the attributes to answer with, None for those that are rendered beforehand; `stored` the tags
    of others, which the metadata of what is found holds; `warnings` are texts for Warning headers.
    """

    matches: tuple[Match, ...]
    paging: Paging
    fields: tuple[Attribute, ...] | None
    stored: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_search(
    level: Level, query: str, study: str | None = None, series: str | None = None
) -> SearchRequest:
    """Read the query string of a search on a level below a study and series of the path.

    Raises
    ------
    InvalidSearch
        An unknown key, or a parameter or value that cannot be read; the message names it.
    """
    pairs = _decode(query)
    warnings: list[str] = []
    offset = _read_timezone(pairs)
    matches = _merge_keys(_read_keys(level, pairs, warnings))
    if offset:
        matches = move_to_local(matches, offset)
    matched = [match.attribute for match in matches if match.attribute.level == level]
    names = [part.strip() for name, value in pairs if name == "includefield" for part in value.split(",")]
    included, stored = _read_includes(level, names, warnings)
    parents = [above for above, uid in (("study", study), ("series", series)) if uid is None]
    return SearchRequest(
        matches=(*join_ranges(matches), *_path_matches(level, study, series)),
        paging=Paging(
            _read_number(pairs, "limit", MAX_STORED_LIMIT if stored else MAX_LIMIT),
            _read_number(pairs, "offset", MAX_OFFSET, 0),
        ),
        fields=_select_fields(level, parents, [*matched, *included]),
        stored=tuple(dict.fromkeys(stored)),
        warnings=tuple(warnings),
    )


def _decode(query: str) -> Pairs:
    """Decode names and values; the names of parameters are in any case, keywords in their own."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise InvalidParameter("the query string is not percent-encoded UTF-8") from error
    except ValueError as error:
        raise InvalidParameter(f"more than {MAX_PARAMETERS} parameters in the query string") from error
    return [(name.lower() if name.lower() in _RESERVED else name, value) for name, value in pairs]


def _read_keys(level: Level, pairs: Pairs, warnings: list[str]) -> Iterator[Match]:
    """Yield a match for each key; what asks for nothing and is not known here becomes a warning."""
    fuzzy, empty, every = (_read_switch(pairs, name) for name in _SWITCHES)
    for name, value in pairs:
        if name in _RESERVED or name in _TIMEZONE:
            continue
        try:
            yield make_match(level, name, value, Rules(fuzzy, empty, every))
        except UnsupportedKey:
            if value.strip("* "):
                raise
            warnings.append(f"{_NOT_PRINTED.sub('?', name[:64])} is not searched here and was left out")


def _merge_keys(matches: Iterator[Match]) -> tuple[Match, ...]:
    """Join the keys inside one sequence; a UID key that comes again is one list, any other is an error."""
    found: dict[tuple[Level, str], Match] = {}
    for match in matches:
        place = (match.attribute.level, match.attribute.tag)
        known = found.get(place)
        if known is None:
            found[place] = match
        elif match.items and not {key.path for key in match.items} & {key.path for key in known.items}:
            found[place] = replace(known, items=(*known.items, *match.items))
        elif match.attribute.vr == "UI":
            found[place] = replace(known, value=f"{known.value},{match.value}")
        else:
            _refuse(f"{match.attribute.keyword} ({match.attribute.tag})", "is there twice")
    return tuple(found.values())


def _read_timezone(pairs: Pairs) -> str:
    """Return the offset that dates and times of the request are meant in: it is no key to match.

    Standard: PS3.18 8.3.4.1.1
    """
    values = [value.strip() for name, value in pairs if name in _TIMEZONE]
    if len(values) > 1:
        _refuse(_TIMEZONE[0], "is there twice")
    return values[0] if values and values[0] != "*" else ""


def _path_matches(level: Level, study: str | None, series: str | None) -> Iterator[Match]:
    if study is not None:
        yield make_match(level, "StudyInstanceUID", study)
    if series is not None:
        yield make_match(level, "SeriesInstanceUID", series)


def _read_switch(pairs: Pairs, name: str) -> bool:
    value = _read_one(pairs, name)
    if value is not None and value.lower() not in ("true", "false"):
        _refuse(name, f"must be true or false, not {value!r}")
    return value is not None and value.lower() == "true"


def _read_number(pairs: Pairs, name: str, most: int, default: int | None = None) -> int:
    """Read an unsigned number; more than `most` is `most`."""
    value = _read_one(pairs, name)
    if value is None:
        return most if default is None else default
    if not (value.isascii() and value.isdigit()):
        _refuse(name, f"must be an unsigned whole number, not {value!r}")
    return min(int(value[-12:]) if not value[:-12].strip("0") else most, most)


def _read_one(pairs: Pairs, name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        _refuse(name, "is there twice")
    return values[0] if values else None


def _read_includes(level: Level, names: list[str], warnings: list[str]) -> tuple[list[Attribute], list[str]]:
    """Return the attributes asked for, and the tags of stored ones; what this level cannot answer is a warning."""
    extra: list[Attribute] = []
    stored: list[str] = []
    for name in filter(None, names):
        if name == "all":
            extra += [a for where in LEVELS[: LEVELS.index(level) + 1] for a in attributes_of(where)]
            continue
        head, dot, _ = name.partition(".")
        attribute = find_key(level, head)
        is_here = attribute is not None and LEVELS.index(attribute.level) <= LEVELS.index(level)
        if read_tag(head) in IN_ALL_ANSWERS:
            continue
        if attribute is not None and is_here and (not dot or attribute.matching == "sequence"):
            extra.append(attribute)
        elif attribute is None and (tag := _stored_tag(level, head)):
            stored.append(tag)
        else:
            shown = _NOT_PRINTED.sub("?", name[:64])
            warnings.append(f"includefield {shown} is not an attribute of this answer and was left out")
    return extra, stored


def _stored_tag(level: Level, name: str) -> str | None:
    """Return the tag of an attribute that the metadata of an instance can give for a row of this level."""
    tag = read_tag(name)
    if tag is None or tag < "0008" or not dictionary_has_tag(int(tag, 16)):
        return None
    tables = [STORED[where] for where in LEVELS[: LEVELS.index(level) + 1] if where in STORED]
    return tag if level == "instance" or any(tag in table for table in tables) else None


def _select_fields(level: Level, parents: list[str], extra: list[Attribute]) -> tuple[Attribute, ...] | None:
    """Return the attributes to render, parents first; None if the rendered fragment holds them all.

    A level that the path does not name adds its attributes to the answer.

    Standard: PS3.18 10.6.3.3
    """
    above = [where for where in LEVELS[: LEVELS.index(level)] if where in parents]
    wanted = [*default_fields(*above, level), *extra]
    if not above and set(wanted) == set(default_fields(level)):
        return None
    return tuple(a for where in LEVELS for a in attributes_of(where) if a in wanted)


def _refuse(name: str, why: str) -> NoReturn:
    raise InvalidParameter(f"{name} {why}")
