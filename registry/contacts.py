"""Where people live and how to reach them: kept as the feed says, and given to nobody where the identity is protected.

Standard: HL7 v2.5.1 PID-11, PID-13, PID-14; FHIR R4 Address, ContactPoint
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.models import Patient, PatientAddress, PatientFlag, PatientTelecom
from registry.names import fold_text

PARTS = ("line", "city", "district", "state", "postal_code", "country")
PROTECTED = "protected"
MOST_KEPT = 20
"""Of addresses, and of telephone numbers and the like, of one person."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address; `use` is a code of FHIR, the lines of `line` stand one below the other."""

    line: str = ""
    city: str = ""
    district: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    use: str = ""

    def __bool__(self) -> bool:
        """Tell whether it says where."""
        return any(getattr(self, part) for part in PARTS)


@dataclass(frozen=True, slots=True)
class Telecom:
    """One way to reach a person; `system` and `use` are codes of FHIR."""

    system: str
    value: str
    use: str = ""


@dataclass(frozen=True, slots=True)
class Contacts:
    """What a source says: None where it says nothing, empty where it says that there is none."""

    addresses: tuple[Address, ...] | None = None
    telecoms: tuple[Telecom, ...] | None = None


@dataclass(frozen=True, slots=True)
class KnownContacts:
    """What may be told of one person."""

    addresses: list[PatientAddress] = field(default_factory=list)
    telecoms: list[PatientTelecom] = field(default_factory=list)


def keep_contacts(patient: Patient, told: Contacts) -> None:
    """Let what a source says take the place of what was known; call it in a transaction."""
    if told.addresses is not None:
        patient.addresses.all().delete()
        rows = [_make_address(patient, one) for one in told.addresses[:MOST_KEPT] if one]
        PatientAddress.objects.bulk_create(rows)
    if told.telecoms is not None:
        patient.telecoms.all().delete()
        PatientTelecom.objects.bulk_create(
            PatientTelecom(
                patient=patient,
                system=one.system[:8],
                use=one.use[:8],
                value=one.value[:120],
                value_key=telecom_key(one.value),
            )
            for one in told.telecoms[:MOST_KEPT]
            if one.value
        )


def find_contacts(patients: Sequence[Patient]) -> Mapping[int, KnownContacts]:
    """Return what may be told, by patient: nothing of a protected identity, nor of one that was merged into another."""
    keys = {patient.pk for patient in patients if patient.merged_into_id is None}
    keys -= find_protected(keys)
    found = {key: KnownContacts() for key in keys}
    for address in PatientAddress.objects.filter(patient__in=keys).order_by("pk"):
        found[address.patient_id].addresses.append(address)
    for telecom in PatientTelecom.objects.filter(patient__in=keys).order_by("pk"):
        found[telecom.patient_id].telecoms.append(telecom)
    return found


def find_protected(keys: Iterable[int]) -> set[int]:
    """Return those of these patients whose identity is protected."""
    flags = PatientFlag.objects.filter(
        patient__in=set(keys), kind__startswith=PROTECTED, ended_at__isnull=True
    )
    return set(flags.values_list("patient_id", flat=True))


def telecom_key(value: str) -> str:
    """Write a value as search compares it: a number is its digits, everything else without regard to case."""
    plain = re.sub(r"[\s().\-/]", "", value)
    return (plain if re.fullmatch(r"\+?[0-9]+", plain) else fold_text(value))[:120]


def search_text_of(address: Address) -> str:
    """Write an address as search compares it: a line for each part, its name before it."""
    return "\n" + "\n".join(
        search_line(part, line)
        for part in PARTS
        for line in str(getattr(address, part)).split("\n")
        if line.strip()
    )


def search_line(part: str, text: str) -> str:
    """Write one part as it stands in a search text, or the beginning of one."""
    folded = fold_text(text)
    return f"{part}:{folded.replace(' ', '') if part == 'postal_code' else folded}"


def _make_address(patient: Patient, told: Address) -> PatientAddress:
    return PatientAddress(
        patient=patient,
        use=told.use[:8],
        line=told.line[:200],
        city=told.city[:80],
        district=told.district[:80],
        state=told.state[:80],
        postal_code=told.postal_code[:16],
        country=told.country[:40],
        search_text=search_text_of(told),
    )
