"""Which patients a request speaks of, and how a resource refers to one."""

from collections.abc import Iterable

from django.db.models import Q

from registry.fhir.door import Asked
from registry.fhir.errors import InvalidParameter
from registry.fhir.identifiers import identifier_of, numbers_of
from registry.fhir.parameters import Criterion, SearchParameter
from registry.fhir.structure import Resource
from registry.fhir.values import ReferenceValue, Token
from registry.merges import current_patient_id
from registry.models import Patient, PatientIdentifier

PATIENT = SearchParameter("patient", "reference", "The patient, as Patient/id", target="Patient")
PATIENT_IDENTIFIER = SearchParameter(
    "patient.identifier", "token", "A number of the patient, as system|value"
)
PATIENT_PARAMETERS = (PATIENT, PATIENT_IDENTIFIER)


def find_patient_ids(asked: Asked, criteria: Iterable[Criterion]) -> frozenset[int] | None:
    """Return the keys of the patients that all criteria name, whether the actor may see them or not; None without any.

    Every step that follows must ask what the actor may see.
    """
    found: frozenset[int] | None = None
    for criterion in criteria:
        named: set[int] = set()
        for value in criterion.values:
            if isinstance(value, ReferenceValue):
                named |= _by_reference(asked, value)
            elif isinstance(value, Token):
                named |= _by_identifier(criterion.name, value)
        found = frozenset(named) if found is None else found & named
    return found


def refer_to(patient: Patient, identifiers: Iterable[PatientIdentifier]) -> Resource:
    """Refer to a patient by address, and by a number that is still good for those who know no address here."""
    reference: Resource = {"reference": f"Patient/{patient.pk}", "type": "Patient"}
    good = [row for row in identifiers if row.subsumed_at is None]
    chosen = min(good, key=lambda row: (not row.is_national, row.pk), default=None)
    if chosen is not None:
        reference["identifier"] = identifier_of(chosen.issuer, chosen.value)
    return reference


def _by_reference(asked: Asked, value: ReferenceValue) -> set[int]:
    """Find by address; that of a merged patient leads to the survivor, and to what is kept under the old one."""
    is_number = value.id.isascii() and value.id.isdigit() and len(value.id) <= 18
    if not is_number or not value.names("Patient", asked.base):
        return set()
    return {int(value.id), current_patient_id(int(value.id))}


def _by_identifier(name: str, token: Token) -> set[int]:
    """Find by number: with a system that of the issuer, without one any number that reads so."""
    if not token.code:
        raise InvalidParameter(f"{name} needs a value behind the system", name)
    condition = Q(pk__in=[])
    for number in numbers_of(token):
        condition |= Q(value=number.value, issuer=number.issuer)
    if token.system is None:
        condition |= Q(value=token.code)
    return set(PatientIdentifier.objects.filter(condition).values_list("patient_id", flat=True))
