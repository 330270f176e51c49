"""The patient of a message: PID, and the numbers of MRG.

Standard: HL7 v2.5.1 3.4.2, 3.4.9
"""

from dataclasses import dataclass

from registry.hl7v2.contacts import ADDRESSES, read_contacts
from registry.hl7v2.message import Segment, Value
from registry.hl7v2.refusal import REQUIRED_FIELD_MISSING, RefusedMessage
from registry.hl7v2.senders import Sender
from registry.hl7v2.values import read_date, read_name, read_numbered, read_time
from registry.identity import (
    Demographics,
    PatientNumber,
    decide_issuer,
    feed_patient,
    find_or_create_patient,
    find_patient,
    rules_of,
)
from registry.models import Patient

SEXES = {"M": "M", "F": "F", "O": "O", "A": "O"}


@dataclass(frozen=True, slots=True)
class SentPatient:
    """What a PID says: the number to know the patient by (a national one first), the others, who it is."""

    number: PatientNumber
    others: tuple[PatientNumber, ...]
    demographics: Demographics
    segment: Segment

    @property
    def numbers(self) -> tuple[PatientNumber, ...]:
        """All of the numbers."""
        return (self.number, *self.others)


def read_patient(pid: Segment, sender: Sender) -> SentPatient:
    """Read a PID.

    Raises
    ------
    RefusedMessage
        It has no number, or a date that is none.
    """
    birth_date = read_date(pid, 7)
    names = [read_name(value) for value in pid.values(5)]
    name = next((each for each in names if each), "")
    found = read_numbers(pid, 3, sender, birth_date) or read_numbers(pid, 2, sender, birth_date)
    if not found:
        raise RefusedMessage(REQUIRED_FIELD_MISSING, "the patient needs a number", pid.at(3, 1, 1))
    demographics = Demographics(name, birth_date, SEXES.get(pid.text(8).upper(), ""))
    return SentPatient(found[0], found[1:], demographics, pid)


def read_numbers(
    segment: Segment, field: int, sender: Sender, birth_date: str = ""
) -> tuple[PatientNumber, ...]:
    """Read the numbers of a field (CX), national ones first; one without authority has what the rules say."""
    numbers = []
    for value in segment.values(field):
        number = _read_number(value, sender, birth_date)
        if number.value and number not in numbers:
            numbers.append(number)
    return tuple(sorted(numbers, key=lambda number: not number.is_national))


def _read_number(value: Value, sender: Sender, birth_date: str) -> PatientNumber:
    text, issuer = read_numbered(value)
    return decide_issuer(text, issuer, rules_of(sender.department.pk), birth_date)


def feed(sent: SentPatient) -> Patient:
    """Make the patient known, or bring what is known up to date; call it in a transaction."""
    pid = sent.segment
    postal_code = pid.text(ADDRESSES, 5) or None
    return feed_patient(
        sent.number,
        sent.demographics,
        sent.others,
        postal_code="" if pid.is_null(ADDRESSES) else postal_code,
        deceased_at=read_time(pid, 29),
        contacts=read_contacts(pid),
    )


def find_person(sent: SentPatient) -> Patient:
    """Return the patient whom an order or a report names by any number, made known on first sight."""
    for number in sent.numbers:
        known = find_patient(number)
        if known is not None:
            return known
    return find_or_create_patient(sent.number, sent.demographics)
