"""Which elements a FHIR type has, in which order, how often and of what kind: read from `elements.txt`.

Standard: FHIR R4 json.html, xml.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

ANY_RESOURCE = "Resource"
Kind = Literal["text", "boolean", "number", "xhtml", "complex"]

_TABLE = Path(__file__).with_name("elements.txt")
_ENTRY = re.compile(r"(\w+)(\*?)(?::(\w+)|([?#=~]?))")
_KINDS: dict[str, Kind] = {"?": "boolean", "#": "number", "~": "xhtml"}


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type.

    `type` names the complex type, empty for primitives; `is_attribute` says that XML writes it as one.
    """

    name: str
    kind: Kind
    type: str = ""
    repeats: bool = False
    is_attribute: bool = False


def elements_of(name: str) -> Mapping[str, Element]:
    """Return the elements of a type in the order of the specification; raises KeyError for an unknown type."""
    return _read_table()[name]


def is_resource(name: str) -> bool:
    """Tell whether the table knows a resource of this name."""
    return name in _read_resources()


@cache
def _read_table() -> dict[str, Mapping[str, Element]]:
    return {name.removeprefix("@"): _read_elements(rest) for name, rest in _read_lines()}


@cache
def _read_resources() -> frozenset[str]:
    return frozenset(name[1:] for name, _ in _read_lines() if name.startswith("@"))


def _read_lines() -> list[tuple[str, str]]:
    lines = (line for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return [(name, rest) for name, _, rest in (line.partition(": ") for line in lines)]


def _read_elements(text: str) -> dict[str, Element]:
    found = {}
    for name, repeats, type_name, mark in _ENTRY.findall(text):
        kind: Kind = "complex" if type_name else _KINDS.get(mark, "text")
        found[name] = Element(name, kind, type_name, bool(repeats), mark == "=")
    return found
