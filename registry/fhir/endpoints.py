"""Where images and documents are had: our own doors, and the locations of the affinity domain.

Standard: FHIR R4 Endpoint; IHE mCSD; IHE RAD MADO (Retrieve Location UID)
"""

from collections.abc import Callable

from registry.affinity import affinity
from registry.fhir.directory import MCSD, Place
from registry.fhir.structure import Resource
from registry.wire.base_url import DICOMWEB_PATH

CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
RETRIEVE_LOCATION = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/MadoRetrieveLocationUIDExtension"
_DICOM = ("application/dicom", "application/dicom+json")
_FHIR = ("application/fhir+json", "application/fhir+xml")
_OWN = (
    ("dicom-stow-rs", "dicom-stow-rs", "Store images", DICOMWEB_PATH, _DICOM),
    ("dicom-qido-rs", "dicom-qido-rs", "Search images", DICOMWEB_PATH, _DICOM),
    ("ihe-mhd", "hl7-fhir-rest", "Mobile access to documents (MHD)", "/fhir", _FHIR),
    ("ihe-xds-registry", "ihe-xds", "Document registry (ITI-18, ITI-42)", "/ihe/registry", ()),
    ("ihe-xds-repository", "ihe-xds", "Document repository (ITI-41, ITI-43)", "/ihe/repository", ()),
    ("ihe-xds-imaging", "ihe-xds", "Imaging document source (RAD-69)", "/ihe/imaging", ()),
)
"""Ids, connection types, names, paths and media types of what this server answers itself."""


def list_endpoints(base: str) -> list[Resource]:
    """Return every endpoint; `base` is the address of our own FHIR service."""
    origin = base.rpartition("/")[0]
    found = [
        _make(
            f"dicom-wado-rs-{location.uid}",
            "dicom-wado-rs",
            location.name or "Retrieve images",
            location.wado_rs_url or origin + DICOMWEB_PATH,
            _DICOM,
            location.uid,
        )
        for location in affinity().locations
    ]
    return found + [
        _make(key, kind, name, origin + path, media_types, "") for key, kind, name, path, media_types in _OWN
    ]


def list_endpoint_ids_of(base: str) -> Callable[[Place], list[str]]:
    """Return a function from a place to the ids of its endpoints: a provider has those of the region."""
    ids = [endpoint["id"] for endpoint in list_endpoints(base)]
    return lambda place: ids if place.level == "provider" else []


def _make(
    key: str, kind: str, name: str, address: str, media_types: tuple[str, ...], location_uid: str
) -> Resource:
    resource: Resource = {
        "resourceType": "Endpoint",
        "id": key,
        "meta": {"profile": [f"{MCSD}/StructureDefinition/IHE.mCSD.Endpoint"]},
    }
    if location_uid:
        resource["extension"] = [{"url": RETRIEVE_LOCATION, "valueString": location_uid}]
        resource["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{location_uid}"}]
    resource |= {
        "status": "active",
        "connectionType": {"system": CONNECTION_TYPE, "code": kind},
        "name": name,
        "payloadType": [{"coding": [{"system": PAYLOAD_TYPE, "code": "none"}], "text": name}],
        "address": address,
    }
    if media_types:
        resource["payloadMimeType"] = list(media_types)
    return resource
