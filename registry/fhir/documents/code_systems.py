"""Coding schemes: the OID that metadata names and the address that FHIR has for it.

What has no address of its own is `urn:oid:` and the OID. `schemes_of` says under which of them a code may be kept,
since documents come in by both doors.

Standard: FHIR R4 terminologies-systems.html, IHE ITI TF-3 4.2.3.1.2
"""

from collections.abc import Iterable

from registry.fhir.structure import Resource
from registry.identity import is_oid
from registry.submission import Code

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
FORMAT_CODES = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
DCM_OID, SNOMED_OID = "1.2.840.10008.2.16.4", "2.16.840.1.113883.6.96"
FORMAT_OID, RAD_FORMAT_OID = "1.3.6.1.4.1.19376.1.2.3", "1.3.6.1.4.1.19376.1.2.7.1"
RAD_FORMAT_PREFIX = "urn:ihe:rad:"

_SYSTEMS = {
    DCM_OID: DCM,
    SNOMED_OID: SNOMED,
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "1.2.840.10008.2.6.1": "http://dicom.nema.org/resources/ontology/DCMUID",
    "2.16.840.1.113883.5.25": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "2.16.840.1.113883.5.4": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "2.16.840.1.113883.5.8": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
}
_OIDS = {system: oid for oid, system in _SYSTEMS.items()} | {
    "http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs": "1.2.840.10008.2.6.1",
    "http://hl7.org/fhir/v3/Confidentiality": "2.16.840.1.113883.5.25",
}


def system_of_scheme(scheme: str, code: str = "") -> str:
    """Return the address of a scheme; a scheme that is no OID is its own name."""
    if scheme in (FORMAT_OID, RAD_FORMAT_OID) and _scheme_of_format(code) == scheme:
        return FORMAT_CODES
    return _SYSTEMS.get(scheme) or (f"urn:oid:{scheme}" if is_oid(scheme) else scheme)


def scheme_of_system(system: str, code: str = "") -> str:
    """Return the scheme that a system is in the metadata: its OID, or its address where it has none."""
    if system == FORMAT_CODES:
        return _scheme_of_format(code)
    return _OIDS.get(system, system.removeprefix("urn:oid:"))


def schemes_of(system: str) -> tuple[str, ...]:
    """Return every scheme under which codes of a system may be kept."""
    if system == FORMAT_CODES:
        return (FORMAT_OID, RAD_FORMAT_OID, FORMAT_CODES)
    return tuple(dict.fromkeys((scheme_of_system(system), system)))


def coding_of(code: Code) -> Resource:
    """Make a Coding."""
    parts = {
        "system": system_of_scheme(code.scheme, code.code),
        "code": code.code,
        "display": code.display,
    }
    return {name: value for name, value in parts.items() if value}


def concept_of(*codes: Code) -> Resource:
    """Make a CodeableConcept."""
    return {"coding": [coding_of(code) for code in codes]}


def code_of(coding: Resource) -> Code:
    """Read a Coding."""
    code = str(coding.get("code", ""))
    return Code(code, scheme_of_system(str(coding.get("system", "")), code), str(coding.get("display", "")))


def codes_of(concepts: Iterable[Resource]) -> tuple[Code, ...]:
    """Read every coding of CodeableConcepts; one with text alone is no code."""
    return tuple(
        code_of(coding) for concept in concepts for coding in concept.get("coding", []) if coding.get("code")
    )


def first_code_of(concepts: Iterable[Resource]) -> Code | None:
    """Read the first coding of CodeableConcepts: metadata has room for one."""
    return next(iter(codes_of(concepts)), None)


def _scheme_of_format(code: str) -> str:
    return RAD_FORMAT_OID if code.startswith(RAD_FORMAT_PREFIX) else FORMAT_OID
