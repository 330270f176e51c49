"""The codes and addresses by which a FHIR Consent says what our rows are.

Standard: IHE ITI PCF 1.1 (Basic and Intermediate)
"""

from registry.fhir.structure import Resource

PROFILES = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
BASIC, INTERMEDIATE = f"{PROFILES}Basic", f"{PROFILES}Intermediate"
REGISTRY = "https://profiles.ihe.net/ITI/PCF/CapabilityStatement/IHE.PCF.consentRegistry"

SCOPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentscope"
SCOPE = "patient-privacy"
LOINC, LOINC_CONSENT = "http://loinc.org", "59284-0"
KIND_SYSTEM = "urn:samsyn:consent-kind"
"""Codes of further categories: `consent`, `incapacity`, `guardian`; `block` with `silent`, `absolute`; `lift`."""
PERMIT_KINDS = ("consent", "incapacity", "guardian")
BLOCK_MARKS = ("silent", "absolute")

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
RECIPIENT = "IRCP"
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TREATMENT, EMERGENCY, BREAK_THE_GLASS = "TREAT", "ETREAT", "BTG"

POLICY = "urn:samsyn:policy:sfs-2022-913"
"""The law on cohesive care documentation, SFS 2022:913: the policy of every row."""
UNWRITTEN = "no written text"
"""Title of the source where no version of a written text was named."""

GUARDIAN = "holder of custody"
"""How a RelatedPerson is named who decides for a child."""

REASON = "urn:samsyn:reason"
REQUESTED_BY = "urn:samsyn:requested-by"
BASIS = "urn:samsyn:consent-basis"
BASIS_PARTS = ("assessed_by", "attitude", "necessary_care")


def coding(system: str, code: str) -> Resource:
    """Make a Coding."""
    return {"system": system, "code": code}


def concept(system: str, code: str) -> Resource:
    """Make a CodeableConcept of one code."""
    return {"coding": [coding(system, code)]}


def codes_of(concepts: list[Resource], system: str) -> list[str]:
    """Return the codes of a system in a list of CodeableConcepts."""
    found = [item for one in concepts for item in one.get("coding", ()) if item.get("system") == system]
    return [str(item.get("code", "")) for item in found]
