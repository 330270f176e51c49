"""What a resource offers at its FHIR address, as one row of a table: the views, the capability statement and the
documentation are made of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from access.actor import Actor
from registry.fhir.errors import Rule
from registry.fhir.parameters import Query, SearchParameter
from registry.fhir.structure import Resource


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, under which base address (`https://host/fhir`), and what the headers say of the request.

    `if_match` is the version that the client wants to change, empty for any.
    """

    actor: Actor
    base: str
    strict: bool = False
    if_match: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search: resources in order, and where the next page begins (empty: this is the last)."""

    resources: tuple[Resource, ...] = ()
    position: tuple[str | int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceDoor:
    """One resource type and the interactions it has; what is None is answered with 405.

    Parameters
    ----------
    sorts : tuple of str
        The values that `_sort` takes.
    errors : tuple
        Exceptions of the resource's own rules.
    statements : tuple of str
        Canonical addresses of the IHE actors that the resource fulfils its part of.
    """

    type: str
    documentation: str
    read: Callable[[Asked, str], Resource] | None = None
    search: Callable[[Asked, Query], Found] | None = None
    create: Callable[[Asked, Resource], Resource] | None = None
    update: Callable[[Asked, str, Resource], Resource] | None = None
    parameters: tuple[SearchParameter, ...] = ()
    sorts: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    errors: tuple[Rule, ...] = ()
