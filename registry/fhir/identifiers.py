"""Identifier systems: how FHIR names the issuer of a number, and the OID under which it is kept here.

Every OID is a system as `urn:oid:...`; those of the Swedish base profiles have an address as well, which is what
answers carry. Both are taken in.

Standard: HL7 Sweden base profiles (R4); Inera HSA, national OIDs
"""

from urllib.parse import quote, unquote

from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.identity import (
    NATIONAL_OIDS,
    PERSONNUMMER_OID,
    SAMORDNINGSNUMMER_OID,
    PatientNumber,
    decide_issuer,
    find_number_fault,
    is_oid,
    normalise_national,
)

NATIONELLT_RESERVNUMMER_OID = "1.2.752.74.9.1"
HSA_OID = "1.2.752.129.2.1.4.1"
DICOM_UID = "urn:dicom:uid"

NUMBER_FAULT = "urn:samsyn:number-fault"
_OWN = "urn:samsyn:issuer:"
_BASE = "http://electronichealth.se/identifier/"
_SYSTEMS = {
    PERSONNUMMER_OID: f"{_BASE}personnummer",
    SAMORDNINGSNUMMER_OID: f"{_BASE}samordningsnummer",
    NATIONELLT_RESERVNUMMER_OID: f"{_BASE}nationelltReservnummer",
}
_OIDS = {system: oid for oid, system in _SYSTEMS.items()} | {
    "http://electronichealth.se/identifier/hsaid": HSA_OID
}


def system_of(issuer: str) -> str:
    """Return the system of an issuer: the address of the base profiles, else its OID as a URN, else the text as a URN.

    Issuers that are no OID are kept as the source named them; `urn:samsyn:issuer:` marks those.
    """
    if issuer in _SYSTEMS:
        return _SYSTEMS[issuer]
    if is_oid(issuer):
        return f"urn:oid:{issuer}"
    return f"{_OWN}{quote(issuer, safe='')}" if issuer else ""


def issuer_of(system: str) -> str:
    """Return the issuer that a system names; a system that is no OID is its own name."""
    if system.startswith(_OWN):
        return unquote(system.removeprefix(_OWN))
    return _OIDS.get(system, system.removeprefix("urn:oid:"))


def identifier_of(issuer: str, value: str) -> Resource:
    """Make an Identifier of a number and its issuer."""
    system = system_of(issuer)
    return {"system": system, "value": value} if system else {"value": value}


def number_identifier(issuer: str, value: str) -> Resource:
    """Make the Identifier of a patient's number; one that its issuer's rule refuses says so in an extension."""
    fault = find_number_fault(value, issuer)
    labelled = {"extension": [{"url": NUMBER_FAULT, "valueString": fault}]} if fault else {}
    return labelled | identifier_of(issuer, value)


def hsa_identifier(hsa_id: str) -> Resource:
    """Make the Identifier of a person, unit or provider in the national directory."""
    return {"system": f"urn:oid:{HSA_OID}", "value": hsa_id}


def is_hsa(system: str) -> bool:
    """Tell whether a system is that of the national directory."""
    return issuer_of(system) == HSA_OID


def numbers_of(token: Token) -> tuple[PatientNumber, ...]:
    """Return the numbers an identifier token may be kept as: national ones in their normal form.

    A token without a system is looked for as a national number only: a local one means nothing without its issuer.
    """
    text = token.code or ""
    national = normalise_national(text)
    if token.system is None:
        return (national,) if national else ()
    issuer = issuer_of(token.system)
    if issuer in NATIONAL_OIDS:
        return (national,) if national is not None and national.issuer == issuer else ()
    return (decide_issuer(text, issuer, ()),) if text else ()
