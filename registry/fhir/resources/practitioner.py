"""Practitioner and PractitionerRole: who works where, for everyone who may read.

Standard: IHE ITI mCSD (ITI-90)
"""

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from access.models import User
from registry.fhir.conditions import any_of, hsa_ids_of, tokens_of
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.identifiers import is_hsa
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.resources.directory import DIRECTORY, list_locations, list_organizations
from registry.fhir.scan import key_of, require_read
from registry.fhir.staff import (
    ROLE_SYSTEM,
    list_named_roles,
    list_people,
    list_roles,
    make_practitioner,
    make_practitioner_roles,
)
from registry.fhir.structure import Resource
from registry.fhir.values import ReferenceValue, Token
from registry.names import fold_text

_STRING = frozenset({"contains", "exact"})
NAMES = ("name", "family", "given")
PRACTITIONER_PARAMETERS = (
    SearchParameter("_id", "token", "The id: the HSA-id"),
    SearchParameter("active", "token", "true: others are not listed"),
    SearchParameter("identifier", "token", "The HSA-id"),
    SearchParameter(
        "name", "string", "How a part of the name begins, or with :contains a part of it", _STRING
    ),
    SearchParameter("family", "string", "How the family name begins", _STRING),
    SearchParameter("given", "string", "How the given name begins", _STRING),
)
ROLE_PARAMETERS = (
    SearchParameter("_id", "token", "The id"),
    SearchParameter("active", "token", "true: others are not listed"),
    SearchParameter("practitioner", "reference", "Whose role it is", target="Practitioner"),
    SearchParameter("practitioner.identifier", "token", "Whose role it is, by HSA-id"),
    SearchParameter("organization", "reference", "The department", target="Organization"),
    SearchParameter("organization.identifier", "token", "The department, by HSA-id"),
    SearchParameter("location", "reference", "The care unit", target="Location"),
    SearchParameter("location.identifier", "token", "The care unit, by HSA-id"),
    SearchParameter("role", "token", "The code of the role"),
)
Row = TypeVar("Row", bound=Model)


def read_practitioner(asked: Asked, key: str) -> Resource:
    """Read a person.

    Raises
    ------
    UnknownResource
        Nobody is called so, or nobody who is shown.
    """
    require_read(asked)
    user = list_people().filter(hsa_id=key).first()
    if user is None:
        raise UnknownResource("no such Practitioner")
    return make_practitioner(user)


def search_practitioners(asked: Asked, query: Query) -> Found:
    """Search people, by HSA-id."""
    require_read(asked)
    people = list_people()
    for criterion in query.criteria:
        if criterion.name not in NAMES:
            people = people.filter(_of_person(criterion))
    named = query.of(*NAMES)
    if named:
        people = people.filter(pk__in=_called(people, named))
    page, position = _page(people, query)
    included: list[Resource] = []
    if "PractitionerRole:practitioner" in query.included:
        roles = list_roles().filter(user__hsa_id__in=[user.hsa_id for user in page])
        included = make_practitioner_roles(roles)
    return Found(tuple(make_practitioner(user) for user in page), position, included=tuple(included))


def read_role(asked: Asked, key: str) -> Resource:
    """Read a role of a person.

    Raises
    ------
    UnknownResource
        There is none that is valid now.
    """
    require_read(asked)
    found = make_practitioner_roles(list_roles().filter(pk=key_of(key)))
    if not found:
        raise UnknownResource("no such PractitionerRole")
    return found[0]


def search_roles(asked: Asked, query: Query) -> Found:
    """Search roles, oldest first."""
    require_read(asked)
    asks_for_person = query.of("practitioner", "practitioner.identifier")
    rows = list_named_roles() if asks_for_person else list_roles()
    for criterion in query.criteria:
        rows = rows.filter(_of_role(asked, criterion))
    page, position = _page(rows, query)
    found = tuple(make_practitioner_roles(page))
    return Found(found, position, included=tuple(_include(asked, query, found)))


def _page(rows: "QuerySet[Row]", query: Query) -> tuple[list[Row], tuple[int, ...]]:
    start = int(query.position[0]) if query.position else 0
    found = list(rows[start : start + query.count + 1])
    return found[: query.count], (start + query.count,) if len(found) > query.count else ()


def _of_person(criterion: Criterion) -> Q:
    tokens = tokens_of(criterion)
    if criterion.name == "active":
        return _is_active(tokens)
    known = [token for token in tokens if criterion.name == "_id" or _names_hsa(token)]
    return Q(hsa_id__in=[token.code for token in known if token.code]) | any_of(
        Q(pk__gt=0) for token in known if token.code is None
    )


def _of_role(asked: Asked, criterion: Criterion) -> Q:
    name, tokens = criterion.name, tokens_of(criterion)
    if name == "_id":
        return Q(pk__in=[key_of(token.code or "") for token in tokens])
    if name == "active":
        return _is_active(tokens)
    if name == "role":
        return any_of(
            Q(group__name__startswith=f"{token.code}@") if token.code else Q(group__name__contains="@")
            for token in tokens
            if token.system in (None, ROLE_SYSTEM)
        )
    if name.startswith("organization"):
        return Q(department__hsa_id__in=hsa_ids_of(asked, criterion))
    target, column = (
        ("Practitioner", "user__hsa_id") if name.startswith("practitioner") else ("Location", _UNIT)
    )
    ids = [
        value.id
        for value in criterion.values
        if isinstance(value, ReferenceValue) and value.names(target, asked.base)
    ]
    return Q(
        **{f"{column}__in": [*ids, *(token.code for token in tokens if token.code and _names_hsa(token))]}
    )


_UNIT = "department__unit__hsa_id"


def _is_active(tokens: Iterable[Token]) -> Q:
    return any_of(Q(pk__gt=0) for token in tokens if token.code == "true")


def _names_hsa(token: Token) -> bool:
    return token.system is None or is_hsa(token.system)


def _called(people: "QuerySet[User]", criteria: Iterable[Criterion]) -> list[int]:
    """Return the keys of those who are called so: compared here, since databases fold letters each in their way."""
    wanted = list(criteria)
    return [
        pk
        for pk, given, family in people.values_list("pk", "first_name", "last_name")
        if all(_is_called(criterion, given, family) for criterion in wanted)
    ]


def _is_called(criterion: Criterion, given: str, family: str) -> bool:
    parts = {"family": (family,), "given": (given,)}.get(
        criterion.name, (given, family, " ".join(filter(None, (given, family))))
    )
    return any(_has(part, str(value), criterion.modifier) for part in parts for value in criterion.values)


def _has(part: str, wanted: str, modifier: str) -> bool:
    if modifier == "exact":
        return part == wanted
    part, wanted = fold_text(part), fold_text(wanted)
    return wanted in part if modifier == "contains" else part.startswith(wanted)


def _include(asked: Asked, query: Query, page: Iterable[Resource]) -> Iterable[Resource]:
    """Return the people, departments and units that a page refers to."""
    wanted = {
        reference["reference"]
        for name in ("practitioner", "organization", "location")
        if f"PractitionerRole:{name}" in query.included
        for role in page
        for reference in (role[name] if isinstance(role[name], list) else [role[name]])
        if "reference" in reference
    }
    people = {one.partition("/")[2] for one in wanted if one.startswith("Practitioner/")}
    if people:
        yield from map(make_practitioner, list_people().filter(hsa_id__in=people))
    if len(people) < len(wanted):
        for resource in (*list_organizations(asked), *list_locations(asked)):
            if f"{resource['resourceType']}/{resource['id']}" in wanted:
                yield resource


PRACTITIONER = ResourceDoor(
    type="Practitioner",
    documentation="Who has an assignment for care now, by HSA-id; protected identities are not listed.",
    read=read_practitioner,
    search=search_practitioners,
    parameters=PRACTITIONER_PARAMETERS,
    reverse_includes=("PractitionerRole:practitioner",),
    statements=(DIRECTORY,),
)
PRACTITIONER_ROLE = ResourceDoor(
    type="PractitionerRole",
    documentation="Assignments for care that are valid now; of a protected identity without the person.",
    read=read_role,
    search=search_roles,
    parameters=ROLE_PARAMETERS,
    includes=("PractitionerRole:practitioner", "PractitionerRole:organization", "PractitionerRole:location"),
    statements=(DIRECTORY,),
)
DOORS = (PRACTITIONER, PRACTITIONER_ROLE)
