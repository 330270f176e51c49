"""What is answered: MSA with the code, and for what was not taken ERR with its place and reason.

Standard: HL7 v2.5.1 2.9.2, 2.14.5, 2.14.8
"""

import uuid
from datetime import datetime

from django.utils import timezone

from registry.hl7v2.escapes import escape
from registry.hl7v2.message import Coding, Segment
from registry.hl7v2.refusal import MEANINGS, Location, RefusedMessage

APPLICATION, FACILITY = "SAMSYN", "SAMSYN"
MOST_TEXT = 250


def acknowledge(header: Segment, refused: RefusedMessage | None = None, text: str = "") -> str:
    """Return the acknowledgment of a message in its own delimiters: AA, or what the refusal says.

    Parameters
    ----------
    text
        What the sender's log should say beside AA.
    """
    coding = header.coding
    code = refused.acknowledgment_code if refused else "AA"
    said = str(refused) if refused else text
    segments = [_header(header), _join(coding, "MSA", code, header.raw(10), _text(said[:80], coding))]
    if refused is not None:
        segments.append(_error(refused, coding))
    return "\r".join(segments) + "\r"


def acknowledge_nothing(refused: RefusedMessage) -> str:
    """Return the answer to what has no MSH segment to read."""
    coding = Coding()
    now = _time(timezone.now())
    names = (APPLICATION, FACILITY, "", "", now, "", "ACK", _control_id(), "P", "2.5")
    header = _join(coding, "MSH", _encoding_characters(coding), *names)
    message = _join(coding, "MSA", refused.acknowledgment_code, "", _text(str(refused)[:80], coding))
    return "\r".join((header, message, _error(refused, coding))) + "\r"


def _header(sent: Segment) -> str:
    coding = sent.coding
    event = sent.text(9, 2)
    kind = ["ACK", event, "ACK"] if event else ["ACK"]
    fields = [
        _encoding_characters(coding),
        sent.raw(5) or APPLICATION,
        sent.raw(6) or FACILITY,
        sent.raw(3),
        sent.raw(4),
        _time(timezone.now()),
        "",
        coding.delimiters.component.join(_text(part, coding) for part in kind),
        _control_id(),
        sent.raw(11) or "P",
        sent.raw(12) or "2.5",
    ]
    charset = sent.raw(18)
    return _join(coding, "MSH", *fields, *([""] * 5 + [charset] if charset else []))


def _error(refused: RefusedMessage, coding: Coding) -> str:
    sub = coding.delimiters.component
    reason = sub.join((refused.code, _text(MEANINGS[refused.code], coding), "HL70357"))
    where = _where(refused.location, sub)
    return _join(coding, "ERR", "", where, reason, "E", "", "", "", _text(str(refused)[:MOST_TEXT], coding))


def _where(location: Location | None, separator: str) -> str:
    if location is None:
        return ""
    numbers = [location.sequence, location.field, location.repetition, location.component]
    parts = [location.segment, *(str(number) if number else "" for number in numbers)]
    return separator.join(parts).rstrip(separator)


def _join(coding: Coding, *fields: str) -> str:
    return coding.delimiters.field.join(fields).rstrip(coding.delimiters.field)


def _encoding_characters(coding: Coding) -> str:
    marks = coding.delimiters
    return marks.component + marks.repetition + marks.escape + marks.subcomponent


def _text(text: str, coding: Coding) -> str:
    return escape(text.encode("ascii", "replace").decode(), coding.delimiters)


def _time(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y%m%d%H%M%S%z")


def _control_id() -> str:
    """Return a control id of our own: unique, at most 20 characters for receivers of version 2.3."""
    return uuid.uuid4().hex[:20]
