"""One state of an order as OMI^O23.

Standard: HL7 v2.5.1 4.4.12, 4.5.1 (ORC), 4.5.6 (IPC), tables 0038 and 0119; IHE RAD TF-2 4.4
"""

from datetime import datetime

from registry.models import Destination, Order, Study
from repository.delivery.contents.messages import (
    Message,
    formatted,
    join,
    plain,
    write_coded,
    write_entity,
    write_message,
    write_moment,
    write_person,
    write_segment,
)
from repository.delivery.contents.own_numbers import find_accession, find_procedure
from repository.delivery.contents.patient_segment import write_patient

KIND = join("OMI", "O23", "OMI_O23")
NEW, CHANGED, CANCELLED = "NW", "XO", "CA"
STATES = {
    "requested": "",
    "scheduled": "SC",
    "in_progress": "IP",
    "held": "HD",
    "completed": "CM",
    "cancelled": "CA",
}
URGENCIES = {"urgent": "S", "normal": "R"}


def write_order(
    order: Order, study: Study, destination: Destination, planned_at: datetime, key: str, *, is_first: bool
) -> Message:
    """Write an order as it stands for a receiver; new where it was told of none of it before."""
    number, issuer = find_accession(study, destination, order)
    accession = write_entity(number, issuer)
    segments = [
        write_patient(study, destination),
        _write_control(order, is_first=is_first),
        _write_timing(order),
        _write_request(order, study, destination, accession),
        _write_procedure(order, study, accession),
    ]
    return write_message(destination, KIND, filter(None, segments), planned_at, key)


def _write_control(order: Order, *, is_first: bool) -> str:
    control = CANCELLED if order.status == "cancelled" else NEW if is_first else CHANGED
    department = order.ordering_department
    fields = dict.fromkeys(range(1, 22), "")
    fields[1] = control
    fields[2] = write_entity(order.placer_order_number, order.placer_issuer)
    fields[3] = write_entity(order.filler_order_number, "")
    fields[5] = STATES.get(order.status, "")
    fields[9] = write_moment(order.changed_at or order.ordered_at)
    fields[12] = write_person(order.requester)
    if department is not None:
        fields[17] = write_coded(department.hsa_id, "", department.name)
        name = plain(f"{department.unit.name}, {department.name}")
        fields[21] = join(name, "", plain(department.hsa_id))
    return write_segment("ORC", *fields.values())


def _write_timing(order: Order) -> str:
    fields = ["1", *("",) * 5, write_moment(order.scheduled_at), "", URGENCIES.get(order.urgency, "")]
    return write_segment("TQ1", *fields) if any(fields[1:]) else ""


def _write_request(order: Order, study: Study, destination: Destination, accession: str) -> str:
    procedure = find_procedure(study, destination, order)
    fields = dict.fromkeys(range(1, 32), "")
    fields[1] = "1"
    fields[2] = write_entity(order.placer_order_number, order.placer_issuer)
    fields[3] = write_entity(order.filler_order_number, "")
    fields[4] = write_coded(procedure.code, procedure.scheme, procedure.text or "Radiology")
    fields[6] = write_moment(order.ordered_at)
    fields[13] = formatted(order.history)
    fields[16] = write_person(order.requester)
    fields[18] = accession.partition("^")[0]
    fields[19] = plain(order.requested_procedure_id)
    fields[24] = "RAD"
    fields[31] = "~".join(write_coded("", "", line) for line in order.question.splitlines() if line.strip())
    return write_segment("OBR", *fields.values())


def _write_procedure(order: Order, study: Study, accession: str) -> str:
    modality = plain(study.modalities_in_study[0]) if study.modalities_in_study else ""
    procedure_id = plain(order.requested_procedure_id) or accession.partition("^")[0] or str(order.pk)
    return write_segment(
        "IPC", accession, procedure_id, plain(study.study_instance_uid), procedure_id, modality
    )
