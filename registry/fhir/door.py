"""What a resource offers at its FHIR address, as one row of a table: the views, the capability statement and the
documentation are made of it.
"""

from collections.abc import Callable, Sequence
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
    """One page of a search: resources in order, and where the next page begins (empty: this is the last).

    `included` are those that the search asked for beside what it matches (`_include`, `_revinclude`).
    """

    resources: tuple[Resource, ...] = ()
    position: tuple[str | int, ...] = ()
    warnings: tuple[str, ...] = ()
    included: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation at `{type}/$name`, or with `of_instance` at `{type}/{id}/$name`.

    `run` gets the id (empty at a type) and the parameters of the address, or of a Parameters body by name.

    Standard: FHIR R4 operations.html
    """

    name: str
    definition: str
    documentation: str
    run: Callable[[Asked, str, Sequence[tuple[str, str]]], Resource]
    of_instance: bool = False


@dataclass(frozen=True, slots=True)
class ResourceDoor:
    """One resource type and the interactions it has; what is None is answered with 405.

    Parameters
    ----------
    read_version, history
        One version of a resource by its number, and all that may be read, newest first.
    update_where
        A conditional update: by the parameters of the address; also says whether the resource is new.
    delete_where
        A conditional delete of one resource, by the parameters of the address.
    sorts : tuple of str
        The values that `_sort` takes.
    includes, reverse_includes : tuple of str
        The values that `_include` and `_revinclude` take.
    errors : tuple
        Exceptions of the resource's own rules.
    extensions : tuple
        What the capability statement says of the resource beyond the standard's elements.
    statements : tuple of str
        Canonical addresses of the IHE actors that the resource fulfils its part of.
    """

    type: str
    documentation: str
    read: Callable[[Asked, str], Resource] | None = None
    search: Callable[[Asked, Query], Found] | None = None
    create: Callable[[Asked, Resource], Resource] | None = None
    update: Callable[[Asked, str, Resource], Resource] | None = None
    delete: Callable[[Asked, str], None] | None = None
    update_where: Callable[[Asked, Sequence[tuple[str, str]], Resource], tuple[Resource, bool]] | None = None
    delete_where: Callable[[Asked, Sequence[tuple[str, str]]], None] | None = None
    read_version: Callable[[Asked, str, str], Resource] | None = None
    history: Callable[[Asked, str], tuple[Resource, ...]] | None = None
    operations: tuple[Operation, ...] = ()
    parameters: tuple[SearchParameter, ...] = ()
    sorts: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    reverse_includes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    extensions: tuple[Resource, ...] = ()
    statements: tuple[str, ...] = ()
    errors: tuple[Rule, ...] = ()
