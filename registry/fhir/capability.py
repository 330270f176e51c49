"""The CapabilityStatement, made of the table of resources: it cannot say what is not served.

Standard: FHIR R4 CapabilityStatement
"""

from collections.abc import Sequence

from django.conf import settings

from registry.fhir.door import ResourceDoor
from registry.fhir.formats import FHIR_VERSION
from registry.fhir.parameters import SearchParameter
from registry.fhir.structure import Resource

PUBLISHED = "2026-11-24"
SECURITY = (
    "Every interaction but this needs a bearer token, a client certificate or a session with an assignment. What "
    "the caller may not see is not there: 404, and absent from searches."
)


def make_capability_statement(doors: Sequence[ResourceDoor], base: str) -> Resource:
    """Make the statement of a server at a base address."""
    statements = sorted({statement for door in doors for statement in door.statements})
    capability: Resource = {
        "resourceType": "CapabilityStatement",
        "id": "samsyn",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "software": {"name": "Samsyn"},
        "implementation": {"description": "Shared radiology of a region", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "application/fhir+xml"],
        "rest": [
            {
                "mode": "server",
                "security": {"cors": bool(settings.CORS_ORIGINS), "description": SECURITY},
                "resource": [_describe(door) for door in sorted(doors, key=lambda door: door.type)],
            }
        ],
    }
    if statements:
        capability["instantiates"] = statements
    return capability


def _describe(door: ResourceDoor) -> Resource:
    codes = {
        "read": door.read,
        "vread": door.read_version,
        "history-instance": door.history,
        "search-type": door.search,
        "create": door.create,
        "update": door.update,
        "delete": door.delete,
    }
    resource: Resource = {
        "type": door.type,
        "documentation": door.documentation,
        "interaction": [{"code": code} for code, function in codes.items() if function is not None],
        "versioning": "versioned" if door.update or door.read_version else "no-version",
        "readHistory": door.read_version is not None,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-match",
        "conditionalUpdate": door.update_where is not None,
        "conditionalDelete": "single" if door.delete_where else "not-supported",
    }
    if door.extensions:
        resource["extension"] = list(door.extensions)
    if door.profiles:
        resource["supportedProfile"] = list(door.profiles)
    if door.includes:
        resource["searchInclude"] = list(door.includes)
    if door.reverse_includes:
        resource["searchRevInclude"] = list(door.reverse_includes)
    if door.operations:
        resource["operation"] = [
            {"name": each.name, "definition": each.definition, "documentation": each.documentation}
            for each in door.operations
        ]
    if door.parameters:
        resource["searchParam"] = [_describe_parameter(parameter) for parameter in door.parameters]
    return resource


def _describe_parameter(parameter: SearchParameter) -> Resource:
    return {"name": parameter.name, "type": parameter.type, "documentation": parameter.documentation}
