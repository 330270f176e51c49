"""Organization, Location and Endpoint: the directory of care services, for everyone who is known here.

Some hundreds of rows: a search makes the tree and looks through it.

Standard: IHE ITI mCSD (ITI-90)
"""

from collections.abc import Callable, Iterable

from registry.fhir.directory import list_places, make_location, make_organization
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.endpoints import list_endpoint_ids_of, list_endpoints
from registry.fhir.errors import UnknownResource
from registry.fhir.identifiers import HSA_OID, is_hsa, issuer_of
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.structure import Resource
from registry.fhir.values import ReferenceValue, Token

DIRECTORY = "https://profiles.ihe.net/ITI/mCSD/CapabilityStatement/IHE.mCSD.Directory"
_STRING = frozenset({"contains", "exact"})
_ID = SearchParameter("_id", "token", "The id")
_NAME = SearchParameter("name", "string", "How the name begins, or with :contains a part of it", _STRING)
_HSA = SearchParameter("identifier", "token", "The HSA-id")
ORGANIZATION_PARAMETERS = (
    _ID,
    SearchParameter("active", "token", "true or false"),
    _HSA,
    _NAME,
    SearchParameter("partof", "reference", "What it is part of", target="Organization"),
    SearchParameter("partof.identifier", "token", "What it is part of, by HSA-id"),
    SearchParameter("type", "token", "provider, unit or department; prov or dept"),
    SearchParameter("endpoint", "reference", "An endpoint that it has", target="Endpoint"),
)
LOCATION_PARAMETERS = (
    _ID,
    _HSA,
    _NAME,
    SearchParameter("organization", "reference", "The unit whose place it is", target="Organization"),
    SearchParameter("organization.identifier", "token", "The unit whose place it is, by HSA-id"),
    SearchParameter("partof", "reference", "What it is part of: none is", target="Location"),
    SearchParameter("status", "token", "active or inactive"),
    SearchParameter("type", "token", "unit"),
)
ENDPOINT_PARAMETERS = (
    _ID,
    SearchParameter("identifier", "token", "The Retrieve Location UID, as urn:oid: and the UID"),
    _NAME,
    SearchParameter("organization", "reference", "Whose it is", target="Organization"),
    SearchParameter("organization.identifier", "token", "Whose it is, by HSA-id"),
    SearchParameter("status", "token", "active"),
    SearchParameter("connection-type", "token", "dicom-wado-rs, dicom-stow-rs, dicom-qido-rs, ihe-xds ..."),
    SearchParameter("payload-type", "token", "none"),
)
Lister = Callable[[Asked], list[Resource]]


def list_organizations(asked: Asked) -> list[Resource]:
    """Return every provider, unit and department."""
    endpoints = list_endpoint_ids_of(asked.base)
    return [make_organization(place, endpoints(place)) for place in list_places()]


def list_locations(asked: Asked) -> list[Resource]:
    """Return every care unit as a place."""
    del asked
    return [make_location(place) for place in list_places() if place.level == "unit"]


def list_all_endpoints(asked: Asked) -> list[Resource]:
    """Return our own doors and those of the affinity domain's locations."""
    return list_endpoints(asked.base)


def _reader(resource_type: str, lister: Lister) -> Callable[[Asked, str], Resource]:
    def read(asked: Asked, key: str) -> Resource:
        for resource in lister(asked):
            if resource["id"] == key:
                return resource
        raise UnknownResource(f"no such {resource_type}")

    return read


def _searcher(lister: Lister) -> Callable[[Asked, Query], Found]:
    def search(asked: Asked, query: Query) -> Found:
        found = [
            resource
            for resource in lister(asked)
            if all(_fits(asked, resource, criterion) for criterion in query.criteria)
        ]
        if query.sort:
            found.sort(key=lambda resource: resource.get("name", "").casefold(), reverse="-" in query.sort[0])
        start = int(query.position[0]) if query.position else 0
        page = found[start : start + query.count]
        position = (start + query.count,) if len(found) > start + query.count else ()
        return Found(tuple(page), position, included=tuple(_include(asked, query, page)))

    return search


def _fits(asked: Asked, resource: Resource, criterion: Criterion) -> bool:
    return any(_matches(asked, resource, criterion, value) for value in criterion.values)


def _matches(asked: Asked, resource: Resource, criterion: Criterion, value: object) -> bool:
    name, _, chained = criterion.name.partition(".")
    if isinstance(value, str):
        return _has_name(resource.get("name", ""), value, criterion.modifier)
    if isinstance(value, ReferenceValue):
        return any(
            value.names(kind, asked.base) and value.id == key for kind, key in _references(resource, name)
        )
    assert isinstance(value, Token)
    if chained:
        ids = {key for _, key in _references(resource, name)}
        return value.code in ids and (value.system is None or is_hsa(value.system))
    if name == "_id":
        return bool(value.code == resource["id"])
    if name == "identifier":
        return any(_is_identifier(value, one) for one in resource.get("identifier", []))
    if name == "active":
        return value.code == str(resource["active"]).lower()
    if name == "status":
        return bool(value.code == resource["status"])
    return any(value.matches(one.get("system", ""), one["code"]) for one in _codings(resource, name))


def _has_name(name: str, wanted: str, modifier: str) -> bool:
    if modifier == "exact":
        return name == wanted
    name, wanted = name.casefold(), wanted.casefold()
    return wanted in name if modifier == "contains" else name.startswith(wanted)


def _is_identifier(token: Token, identifier: Resource) -> bool:
    """Compare by issuer: a system has more than one name."""
    if token.system is not None and issuer_of(token.system) != issuer_of(identifier.get("system", "")):
        return False
    kept = identifier["value"]
    return token.code in (None, kept) or (
        issuer_of(identifier.get("system", "")) != HSA_OID and f"urn:oid:{token.code}" == kept
    )


_REFERENCING = {"partof": "partOf", "organization": "managingOrganization", "endpoint": "endpoint"}


def _references(resource: Resource, name: str) -> Iterable[tuple[str, str]]:
    found = resource.get(_REFERENCING[name], [])
    for one in found if isinstance(found, list) else [found]:
        kind, _, key = one["reference"].partition("/")
        yield kind, key


def _codings(resource: Resource, name: str) -> Iterable[Resource]:
    if name == "connection-type":
        return [resource["connectionType"]]
    concepts = resource.get("payloadType" if name == "payload-type" else name, [])
    return [coding for concept in concepts for coding in concept.get("coding", [])]


def _include(asked: Asked, query: Query, page: list[Resource]) -> Iterable[Resource]:
    """Return what a page refers to, and what refers to it."""
    wanted: set[tuple[str, str]] = set()
    for include in query.included:
        source, _, name = include.partition(":")
        wanted |= {
            reference
            for resource in page
            if resource["resourceType"] == source
            for reference in _references(resource, name)
        }
    shown = {(resource["resourceType"], resource["id"]) for resource in page}
    for lister in (list_organizations, list_locations, list_all_endpoints) if query.included else ():
        for resource in lister(asked):
            if (resource["resourceType"], resource["id"]) in wanted or _points_to(resource, query, shown):
                yield resource


def _points_to(resource: Resource, query: Query, shown: set[tuple[str, str]]) -> bool:
    """Tell whether a resource refers to one of the page by an include that was asked for in reverse."""
    kind = resource["resourceType"]
    page_type = next(iter(shown))[0] if shown else ""
    names = [include.partition(":")[2] for include in query.included if include.startswith(f"{kind}:")]
    if (kind, page_type) not in REVERSED:
        return False
    return any(reference in shown for name in names for reference in _references(resource, name))


REVERSED = frozenset(
    {("Location", "Organization"), ("Endpoint", "Organization"), ("Organization", "Endpoint")}
)


def _door(
    resource_type: str,
    documentation: str,
    lister: Lister,
    parameters: tuple[SearchParameter, ...],
    includes: tuple[str, ...],
    reverse_includes: tuple[str, ...],
) -> ResourceDoor:
    return ResourceDoor(
        type=resource_type,
        documentation=documentation,
        read=_reader(resource_type, lister),
        search=_searcher(lister),
        parameters=parameters,
        sorts=("name", "-name"),
        includes=includes,
        reverse_includes=reverse_includes,
        statements=(DIRECTORY,),
    )


ORGANIZATION = _door(
    "Organization",
    "Care providers, units and departments by HSA-id; active while valid. For everyone who is known here.",
    list_organizations,
    ORGANIZATION_PARAMETERS,
    ("Organization:endpoint", "Organization:partof"),
    ("Location:organization", "Endpoint:organization"),
)
LOCATION = _door(
    "Location",
    "Care units as places. For everyone who is known here.",
    list_locations,
    LOCATION_PARAMETERS,
    ("Location:organization",),
    (),
)
ENDPOINT = _door(
    "Endpoint",
    "Where images and documents are had: our own doors, and those of the Retrieve Location UIDs of the region.",
    list_all_endpoints,
    ENDPOINT_PARAMETERS,
    ("Endpoint:organization",),
    ("Organization:endpoint",),
)
DOORS = (ORGANIZATION, LOCATION, ENDPOINT)
