"""The patients of documents: who a CX text names, and how a patient is named in answers.

Standard: IHE ITI TF-3 table 4.2.3.1.7-2 (CX)
"""

from collections import defaultdict
from collections.abc import Iterable

from registry.affinity import affinity
from registry.identity import PatientNumber, decide_issuer, write_cx
from registry.metadata_types import cx_fault
from registry.models import Patient, PatientIdentifier


def read_number(cx: str) -> PatientNumber | None:
    """Read a CX text; a national number is one number however it is written. None if it is no CX."""
    if cx_fault(cx):
        return None
    value, _, rest = cx.partition("^")
    return decide_issuer(value, rest.split("&")[1], ())


def find_patients(texts: Iterable[str]) -> dict[str, int]:
    """Return the patients by the CX texts that name them; not known and subsumed numbers are left out."""
    numbers = {text: number for text in set(texts) if (number := read_number(text)) is not None}
    values = [number.value for number in numbers.values()]
    rows = PatientIdentifier.objects.filter(value__in=values, subsumed_at__isnull=True)
    known = {(row.value, row.issuer): row.patient_id for row in rows}
    found = {text: known.get((number.value, number.issuer)) for text, number in numbers.items()}
    return {text: patient_id for text, patient_id in found.items() if patient_id is not None}


def lock_patients(patient_ids: Iterable[int]) -> None:
    """Let whoever else registers for, or merges, these patients wait until the transaction ends.

    Storing images takes a weaker lock and goes on meanwhile. SQLite has one writer anyway.
    """
    rows = Patient.objects.filter(pk__in=set(patient_ids)).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def write_patients(patient_ids: Iterable[int]) -> dict[int, str]:
    """Name patients as CX: in the first domain of documents in which they have a number, else in any."""
    wanted = set(patient_ids)
    if not wanted:
        return {}
    order = {domain.oid: position for position, domain in enumerate(affinity().xds_domains)}
    numbers: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    rows = PatientIdentifier.objects.filter(patient_id__in=wanted, subsumed_at__isnull=True)
    for row in rows:
        rank = order.get(row.issuer, len(order))
        numbers[row.patient_id].append((rank, row.pk, write_cx(row.value, row.issuer)))
    return {patient_id: min(found)[2] for patient_id, found in numbers.items()}
