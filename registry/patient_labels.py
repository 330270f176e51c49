"""Patients' numbers for those who render the access log, which knows keys only."""

from collections.abc import Collection, Mapping

from access.audit_export.labels import PatientLabel
from registry.models import PatientIdentifier


def find_patient_labels(patient_ids: Collection[int]) -> Mapping[int, PatientLabel]:
    """Return one number for each patient: a national one before others, the oldest first."""
    rows = PatientIdentifier.objects.filter(patient_id__in=patient_ids).order_by("is_national", "-pk")
    # The last of a patient stays: a national one, the oldest of its kind.
    return {row.patient_id: PatientLabel(row.value, row.issuer) for row in rows}
