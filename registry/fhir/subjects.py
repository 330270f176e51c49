"""How resources refer to their patients: all of a page with two queries."""

from collections import defaultdict
from collections.abc import Iterable

from registry.fhir.patients import refer_to
from registry.fhir.structure import Resource
from registry.models import Patient, PatientIdentifier


def refer_to_patients(keys: Iterable[int]) -> dict[int, Resource]:
    """Return a reference for each patient."""
    patients = Patient.objects.in_bulk(set(keys))
    numbers: defaultdict[int, list[PatientIdentifier]] = defaultdict(list)
    for number in PatientIdentifier.objects.filter(patient__in=patients):
        numbers[number.patient_id].append(number)
    return {key: refer_to(patient, numbers[key]) for key, patient in patients.items()}
