"""Orders: OMI^O23 and ORM^O01, and OMG^O19 where it is sent for imaging.

Standard: HL7 v2.5.1 chapter 4; IHE RAD TF-2 4.2, 4.3, 4.4 (RAD-2, RAD-3, RAD-4), 4.13
"""

from dataclasses import replace
from datetime import datetime

from access import audit
from access.models import Department
from registry.hl7v2.message import Segment
from registry.hl7v2.patients import find_person, read_patient
from registry.hl7v2.receive import Handler, Incoming, Prepared
from registry.hl7v2.refusal import (
    DUPLICATE_KEY,
    REQUIRED_FIELD_MISSING,
    SEGMENT_SEQUENCE,
    TABLE_VALUE_NOT_FOUND,
    Location,
    RefusedMessage,
)
from registry.hl7v2.requests import (
    Group,
    is_study_uid,
    read_accessions,
    read_filler,
    read_groups,
    read_placer,
    read_study_uids,
)
from registry.hl7v2.values import read_coded, read_person, read_time
from registry.hl7v2.visits import find_department, find_place, take_visit
from registry.linking import Accession
from registry.models import Encounter, Patient
from registry.orders import CANCELLED, NamelessOrder, OrderDraft, OrderOfAnother, take_order

BY_CONTROL = {
    **dict.fromkeys(("NW", "SN", "RO", "RF", "CH", "PA", "RL"), "requested"),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR", "RP", "RU"), CANCELLED),
    **dict.fromkeys(("HD", "HR", "OH"), "held"),
    **dict.fromkeys(("XO", "XX", "XR", "SC", "SR", "SS", "OK", "NA", "NR", "RE", "OR", "UX", "UC", "UD"), ""),
}
"""Status that follows from ORC-1 by itself; empty where it says nothing of it. Standard: table 0119"""
BY_STATUS = {
    **dict.fromkeys(("CA", "DC", "RP"), CANCELLED),
    "SC": "scheduled",
    **dict.fromkeys(("IP", "A"), "in_progress"),
    "CM": "completed",
    "HD": "held",
}
"""Standard: table 0038"""
URGENT = frozenset({"S", "A", "T", "C", "P", "STAT", "ASAP", "UR", "U", "TS"})


def take_orders(incoming: Incoming) -> Prepared:
    """Write every order of a message, with the visit it belongs to."""
    message = incoming.message
    sent = read_patient(message.require("PID"), incoming.sender)
    groups = read_groups(message)
    if not groups:
        raise RefusedMessage(SEGMENT_SEQUENCE, "an order needs the segment ORC", Location("ORC"))
    for group in groups:
        _check(group)

    def work() -> str:
        patient = find_person(sent)
        encounter = take_visit(message, incoming.sender, patient)
        for group in groups:
            for draft in _read_drafts(incoming, group, patient, encounter):
                _take(incoming, group, draft)
        return ""

    return work


def _take(incoming: Incoming, group: Group, draft: OrderDraft) -> None:
    at = (group.find("ORC") or group.segments[0]).at(3 if draft.accession.number else 2, 1, 1)
    try:
        order = take_order(draft)
    except OrderOfAnother as error:
        raise RefusedMessage(DUPLICATE_KEY, str(error), at) from error
    except NamelessOrder as error:
        raise RefusedMessage(REQUIRED_FIELD_MISSING, str(error), at) from error
    audit.record(
        incoming.sender.actor,
        "order_feed",
        door="hl7v2",
        patient_id=order.patient_id,
        detail={"order": order.pk, "control": group.text("ORC", 1), "status": order.status},
    )


def _check(group: Group) -> None:
    control = group.find("ORC")
    if control is None:
        raise RefusedMessage(SEGMENT_SEQUENCE, "an order needs the segment ORC", Location("ORC"))
    if control.require(1) not in BY_CONTROL:
        known = ", ".join(BY_CONTROL)
        raise RefusedMessage(
            TABLE_VALUE_NOT_FOUND, f"unknown order control; known are {known}", control.at(1)
        )


def _read_drafts(
    incoming: Incoming, group: Group, patient: Patient, encounter: Encounter | None
) -> list[OrderDraft]:
    """Read an order: one for each accession number that it was given."""
    sender = incoming.sender
    control = group.segments[0]
    placer, placer_issuer = read_placer(group, sender)
    changed_at = read_time(control, 9) or incoming.sent_at
    is_new = control.text(1) == "NW"
    requester_id, texts = _read_texts(group)
    draft = OrderDraft(
        patient=patient,
        changed_at=changed_at,
        accession=Accession(""),
        placer_order_number=placer,
        placer_issuer=placer_issuer,
        status=_read_status(group),
        texts=texts,
        ordered_at=changed_at if is_new else _moment(group, ("ORC", 15, 1), ("OBR", 6, 1)),
        scheduled_at=_moment(group, ("TQ1", 7, 1), ("OBR", 36, 1), ("ORC", 7, 4), ("OBR", 27, 4)),
        encounter=encounter,
        ordering_department=_find_ordering(incoming, group),
        performing_department=sender.department,
        requester_id=requester_id,
        study_instance_uids=read_study_uids(group.segments),
    )
    found = read_accessions(group, sender)
    if len(found) < 2:
        return [replace(draft, accession=found[0] if found else Accession(""))]
    steps = group.all("IPC")
    return [
        replace(
            draft,
            accession=each,
            study_instance_uids=read_study_uids(step for step in steps if step.text(1) == each.number),
        )
        for each in found
    ]


def _read_texts(group: Group) -> tuple[str, dict[str, str]]:
    """Return the requester's id, and the columns that the message states: those it leaves out are not in it."""
    texts = {
        "filler_order_number": read_filler(group)[0],
        "requested_procedure_id": group.text("IPC", 2) or group.text("OBR", 19)[:64],
        "question": _join_values(group, ("OBR", 31), ("ORC", 16)) or _join_notes(group),
        "history": "\n".join(filter(None, (_whole(group, "OBR", 13), *_read_observations(group)))),
        "urgency": _read_urgency(group),
    }
    if _join_values(group, ("OBR", 31), ("ORC", 16)):
        texts["question"] = "\n".join(filter(None, (texts["question"], _join_notes(group))))
    for segment, number in (("OBR", 44), ("OBR", 4)):
        row = group.find(segment)
        code, scheme, text = read_coded(row.value(number)) if row else ("", "", "")
        if code or text:
            texts |= {"procedure_code": code, "procedure_code_scheme": scheme, "procedure_text": text}
            break
    requester_id = ""
    for segment, number in (("ORC", 12), ("OBR", 16)):
        row = group.find(segment)
        number_of, name = read_person(row.value(number)) if row else ("", "")
        if number_of or name:
            requester_id, texts["requester"] = number_of, name
            break
    stated = {column: text for column, text in texts.items() if text}
    return requester_id, stated | _read_nulls(group)


def _read_nulls(group: Group) -> dict[str, str]:
    """Return the columns that the message says are to be empty."""
    places = {"question": ("OBR", 31), "history": ("OBR", 13), "requester": ("ORC", 12)}
    found = {column: (group.find(segment), number) for column, (segment, number) in places.items()}
    return {column: "" for column, (row, number) in found.items() if row is not None and row.is_null(number)}


def _read_urgency(group: Group) -> str:
    """Return the urgency in the words of the house; empty where the message is silent."""
    places = (("TQ1", 9, 1), ("ORC", 7, 6), ("OBR", 27, 6), ("OBR", 5, 1))
    for segment, number, component in places:
        code = group.text(segment, number, component).upper()
        if code:
            return "urgent" if code in URGENT else "normal"
    return ""


def _read_observations(group: Group) -> list[str]:
    """Return the clinical observations beside an order, each as what it is called and what it says."""
    lines = []
    for row in group.all("OBX"):
        is_text = row.text(2) in ("TX", "FT", "ST", "CE", "CWE", "NM", "DT", "TM", "TS", "SN", "DTM", "")
        if is_study_uid(row) or not is_text:
            continue
        coded = row.text(2) in ("CE", "CWE")
        values = [value.text(2) or value.text(1) if coded else value.whole() for value in row.values(5)]
        said = "\n".join(values)
        name = row.text(3, 2) or row.text(3, 1)
        unit = f" {row.text(6)}" if row.text(6) else ""
        if said.strip():
            lines.append(f"{name}: {said}{unit}" if name else said)
    return lines


def _join_values(group: Group, *places: tuple[str, int]) -> str:
    """Return the texts of the first coded field that holds something, a line for each repetition."""
    for segment, number in places:
        row = group.find(segment)
        texts = (
            [value.text(2) or value.text(5) or value.text(1) for value in row.values(number)] if row else []
        )
        if any(texts):
            return "\n".join(text for text in texts if text)
    return ""


def _join_notes(group: Group) -> str:
    return "\n".join(value.whole() for row in group.all("NTE") for value in row.values(3)).strip()


def _whole(group: Group, segment: str, number: int) -> str:
    row = group.find(segment)
    return "\n".join(value.whole() for value in row.values(number)).strip() if row else ""


def _moment(group: Group, *places: tuple[str, int, int]) -> datetime | None:
    for name, number, component in places:
        segment: Segment | None = group.find(name)
        found = read_time(segment, number, component) if segment else None
        if found is not None:
            return found
    return None


def _find_ordering(incoming: Incoming, group: Group) -> Department | None:
    """Return who asks, by HSA-id: ORC-17, the ordering facility of ORC-21, ORC-13, else where the patient is."""
    names = (
        group.text("ORC", 17),
        group.text("ORC", 21, 10),
        group.text("ORC", 21, 3),
        group.text("ORC", 13, 1),
        group.text("ORC", 13, 4),
    )
    found = find_department(*names)
    visit = incoming.message.find("PV1")
    if found is None and visit is not None and visit.raw(3):
        found = find_place(visit, incoming.sender)
    return found


def _read_status(group: Group) -> str:
    return BY_STATUS.get(group.text("ORC", 5).upper()) or BY_CONTROL[group.text("ORC", 1)]


HANDLERS: dict[str, Handler] = {"O23": take_orders, "O01": take_orders, "O19": take_orders}
"""By trigger event."""
