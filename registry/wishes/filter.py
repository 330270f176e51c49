"""The filter of a subscription: a tree of tests, read from its JSON and held to what is known.

    {"all": [{"modality_family": ["CT", "MR"]}, {"body_region": ["774007"]}, {"not": {"patient_class": ["I"]}}]}

An object has one key: `all`, `any` (a list), `not` (an object) or a test. At the top `not_from_self` may stand beside
it, or alone; left out it is true: what a department stored itself does not come back to it. An empty object takes all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.affinity_domain.rules import FAMILIES
from registry.harmonise.vocabulary import REGION_NAMES
from registry.noted import InvalidEntry

MOST_DEPTH = 8
MOST_NODES = 200
MOST_VALUES = 100
MOST_LENGTH = 64
STATES = ("in_progress", "complete", "verified")
CARE_PLACES = ("department", "unit")
NOT_FROM_SELF = "not_from_self"

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "modality_family": tuple(family for family in FAMILIES if family),
    "body_region": tuple(REGION_NAMES),
    "study_state": STATES,
    "care_relation": CARE_PLACES,
}
"""Tests whose values are of a closed list."""
TEXTS = (
    "modality",
    "procedure",
    "ordering_unit",
    "performing_unit",
    "patient_class",
    "source",
    "source_system",
    "residence",
    "residence_area",
)
FLAGS = ("emergency", "report_final")
TESTS = (*VOCABULARIES, *TEXTS, *FLAGS)
GROUPS = ("all", "any", "not")


class UnknownFilter(InvalidEntry):
    """A filter that cannot be read; the message names the place in it and what may stand there."""


@dataclass(frozen=True, slots=True)
class ValueTest:
    """One of the values is enough; `kind` is one of `TESTS` but the flags."""

    kind: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Something is so, or is not so; `kind` is one of `FLAGS`."""

    kind: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Group:
    """All or any of what it holds; `all` of nothing holds, `any` of nothing does not."""

    of: str
    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What it holds does not hold."""

    node: "Node"


Node = ValueTest | Flag | Group | Not


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was read; without `node` it takes everything."""

    node: Node | None = None
    not_from_self: bool = True


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose subscription a filter belongs to: its department and the care unit around it, by key."""

    department_id: int
    unit_id: int


def read_filter(value: Any) -> Filter:
    """Read the JSON of a filter.

    Raises
    ------
    UnknownFilter
        It is none; the message names the place, as in `filter.all[1].body_region[0]`.
    """
    if not isinstance(value, dict):
        raise UnknownFilter('filter: an object such as {"modality_family": ["CT"]}, or {} for everything')
    rest = dict(value)
    not_from_self = _read_flag(rest.pop(NOT_FROM_SELF, True), f"filter.{NOT_FROM_SELF}")
    if not rest:
        return Filter(None, not_from_self)
    return Filter(_Reader().read(rest, "filter", 1), not_from_self)


def walk(node: Node | None) -> Iterator[Node]:
    """Yield a node and all below it."""
    if node is None:
        return
    yield node
    below = node.nodes if isinstance(node, Group) else (node.node,) if isinstance(node, Not) else ()
    for each in below:
        yield from walk(each)


class _Reader:
    """Reads a tree and counts what it has read."""

    def __init__(self) -> None:
        self.nodes = 0

    def read(self, value: Any, path: str, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise UnknownFilter(f"{path}: a filter has at most {MOST_NODES} tests and groups")
        if depth > MOST_DEPTH:
            raise UnknownFilter(f"{path}: a filter is at most {MOST_DEPTH} deep")
        if not isinstance(value, dict) or len(value) != 1:
            raise UnknownFilter(f"{path}: an object with one key, one of {', '.join((*GROUPS, *TESTS))}")
        ((kind, below),) = value.items()
        path = f"{path}.{str(kind)[:40]}"
        if kind == "not":
            return Not(self.read(below, path, depth + 1))
        if kind in GROUPS:
            return Group(kind, self._read_nodes(below, path, depth))
        if kind in FLAGS:
            return Flag(kind, _read_flag(below, path))
        if kind in TESTS:
            return ValueTest(kind, tuple(_read_values(kind, below, path)))
        raise UnknownFilter(f"{path}: unknown test; known are {', '.join((*GROUPS, *TESTS))}")

    def _read_nodes(self, value: Any, path: str, depth: int) -> tuple[Node, ...]:
        if not isinstance(value, list) or not value:
            raise UnknownFilter(f"{path}: a list of at least one object")
        return tuple(self.read(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value))


def _read_flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise UnknownFilter(f"{path}: true or false")
    return value


def _read_values(kind: str, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        raise UnknownFilter(f"{path}: a list of 1 to {MOST_VALUES} texts")
    known = VOCABULARIES.get(kind)
    for number, item in enumerate(value):
        where = f"{path}[{number}]"
        if not isinstance(item, str) or not item.strip() or len(item) > MOST_LENGTH or "\0" in item:
            raise UnknownFilter(f"{where}: a text of 1 to {MOST_LENGTH} characters")
        if known is not None and item not in known:
            raise UnknownFilter(f"{where}: {item!r} is unknown; known are {', '.join(known)}")
        if kind == "residence" and not (item.isascii() and item.isdigit() and len(item) <= 5):
            raise UnknownFilter(f"{where}: {item!r} is not the beginning of a postal code, 1 to 5 digits")
        yield item
