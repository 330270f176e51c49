"""A patient's access epoch: raised with every consent, block, lift, relation, choice, opening, mark and share."""

from functools import cache

from django.db import connection

from access.statements import execute
from registry.models import Patient


def raise_patient_epoch(patient_id: int) -> None:
    """Let every decision about the patient be made anew; call it in the transaction of the change."""
    execute(_raising(), [patient_id])


@cache
def _raising() -> str:
    """Build the statement once: the first study of a patient at a unit runs it in its store."""
    table = connection.ops.quote_name(Patient._meta.db_table)
    return f"UPDATE {table} SET access_epoch = access_epoch + 1 WHERE id = %s"  # noqa: S608 (name of the model)
