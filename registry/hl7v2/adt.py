"""The patient identity feed and visits.

Standard: IHE ITI TF-2 3.8 (ITI-8), 3.10, 3.30 and 3.31; HL7 v2.5.1 chapter 3
"""

from collections.abc import Iterator
from dataclasses import replace

from access import audit
from registry.hl7v2.message import Message, Segment
from registry.hl7v2.patients import feed, read_numbers, read_patient
from registry.hl7v2.receive import Handler, Incoming, Prepared
from registry.hl7v2.refusal import (
    REQUIRED_FIELD_MISSING,
    SEGMENT_SEQUENCE,
    UNKNOWN_KEY,
    Location,
    RefusedMessage,
)
from registry.hl7v2.values import read_numbered
from registry.hl7v2.visits import cancel_visit, take_visit
from registry.identity import PatientNumber, find_patient
from registry.merge_moves import LINK
from registry.merge_requests import ask_to_merge, withdraw_link
from registry.merges import ImpossibleMerge, MergeStands, unlink
from registry.models import Encounter, PatientMerge
from registry.moved_visits import move_visit
from registry.relations import relate_from_encounter
from registry.workflow_changes import tell_visit


def take_patient(incoming: Incoming) -> Prepared:
    """Make a patient known or bring it up to date, with the visit (A01, A04, A05, A08, A28, A31 and kin)."""
    pid = incoming.message.require("PID")
    sent = read_patient(pid, incoming.sender)
    event = incoming.message.header.text(9, 2)

    def work() -> str:
        patient = feed(sent)
        visit = take_visit(incoming.message, incoming.sender, patient, event)
        audit.record(
            incoming.sender.actor,
            "patient_feed",
            door="hl7v2",
            patient_id=patient.pk,
            detail={"event": event, "encounter": visit.pk if visit else None},
        )
        return ""

    return work


def take_end_of_visit(incoming: Incoming) -> Prepared:
    """End a visit (A03), at PV1-45 or when the message was sent."""
    take = take_patient(incoming)
    message, sender = incoming.message, incoming.sender

    def work() -> str:
        said = take()
        patient = find_patient(read_patient(message.require("PID"), sender).number)
        visit = take_visit(message, sender, patient) if patient else None
        if visit is not None and visit.ended_at is None:
            visit.ended_at = incoming.sent_at
            visit.save(update_fields=["ended_at"])
            tell_visit(visit)
            relate_from_encounter(visit, visit.ended_at)
        return said

    return work


def take_cancelled_visit(incoming: Incoming) -> Prepared:
    """Take an admission back that was not one (A11, A38)."""
    sent = read_patient(incoming.message.require("PID"), incoming.sender)
    incoming.message.require("PV1")

    def work() -> str:
        patient = feed(sent)
        cancel_visit(incoming.message, incoming.sender)
        audit.record(
            incoming.sender.actor,
            "patient_feed",
            door="hl7v2",
            patient_id=patient.pk,
            detail={"event": incoming.message.header.text(9, 2)},
        )
        return ""

    return work


def take_merge(incoming: Incoming) -> Prepared:
    """Merge: PID-3 survives, MRG-1 is subsumed; several pairs in one message (A40, and A34, A39, A47)."""
    pairs = [
        (read_patient(pid, incoming.sender), _read_prior(mrg, incoming))
        for pid, mrg in _read_groups(incoming.message)
    ]

    def work() -> str:
        for (sent, prior), (_pid, mrg) in zip(pairs, _read_groups(incoming.message), strict=True):
            feed(replace(sent, others=tuple(each for each in sent.others if each != prior)))
            survivor = _choose_same_issuer(sent.numbers, prior)
            try:
                ask_to_merge(
                    survivor,
                    prior,
                    source=incoming.sender.name,
                    message_id=incoming.control_id,
                    actor=incoming.sender.actor,
                )
            except ImpossibleMerge as error:
                raise RefusedMessage(UNKNOWN_KEY, str(error), mrg.at(1, 1, 1)) from error
        return ""

    return work


def take_link(incoming: Incoming) -> Prepared:
    """Let the numbers of two PID segments be one person's (A24)."""
    first, second = _read_two(incoming)

    def work() -> str:
        try:
            ask_to_merge(first, second, source=incoming.sender.name, kind=LINK, actor=incoming.sender.actor)
        except ImpossibleMerge as error:
            raise RefusedMessage(UNKNOWN_KEY, str(error), Location("PID", 2, 3)) from error
        return ""

    return work


def take_unlink(incoming: Incoming) -> Prepared:
    """Part the numbers of two PID segments that were linked (A37)."""
    first, second = _read_two(incoming)

    def work() -> str:
        reason = f"message {incoming.control_id}"
        if withdraw_link(first, second, by=incoming.sender.actor, reason=reason):
            return ""
        patients = [find_patient(first), find_patient(second)]
        rows = PatientMerge.objects.filter(kind="link", undone_at__isnull=True)
        rows = rows.filter(survivor__in=[patient for patient in patients if patient])
        found = next((row for row in rows.order_by("-pk") if _is_about(row, first, second)), None)
        if found is None:
            raise RefusedMessage(UNKNOWN_KEY, "the two numbers are not linked", Location("PID", 2, 3))
        try:
            unlink(found.pk, by=incoming.sender.actor, reason=reason)
        except MergeStands as error:
            raise RefusedMessage(UNKNOWN_KEY, str(error), Location("PID", 2, 3)) from error
        return ""

    return work


def take_moved_visit(incoming: Incoming) -> Prepared:
    """Move visits to the patient of PID from that of MRG-1: MRG-5, else PV1-19 (A45)."""
    groups = list(_read_groups(incoming.message))
    sent = [read_patient(pid, incoming.sender) for pid, _ in groups]
    visits = list(incoming.message.all("PV1"))

    def work() -> str:
        for index, (_, mrg) in enumerate(groups):
            patient = feed(sent[index])
            source = mrg if mrg.raw(5) else (visits[index] if index < len(visits) else mrg)
            number, issuer = read_numbered(source.value(5 if source is mrg else 19))
            issuer = issuer or incoming.sender.encounter_issuer or incoming.sender.department.unit.hsa_id
            if not number:
                raise RefusedMessage(
                    REQUIRED_FIELD_MISSING, "the visit to move needs a number", mrg.at(5, 1, 1)
                )
            row = Encounter.objects.filter(number=number, issuer=issuer).first()
            if row is None:
                raise RefusedMessage(
                    UNKNOWN_KEY, "there is no such visit", source.at(5 if source is mrg else 19)
                )
            move_visit(row, patient)
            audit.record(
                incoming.sender.actor,
                "patient_feed",
                door="hl7v2",
                patient_id=patient.pk,
                detail={"event": "A45", "encounter": row.pk},
            )
        return ""

    return work


def _read_groups(message: Message) -> Iterator[tuple[Segment, Segment]]:
    """Return PID and MRG of each patient group.

    Raises
    ------
    RefusedMessage
        One of them stands alone.
    """
    message.require("PID")
    message.require("MRG")
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            if pid is not None:
                raise RefusedMessage(SEGMENT_SEQUENCE, "a PID has no MRG after it", pid.at(0))
            pid = segment
        elif segment.name == "MRG":
            if pid is None:
                raise RefusedMessage(SEGMENT_SEQUENCE, "an MRG has no PID before it", segment.at(0))
            yield pid, segment
            pid = None
    if pid is not None:
        raise RefusedMessage(SEGMENT_SEQUENCE, "a PID has no MRG after it", pid.at(0))


def _read_prior(mrg: Segment, incoming: Incoming) -> PatientNumber:
    numbers = read_numbers(mrg, 1, incoming.sender)
    if not numbers:
        raise RefusedMessage(REQUIRED_FIELD_MISSING, "the subsumed number is required", mrg.at(1, 1, 1))
    return numbers[0]


def _choose_same_issuer(numbers: tuple[PatientNumber, ...], prior: PatientNumber) -> PatientNumber:
    """Return the surviving number: the one of the same issuer, which a merge is about, else the first."""
    return next((each for each in numbers if each.issuer == prior.issuer and each != prior), numbers[0])


def _read_two(incoming: Incoming) -> tuple[PatientNumber, PatientNumber]:
    pids = list(incoming.message.all("PID"))
    if len(pids) != 2:
        raise RefusedMessage(
            SEGMENT_SEQUENCE, "two PID segments are required", Location("PID", len(pids) or 1)
        )
    first, second = (read_patient(pid, incoming.sender).number for pid in pids)
    return first, second


def _is_about(row: PatientMerge, first: PatientNumber, second: PatientNumber) -> bool:
    """Tell whether a link was made for these two: one of the numbers was moved by it, the other was not."""
    keys = set(row.moved.filter(table="registry.PatientIdentifier").values_list("row", flat=True))
    known = {
        identifier.pk
        for number in (first, second)
        for identifier in row.survivor.identifiers.filter(value=number.value, issuer=number.issuer)
    }
    return len(known & keys) == 1


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("A01", "A02", "A04", "A05", "A06", "A07", "A08", "A13", "A28", "A31"), take_patient),
    "A03": take_end_of_visit,
    "A11": take_cancelled_visit,
    "A38": take_cancelled_visit,
    **dict.fromkeys(("A34", "A39", "A40", "A47"), take_merge),
    "A24": take_link,
    "A37": take_unlink,
    "A45": take_moved_visit,
}
"""By trigger event."""
