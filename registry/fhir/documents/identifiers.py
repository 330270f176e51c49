"""The identifiers of documents and lists: unique ids, entry UUIDs, and what a document refers to (CXi).

Standard: IHE ITI TF-2 appendix E.3 and Z.9.1, IHE RAD MADO
"""

import re
from collections.abc import Iterable
from uuid import UUID

from registry.fhir.documents.hl7_texts import (
    authority_of,
    components,
    escape,
    join,
    system_of_authority,
    unescape,
    write_authority,
)
from registry.fhir.identifiers import DICOM_UID, issuer_of
from registry.fhir.structure import Resource
from registry.fhir.studies import DCM
from registry.identity import is_oid

URI = "urn:ietf:rfc:3986"
V2_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
STUDY_REFERENCE = "urn:ihe:iti:xds:2016:studyInstanceUID"
ACCESSION_REFERENCE = "urn:ihe:iti:xds:2013:accession"
ORDER_REFERENCE = "urn:ihe:iti:xds:2013:order"
UNIQUE_ID_REFERENCE = "urn:ihe:iti:xds:2013:uniqueId"
FHIR_REFERENCE = "urn:samsyn:fhir-reference"
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_TYPES: dict[str, list[Resource]] = {
    STUDY_REFERENCE: [{"system": DCM, "code": "110180", "display": "Study Instance UID"}],
    ACCESSION_REFERENCE: [
        {"system": DCM, "code": "121022", "display": "Accession Number"},
        {"system": V2_TYPES, "code": "ACSN", "display": "Accession ID"},
    ],
    ORDER_REFERENCE: [
        {"system": V2_TYPES, "code": "PLAC", "display": "Placer Identifier"},
        {"system": URI, "code": ORDER_REFERENCE},
    ],
}
_KINDS = {
    (DCM, "110180"): STUDY_REFERENCE,
    (DCM, "121022"): ACCESSION_REFERENCE,
    (V2_TYPES, "ACSN"): ACCESSION_REFERENCE,
    (V2_TYPES, "PLAC"): ORDER_REFERENCE,
}
_RESOURCES = {
    STUDY_REFERENCE: "ImagingStudy",
    ACCESSION_REFERENCE: "ServiceRequest",
    ORDER_REFERENCE: "ServiceRequest",
}


def id_of_uuid(entry_uuid: str) -> str:
    """Return the id of the resource that stands for an object of the registry."""
    return entry_uuid.removeprefix("urn:uuid:")


def uuid_of_id(key: str) -> str:
    """Return the UUID of the object that an id stands for; empty for what is no UUID."""
    text = f"urn:uuid:{key}"
    return text.lower() if _UUID.fullmatch(text) else ""


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID as URN."""
    return bool(_UUID.fullmatch(text))


def identifier_of_unique_id(unique_id: str, system: str = "") -> Resource:
    """Make the Identifier of a unique id: an OID or UUID as URI, `OID^extension` as both, else as it is."""
    if system:
        return {"system": system, "value": unique_id}
    root, caret, extension = unique_id.partition("^")
    if is_oid(unique_id):
        return {"system": URI, "value": f"urn:oid:{unique_id}"}
    if caret and extension and is_oid(root):
        return {"system": f"urn:oid:{root}", "value": extension}
    return {"system": URI, "value": unique_id}


def unique_id_of(identifier: Resource) -> tuple[str, str]:
    """Return the unique id of an Identifier, and the system that the unique id itself does not say."""
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    if value.startswith("urn:oid:"):
        return value.removeprefix("urn:oid:"), ""
    if system.startswith("urn:oid:") and is_oid(root := system.removeprefix("urn:oid:")):
        return f"{root}^{value}", ""
    return value, "" if system == URI else system


def entry_uuid_of(identifiers: Iterable[Resource], unique_id: str) -> str:
    """Return the UUID among identifiers that is no unique id; empty if there is none."""
    values = [str(each.get("value", "")) for each in identifiers]
    found = [value.lower() for value in values if is_uuid(value) and value != unique_id]
    return found[0] if found else ""


def new_oid(uuid: UUID) -> str:
    """Make an OID of a UUID. Standard: ITU-T X.667 6.3"""
    return f"2.25.{uuid.int}"


def related_of_cxi(text: str) -> Resource:
    """Make the Reference of a CXi: by identifier and its type, or by address where that is all there was."""
    value, _, _, authority, kind, *_ = [*components(text), *[""] * 5]
    value, issuer = unescape(value), authority_of(authority)
    if kind == FHIR_REFERENCE:
        return {"reference": value}
    identifier: Resource = {}
    if types := _TYPES.get(kind) or ([{"system": URI, "code": kind}] if kind else []):
        identifier["type"] = {"coding": [dict(each) for each in types]}
    if kind in (STUDY_REFERENCE, UNIQUE_ID_REFERENCE) and not issuer and is_oid(value):
        system = DICOM_UID if kind == STUDY_REFERENCE else URI
        identifier |= {"system": system, "value": f"urn:oid:{value}"}
    else:
        identifier |= {"system": system_of_authority(issuer)} if issuer else {}
        identifier["value"] = value
    resource_type = _RESOURCES.get(kind)
    return ({"type": resource_type} if resource_type else {}) | {"identifier": identifier}


def cxi_of_related(reference: Resource) -> str:
    """Write a Reference as CXi; empty for one that says nothing."""
    identifier = reference.get("identifier", {})
    value, system = str(identifier.get("value", "")), str(identifier.get("system", ""))
    if not value:
        return _cxi_of_address(str(reference.get("reference", "")))
    kind = _kind_of(identifier)
    if value.startswith("urn:oid:"):
        uid = value.removeprefix("urn:oid:")
        if system == DICOM_UID or kind == STUDY_REFERENCE:
            return join([uid, "", "", "", STUDY_REFERENCE])
        if system in ("", URI):
            return join([uid, "", "", "", kind or UNIQUE_ID_REFERENCE])
    return join([escape(value), "", "", write_authority(issuer_of(system)), kind])


def _cxi_of_address(address: str) -> str:
    resource_type, _, key = "/".join(address.split("/")[-2:]).partition("/")
    if resource_type == "ImagingStudy" and is_oid(key):
        return join([key, "", "", "", STUDY_REFERENCE])
    return join([escape(address), "", "", "", FHIR_REFERENCE]) if address else ""


def _kind_of(identifier: Resource) -> str:
    codings = identifier.get("type", {}).get("coding", [])
    for coding in codings:
        pair = (str(coding.get("system", "")), str(coding.get("code", "")))
        if pair in _KINDS:
            return _KINDS[pair]
        if pair[1].startswith("urn:"):
            return pair[1]
    return ""
