"""The query string of a search: keys to match, attributes to include, paging.

Percent-encoding is decoded before any list is split. A key that cannot be matched is an error; an
attribute that cannot be included is a warning.

Standard: PS3.18 8.3.4
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qsl

from registry.attributes import Attribute, Level, attributes_of
from registry.fragments import default_fields
from registry.matching import InvalidSearch, Match, find_key, make_match
from registry.search import Paging

MAX_LIMIT = 5000
MAX_OFFSET = 1_000_000
MAX_PARAMETERS = 200
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
_SWITCHES = frozenset({"fuzzymatching", "emptyvaluematching", "multiplevaluematching"})
_RESERVED = _SWITCHES | {"limit", "offset", "includefield", "accept"}


class InvalidParameter(InvalidSearch):
    """A parameter has a value that it does not take, or is there twice."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search as read from its URL.

    `fields` are the attributes to answer with, None for those that are rendered beforehand;
    `warnings` are texts for Warning headers.
    """

    matches: tuple[Match, ...]
    paging: Paging
    fields: tuple[Attribute, ...] | None
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
    matches = tuple(_read_keys(level, pairs, study, series))
    extra, warnings = _read_includes(level, [value for name, value in pairs if name == "includefield"])
    parents = [above for above, uid in (("study", study), ("series", series)) if uid is None]
    return SearchRequest(
        matches=matches,
        paging=Paging(_read_number(pairs, "limit", MAX_LIMIT), _read_number(pairs, "offset", MAX_OFFSET, 0)),
        fields=_select_fields(level, parents, extra),
        warnings=tuple(warnings),
    )


def _decode(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise InvalidParameter("the query string is not percent-encoded UTF-8") from error
    except ValueError as error:
        raise InvalidParameter(f"more than {MAX_PARAMETERS} parameters in the query string") from error


def _read_keys(
    level: Level, pairs: list[tuple[str, str]], study: str | None, series: str | None
) -> Iterator[Match]:
    """Yield a match for each key; a UID key that comes again is one list, any other is an error."""
    switches = {name: _read_switch(name, value) for name, value in pairs if name in _SWITCHES}
    fuzzy = switches.get("fuzzymatching", False)
    found: dict[tuple[str, ...], Match] = {}
    for name, value in pairs:
        if name in _RESERVED:
            continue
        match = make_match(level, name, value, fuzzy=fuzzy)
        place = (match.attribute.tag, *match.path)
        if place in found and match.attribute.vr != "UI":
            _refuse(name, "is there twice")
        if place in found:
            match = make_match(level, name, f"{found[place].value},{value}")
        found[place] = match
    yield from found.values()
    if study is not None:
        yield make_match(level, "StudyInstanceUID", study)
    if series is not None:
        yield make_match(level, "SeriesInstanceUID", series)


def _read_switch(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        _refuse(name, f"must be true or false, not {value!r}")
    return value == "true"


def _read_number(pairs: list[tuple[str, str]], name: str, most: int, default: int | None = None) -> int:
    """Read an unsigned number; more than `most` is `most`."""
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        _refuse(name, "is there twice")
    if not values:
        return most if default is None else default
    if not (values[0].isascii() and values[0].isdigit()):
        _refuse(name, f"must be an unsigned whole number, not {values[0]!r}")
    return min(int(values[0][:12]), most)


def _read_includes(level: Level, values: list[str]) -> tuple[list[Attribute], list[str]]:
    """Return the attributes asked for and a warning for each that this level cannot answer."""
    extra: list[Attribute] = []
    warnings = []
    for name in (part.strip() for value in values for part in value.split(",")):
        if name == "all":
            extra += [a for where in LEVELS[: LEVELS.index(level) + 1] for a in attributes_of(where)]
            continue
        attribute = find_key(level, name.split(".")[0])
        if attribute is not None and LEVELS.index(attribute.level) <= LEVELS.index(level):
            extra.append(attribute)
        elif name:
            shown = re.sub(r"[^0-9A-Za-z.]", "?", name[:64])
            warnings.append(f"includefield {shown} is not an attribute of this answer and was left out")
    return extra, warnings


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
