"""A patient's access epoch: raised with every consent, block, lift, relation, choice, opening, mark and share."""

from django.db.models import F

from registry.models import Patient


def raise_patient_epoch(patient_id: int) -> None:
    """Let every decision about the patient be made anew; call it in the transaction of the change."""
    Patient.objects.filter(pk=patient_id).update(access_epoch=F("access_epoch") + 1)
