"""A page of rows that are decided one by one: candidates in order, until the page is full.

A page may be shorter than asked for with another behind it: who sees little of much does not wait for all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

from access.actor import Actor
from access.policy import Decision
from registry.fhir.door import Asked
from registry.fhir.errors import Forbidden
from registry.fhir.parameters import Query

BATCH = 100
MOST_CANDIDATES = 500
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page with the decision about each; `position` is where the next begins, empty for none."""

    rows: tuple[tuple[Row, Decision], ...]
    position: tuple[int, ...] = ()


def scan(
    actor: Actor,
    candidates: "QuerySet[Row, Any]",
    query: Query,
    select: Callable[[Actor, "QuerySet[Row, Any]"], list[tuple[Row, Decision]]],
    fits: Callable[[Row], bool] = lambda row: True,
) -> Page[Row]:
    """Return the rows of a page: `select` decides what the actor may see, `fits` what no column says."""
    start = offset = int(query.position[0]) if query.position else 0
    found: list[tuple[Row, Decision]] = []
    while offset - start < MOST_CANDIDATES:
        keys = list(candidates.values_list("pk", flat=True)[offset : offset + BATCH])
        seen = {row.pk: (row, why) for row, why in select(actor, candidates.filter(pk__in=keys).order_by())}
        for key in keys:
            if key in seen and fits(seen[key][0]):
                if len(found) == query.count:
                    return Page(tuple(found), (offset,))
                found.append(seen[key])
            offset += 1
        if len(keys) < BATCH:
            return Page(tuple(found))
    more = candidates.values_list("pk", flat=True)[offset : offset + 1].exists()
    return Page(tuple(found), (offset,) if more else ())


def require_read(asked: Asked) -> None:
    """Refuse who may not read at all.

    Raises
    ------
    Forbidden
        The credential's scopes, or the role, do not include it.
    """
    if not asked.actor.may("read"):
        raise Forbidden(f"{asked.actor.subject} may not read: the credential's scopes do not include it")


def key_of(text: str) -> int:
    """Return the key of a row that an id is; 0, which no row has, for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
