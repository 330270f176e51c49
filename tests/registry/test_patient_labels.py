"""Which of a patient's numbers an audit message names."""

import pytest

from access.audit_export.labels import PatientLabel
from registry.models import Patient, PatientIdentifier
from registry.patient_labels import find_patient_labels

pytestmark = pytest.mark.django_db


def make_patient(*numbers: tuple[str, str, bool]) -> int:
    patient = Patient.objects.create()
    for value, issuer, is_national in numbers:
        PatientIdentifier.objects.create(patient=patient, value=value, issuer=issuer, is_national=is_national)
    return patient.pk


def test_a_national_number_before_a_local_one_and_the_first_of_two(django_assert_num_queries):
    both = make_patient(("L1", "1.2.3", False), ("191212121212", "1.2.752.129.2.1.3.1", True))
    local = make_patient(("L2", "1.2.3", False), ("L3", "1.2.4", False))
    make_patient(("L9", "1.2.3", False))
    with django_assert_num_queries(1):
        labels = find_patient_labels({both, local, 999_999})
    assert labels == {
        both: PatientLabel("191212121212", "1.2.752.129.2.1.3.1"),
        local: PatientLabel("L2", "1.2.3"),
    }
    assert labels[both].cx == "191212121212^^^&1.2.752.129.2.1.3.1&ISO"


def test_nobody_asked_for_is_nobody():
    assert find_patient_labels(set()) == {}
