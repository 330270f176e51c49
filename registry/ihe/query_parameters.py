"""The parameters of a stored query: how values are written, and what is missing or too much.

Standard: IHE ITI TF-2 3.18.4.1.2.3
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from registry.dtm import first_second, is_dtm
from registry.ihe.ebrim_names import OBJECT_TYPES, RIM, STATUSES
from registry.ihe.xml import Element
from registry.submission import RegistryError

_ITEM = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^',()]+?))\s*(?:,|$)")
_CODE = re.compile(r"(.+)\^\^(.+)", re.DOTALL)


class QueryRefused(ValueError):
    """The query cannot be answered as it was asked."""

    def __init__(self, code: str, context: str) -> None:
        super().__init__(code)
        self.error = RegistryError(code, context)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was asked: for each parameter the values of each of its slots; slots are AND, values within one OR."""

    slots: Mapping[str, tuple[tuple[str, ...], ...]]

    def all_of(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Return the values of each slot of a parameter."""
        return self.slots.get(name, ())

    def any_of(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter."""
        return tuple(value for values in self.all_of(name) for value in values)

    def one(self, name: str) -> str:
        """Return the only value of a parameter, empty without one."""
        values = self.any_of(name)
        if len(values) > 1:
            raise QueryRefused("XDSStoredQueryParamNumber", f"{name} has {len(values)} values, not one")
        return values[0] if values else ""

    def needed(self, name: str) -> str:
        """Return the value of a parameter that has to be there."""
        return self.one(name) or self._miss(name)

    def needed_list(self, name: str) -> tuple[str, ...]:
        """Return the values of a parameter that has to be there."""
        return self.any_of(name) or (self._miss(name),)

    def either(self, first: str, second: str) -> tuple[str, tuple[str, ...]]:
        """Return which of two parameters was given, with its values; exactly one has to be."""
        given = [name for name in (first, second) if self.any_of(name)]
        if len(given) == 2:
            raise QueryRefused("XDSStoredQueryParamNumber", f"{first} and {second} exclude each other")
        return (given[0], self.any_of(given[0])) if given else ("", (self._miss(f"{first} or {second}"),))

    def statuses(self, name: str) -> tuple[str, ...]:
        """Return the statuses that are wanted; unknown ones are ignored, but one has to remain."""
        known = {url: status for status, url in STATUSES.items()}
        found = tuple(known[text] for text in self.any_of(name) if text in known)
        return found or (self._miss(name),)

    def object_types(self, name: str = "$XDSDocumentEntryType") -> tuple[str, ...]:
        """Return the types of entries that are wanted: stable ones unless said otherwise."""
        kinds = {url: kind for kind, url in OBJECT_TYPES.items()}
        asked = self.any_of(name)
        return tuple(kinds[text] for text in asked if text in kinds) if asked else ("stable",)

    def code_sets(self, name: str) -> list[set[tuple[str, str]]]:
        """Return for each slot the codes of which one is wanted."""
        return [{self._code(name, text) for text in values} for values in self.all_of(name)]

    def codes(self, name: str) -> set[tuple[str, str]]:
        """Return the codes of which one is wanted."""
        return {self._code(name, text) for text in self.any_of(name)}

    def time(self, name: str) -> str:
        """Return the first second of a time, empty without one."""
        text = self.one(name)
        if text and not is_dtm(text):
            raise QueryRefused("XDSRegistryError", f"{name} {text[:40]!r} is no time")
        return first_second(text)

    def _code(self, name: str, text: str) -> tuple[str, str]:
        match = _CODE.fullmatch(text)
        if match is None:
            raise QueryRefused("XDSRegistryError", f"{name} {text[:100]!r} is not written code^^scheme")
        return match[1], match[2]

    def _miss(self, name: str) -> str:
        raise QueryRefused("XDSStoredQueryMissingParam", f"{name} is missing")


def read_parameters(query: Element) -> Parameters:
    """Read the slots of an AdhocQuery.

    Raises
    ------
    QueryRefused
        A value is not written as values are.
    """
    slots: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for slot in query.findall(f"{{{RIM}}}Slot"):
        name = slot.get("name", "").strip()
        texts = [(value.text or "").strip() for value in slot.iter(f"{{{RIM}}}Value")]
        values = tuple(item for text in texts for item in read_values(name, text) if item)
        if values:
            slots[name].append(values)
    return Parameters({name: tuple(found) for name, found in slots.items()})


def read_values(name: str, text: str) -> list[str]:
    """Read a value: bare or in single quotes, alone or as a list in parentheses."""
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    if inner == text and not text.startswith(("'", "(")):
        return [text]
    found, at = [], 0
    while at < len(inner.rstrip()):
        match = _ITEM.match(inner, at)
        if match is None:
            raise QueryRefused("XDSRegistryError", f"{name} {text[:100]!r} cannot be read")
        found.append(match[1].replace("''", "'") if match[1] is not None else match[2])
        at = match.end()
    return found


def like_pattern(text: str) -> re.Pattern[str]:
    """Make what a value of SQL's LIKE matches: % any characters, _ one."""
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in text), re.DOTALL)
