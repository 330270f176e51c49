"""A receiver's own numbers for whom and what a message is about: patient, accession, procedure.

A receiver that `translates` gets its own numbers alone, where it has them; any other gets them first, and all that are
known. A patient who has no number there comes under the numbers that are known of the patient.
"""

from dataclasses import dataclass
from typing import Any

from registry.harmonise.read import read_values
from registry.models import Destination, Order, PatientIdentifier, Study


@dataclass(frozen=True, slots=True)
class Number:
    """A patient's number and who gave it."""

    value: str
    issuer: str
    is_national: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """A coded procedure."""

    code: str
    scheme: str
    text: str


def find_patient_numbers(study: Study, destination: Destination) -> list[Number]:
    """Return the numbers of a study's patient, the receiver's first, then the one the study came with."""
    rows = PatientIdentifier.objects.filter(patient=study.person_id, subsumed_at=None).order_by(
        "issuer", "value"
    )
    known = [Number(row.value, row.issuer, row.is_national) for row in rows]
    as_sent = Number(study.patient_id_normal or study.patient_id, study.issuer_of_patient_id)
    if as_sent.value and all((n.value, n.issuer) != (as_sent.value, as_sent.issuer) for n in known):
        known.append(as_sent)
    theirs = [number for number in known if number.issuer == destination.patient_issuer != ""]
    if theirs and destination.translates:
        return theirs
    sent = (as_sent.value, as_sent.issuer)
    return sorted(known, key=lambda n: (n not in theirs, (n.value, n.issuer) != sent))


def find_numbers_of(patient_id: int, destination: Destination) -> list[Number]:
    """Return the numbers of a patient, the receiver's first; those alone where the receiver has one."""
    rows = PatientIdentifier.objects.filter(patient=patient_id, subsumed_at=None).order_by("issuer", "value")
    known = [Number(row.value, row.issuer, row.is_national) for row in rows]
    return [n for n in known if n.issuer == destination.patient_issuer != ""] or known


def find_accession(study: Study, destination: Destination, order: Order | None = None) -> tuple[str, str]:
    """Return the accession number and its issuer by which the receiver knows an order, or a study.

    Another's number is left out for a receiver that translates: it could be that of another order there.
    """
    issuer = destination.accession_issuer
    orders = Order.objects.filter(studies=study.pk, accession_issuer=issuer).exclude(accession_number="")
    if issuer:
        if order is not None and order.accession_issuer == issuer and order.accession_number:
            return order.accession_number, issuer
        number = orders.order_by("-pk").values_list("accession_number", flat=True).first()
        if number:
            return number, issuer
        if study.accession_number and study.accession_issuer == issuer:
            return study.accession_number, issuer
        if destination.translates:
            return "", ""
    if order is not None and order.accession_number:
        return order.accession_number, order.accession_issuer
    return study.accession_number, study.accession_issuer


def find_procedure(study: Study, destination: Destination, order: Order | None = None) -> Procedure:
    """Return what the receiver calls the procedure; else what its source calls it."""
    codes: dict[str, Any] = destination.procedure_codes or {}
    values = read_values([study.pk]).get(study.pk) if codes else None
    own = codes.get(values.procedure_code) if values else None
    if isinstance(own, list) and len(own) == 3:
        code, scheme, text = (str(part) for part in own)
        return Procedure(code, scheme, text)
    if order is not None and (order.procedure_code or order.procedure_text):
        return Procedure(order.procedure_code, order.procedure_code_scheme, order.procedure_text)
    return Procedure("", "", study.study_description)
