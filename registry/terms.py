"""The actor as the conditions of lists speak of it: with its values, or with open slots for SQL that is built once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from access.actor import Actor
from access.policy import Options
from access.prepared import Slot
from registry.access_facts import own_units_of

_SIZES = (1, 4, 16, 64, 256)
NOBODY = -1
"""A key that no row has."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What changes the SQL and not its values: kind of actor, lengths of lists, options."""

    is_person: bool
    own_units: int
    options: Options


@dataclass(frozen=True, slots=True)
class Terms:
    """The actor as the conditions speak of it: each a value or a slot, each list a list of them.

    `listed_unit` is the one of the own units whose list is read.
    """

    shape: Shape
    unit: Any
    listed_unit: Any
    own_units: list[Any]
    department: Any
    provider: Any
    user: Any
    assignment: Any
    number: Any
    now: Any


def make_terms(actor: Actor, options: Options, now: datetime) -> Terms:
    """Return the terms with an actor's values."""
    scope = actor.scope
    own_units = _pad(sorted(own_units_of(actor)))
    is_person = actor.kind == "person"
    return Terms(
        shape=Shape(is_person, len(own_units), options),
        unit=_key(scope.unit_id),
        listed_unit=_key(scope.unit_id),
        own_units=own_units,
        department=_key(scope.department_id),
        provider=_key(scope.provider_id),
        user=_key(actor.subject_id if is_person else None),
        assignment=_key(actor.assignment_id),
        number=actor.national_number or "-",
        now=now,
    )


@cache
def make_slots(shape: Shape) -> Terms:
    """Return the terms of a shape with open slots; `values_of` fills them."""
    return Terms(
        shape=shape,
        unit=Slot("t_unit"),
        listed_unit=Slot("t_listed_unit"),
        own_units=[Slot(f"t_own{n}") for n in range(shape.own_units)],
        department=Slot("t_department"),
        provider=Slot("t_provider"),
        user=Slot("t_user"),
        assignment=Slot("t_assignment"),
        number=Slot("t_number"),
        now=Slot("t_now"),
    )


def values_of(terms: Terms) -> dict[str, Any]:
    """Return what fills the slots of the same shape."""
    values = {f"t_{name}": getattr(terms, name) for name in _SINGLE}
    return values | {f"t_own{n}": value for n, value in enumerate(terms.own_units)}


_SINGLE = ("unit", "listed_unit", "department", "provider", "user", "assignment", "number", "now")


def _key(value: int | None) -> int:
    return NOBODY if value is None else value


def _pad(keys: Iterable[int]) -> list[Any]:
    """Lengthen a list to one of few sizes, so that few statements are built."""
    items = list(keys) or [NOBODY]
    size = next((size for size in _SIZES if size >= len(items)), len(items))
    return items + [items[-1]] * (size - len(items))
