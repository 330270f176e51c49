"""The organisation's tree as the directory of care services (mCSD) shows it, and how resources refer to it.

The id of an Organization is its HSA-id. A provider stands at the top, units and departments hang below by `partOf`; a
care unit is a Location as well. None of it is about a patient.

Standard: IHE ITI mCSD (ITI-90); FHIR R4 Organization, Location
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from access.models import CareProvider, CareUnit, Department
from registry.fhir.identifiers import hsa_identifier
from registry.fhir.structure import Resource

LEVEL_SYSTEM = "urn:samsyn:organisation-level"
ORGANIZATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
MCSD = "https://profiles.ihe.net/ITI/mCSD"
_TYPES = {"provider": "prov", "unit": "prov", "department": "dept"}


@dataclass(frozen=True, slots=True)
class Place:
    """A provider, unit or department; `parent` is the HSA-id of what it is part of, empty at the top."""

    level: str
    hsa_id: str
    name: str
    parent: str
    is_active: bool


def list_places() -> list[Place]:
    """Return the whole tree in the order of levels and HSA-ids: some hundreds of rows."""
    return list(_list_places(timezone.now()))


def refer_to_organization(row: CareProvider | CareUnit | Department) -> Resource:
    """Refer to a place by address, and by HSA-id for those who know no address here."""
    return {
        "reference": f"Organization/{row.hsa_id}",
        "type": "Organization",
        "identifier": hsa_identifier(row.hsa_id),
        "display": str(row),
    }


def make_organization(place: Place, endpoints: Iterable[str]) -> Resource:
    """Make the Organization of a place with the ids of its endpoints."""
    resource: Resource = {
        "resourceType": "Organization",
        "id": place.hsa_id,
        "meta": {"profile": [f"{MCSD}/StructureDefinition/IHE.mCSD.Organization"]},
        "identifier": [hsa_identifier(place.hsa_id)],
        "active": place.is_active,
        "type": [
            {
                "coding": [
                    {"system": ORGANIZATION_TYPE, "code": _TYPES[place.level]},
                    {"system": LEVEL_SYSTEM, "code": place.level},
                ]
            }
        ],
        "name": place.name,
    }
    if place.parent:
        resource["partOf"] = {"reference": f"Organization/{place.parent}"}
    references = [{"reference": f"Endpoint/{endpoint}"} for endpoint in endpoints]
    if references:
        resource["endpoint"] = references
    return resource


def make_location(place: Place) -> Resource:
    """Make the Location of a care unit: where it is the same place as its Organization."""
    return {
        "resourceType": "Location",
        "id": place.hsa_id,
        "meta": {"profile": [f"{MCSD}/StructureDefinition/IHE.mCSD.Location"]},
        "identifier": [hsa_identifier(place.hsa_id)],
        "status": "active" if place.is_active else "inactive",
        "name": place.name,
        "mode": "instance",
        "type": [{"coding": [{"system": LEVEL_SYSTEM, "code": place.level}]}],
        "physicalType": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "si"}
            ]
        },
        "managingOrganization": {"reference": f"Organization/{place.hsa_id}"},
    }


def _list_places(now: datetime) -> Iterator[Place]:
    for provider in CareProvider.objects.order_by("hsa_id"):
        yield Place("provider", provider.hsa_id, provider.name, "", _is_valid(provider, now))
    for unit in CareUnit.objects.select_related("provider").order_by("hsa_id"):
        is_active = _is_valid(unit, now) and _is_valid(unit.provider, now)
        yield Place("unit", unit.hsa_id, unit.name, unit.provider.hsa_id, is_active)
    for row in Department.objects.select_related("unit__provider").order_by("hsa_id"):
        is_active = all(_is_valid(place, now) for place in (row, row.unit, row.unit.provider))
        yield Place("department", row.hsa_id, row.name, row.unit.hsa_id, is_active)


def _is_valid(row: CareProvider | CareUnit | Department, now: datetime) -> bool:
    return (row.valid_from is None or row.valid_from <= now) and (row.valid_to is None or now < row.valid_to)
