"""What was read of a Bundle so far, and whom its references mean.

Standard: IHE ITI TF-2 3.65.4.1.2; FHIR R4 bundle.html#references
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from registry.document_patients import write_patients
from registry.fhir.documents.people import Resolve
from registry.fhir.identifiers import numbers_of
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.identity import find_patient
from registry.submission import (
    AssociationDraft,
    EntryDraft,
    FolderDraft,
    RegistryError,
    SubmissionRefused,
    SubmissionSetDraft,
)


@dataclass(slots=True)
class Reading:
    """What was read of a Bundle so far; `places` are where each entry lies in the end, by its number."""

    base: str
    entries: list[Resource]
    by_url: dict[str, int] = field(default_factory=dict)
    drafts: dict[int, EntryDraft] = field(default_factory=dict)
    folders: dict[int, FolderDraft] = field(default_factory=dict)
    held_folders: dict[int, str] = field(default_factory=dict)
    sets: dict[int, SubmissionSetDraft] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    links: list[AssociationDraft] = field(default_factory=list)
    patients: dict[int, int] = field(default_factory=dict)
    patched: dict[int, str] = field(default_factory=dict)


def name_patient(reading: Reading, reference: Resource, path: str) -> str:
    """Return the CX of the patient that a reference names; empty without one.

    Raises
    ------
    SubmissionRefused
        Nobody here is meant.
    """
    if not reference:
        return ""
    key = _patient_key(reading, reference)
    named = write_patients([key]) if key else {}
    if key not in named:
        told = reference.get("reference") or reference.get("identifier", {}).get("system", "")
        raise SubmissionRefused((RegistryError("XDSUnknownPatientId", f"{path}: {told} is nobody here"),))
    return named[key]


def make_resolver(reading: Reading, sent: Resource) -> Resolve:
    """Make what finds the resource that a reference of `sent` means, within it or within the Bundle."""
    contained = {f"#{each.get('id')}": each for each in sent.get("contained", [])}

    def resolve(reference: Resource) -> Resource | None:
        address = str(reference.get("reference", ""))
        if address.startswith("#"):
            return contained.get(address)
        number = reading.by_url.get(address)
        return reading.entries[number].get("resource") if number is not None else None

    return resolve


def find_patient_of_entry(reading: Reading, entry: Resource) -> int:
    """Return the key of the patient that an entry is, or is asked for by; 0 for nobody here."""
    url = str(entry.get("request", {}).get("url", ""))
    key = _key_of_address(reading, url)
    if not key and "?" in url:
        for name, value in parse_qsl(url.partition("?")[2]):
            if name == "identifier":
                system, _, number = value.rpartition("|")
                key = _key_of_identifiers([{"system": system, "value": number}])
    return key or _key_of_identifiers(entry.get("resource", {}).get("identifier", []))


def _patient_key(reading: Reading, reference: Resource) -> int:
    address = str(reference.get("reference", ""))
    if address in reading.by_url:
        return find_patient_of_entry(reading, reading.entries[reading.by_url[address]])
    return _key_of_address(reading, address) or _key_of_identifiers([reference.get("identifier", {})])


def _key_of_address(reading: Reading, address: str) -> int:
    resource_type, _, key = address.removeprefix(f"{reading.base}/").partition("/")
    is_key = resource_type == "Patient" and key.isascii() and key.isdigit() and len(key) <= 18
    return int(key) if is_key else 0


def _key_of_identifiers(identifiers: list[Resource]) -> int:
    """Return the key of the one patient whose numbers these are; 0 for nobody, and for numbers of several."""
    found = {
        patient.pk
        for identifier in identifiers
        if identifier.get("value")
        for number in numbers_of(Token(identifier.get("system", ""), identifier["value"]))
        if (patient := find_patient(number)) is not None
    }
    return found.pop() if len(found) == 1 else 0
