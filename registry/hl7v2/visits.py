"""Visits and admissions: PV1 as Encounter.

Standard: HL7 v2.5.1 3.4.3
"""

from access.models import Department
from registry import changes
from registry.hl7v2.message import Message, Segment
from registry.hl7v2.refusal import DUPLICATE_KEY, RefusedMessage
from registry.hl7v2.senders import Sender
from registry.hl7v2.values import read_numbered, read_time
from registry.models import Encounter, Patient
from registry.relations import end_relation_of_encounter, relate_from_encounter
from registry.workflow_changes import tell_cancelled_visit, tell_visit


def visit_number(visit: Segment, sender: Sender, patient: Segment | None = None) -> tuple[str, str]:
    """Return number and issuer of a visit: PV1-19, else the account of PID-18; empty where there is none."""
    number, issuer = read_numbered(visit.value(19))
    if not number and patient is not None:
        number, issuer = read_numbered(patient.value(18))
    return number, issuer or sender.encounter_issuer or sender.department.unit.hsa_id


def take_visit(message: Message, sender: Sender, patient: Patient, event: str = "") -> Encounter | None:
    """Write the visit of a message, with the relation that follows; None where it has no number.

    Raises
    ------
    RefusedMessage
        The number is that of another patient's visit.
    """
    visit = message.find("PV1")
    if visit is None:
        return None
    number, issuer = visit_number(visit, sender, message.find("PID"))
    if not number:
        return None
    row = Encounter.objects.filter(number=number, issuer=issuer).first()
    if row is None:
        row = Encounter(patient=patient, number=number, issuer=issuer)
    elif row.patient_id != patient.pk:
        raise RefusedMessage(DUPLICATE_KEY, "the visit is another patient's", visit.at(19, 1, 1))
    was_at, was = row.department_id, _stated(row)
    row.department = find_place(visit, sender) or row.department
    row.patient_class = visit.text(2)[:8] or row.patient_class
    row.started_at = read_time(visit, 44) or row.started_at
    row.ended_at = None if event == "A13" else read_time(visit, 45) or row.ended_at
    row.save()
    if _stated(row) != was:
        tell_visit(row)
    relation = relate_from_encounter(row, row.ended_at)
    if relation is not None and was_at not in (None, row.department_id):  # a move within one unit begins none
        changes.append("relation", "", {"row": relation.pk})
    return row


def _stated(row: Encounter) -> tuple[object, ...]:
    return row.pk, row.department_id, row.patient_class, row.started_at, row.ended_at


def cancel_visit(message: Message, sender: Sender) -> None:
    """Take a visit back that never was: it ends where it began, and so does what followed from it."""
    visit = message.require("PV1")
    number, issuer = visit_number(visit, sender, message.find("PID"))
    row = Encounter.objects.filter(number=number, issuer=issuer).first()
    if row is None:
        return
    end_relation_of_encounter(row)
    if row.orders.exists():
        Encounter.objects.filter(pk=row.pk).update(ended_at=row.started_at)
        tell_visit(row)
    else:
        tell_cancelled_visit(row)
        row.delete()


def find_place(visit: Segment, sender: Sender) -> Department | None:
    """Return the department of PV1-3 by HSA-id (point of care, facility); the sender's own where it says none.

    A place that nobody knows is none: care relations follow from it.
    """
    names = [visit.text(3, part) for part in (1, 4, 9)] + [visit.text(3, 4, 2)]
    if not any(names):
        return sender.department
    return find_department(*names)


def find_department(*hsa_ids: str) -> Department | None:
    """Return the first department that is known by one of the HSA-ids."""
    for hsa_id in hsa_ids:
        found = Department.objects.filter(hsa_id=hsa_id).first() if hsa_id else None
        if found is not None:
            return found
    return None
