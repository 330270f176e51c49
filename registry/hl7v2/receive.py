"""One message in, one answer out: what it does and the journal's row are one transaction.

AA: done, or done before. AE: what the message says is wrong; nothing was done, and the message waits in the
journal for somebody to look at. AR: not taken, for another reason than what it says: an unknown sender, a kind
of message or a version that is not taken; or nothing can be written now, and the same message may come again.

Standard: HL7 v2.5.1 2.9.2
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, IntegrityError
from django.utils import timezone

from access.audit import UnrecordedAccess
from access.database import run_write
from access.models import Department
from registry.hl7v2.acknowledgment import acknowledge, acknowledge_nothing
from registry.hl7v2.message import Message, Segment, parse, read_header
from registry.hl7v2.refusal import (
    DATA_TYPE,
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_MESSAGE_TYPE,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_VERSION,
    RefusedMessage,
    RejectedMessage,
)
from registry.hl7v2.senders import Sender, find_sender, name_sender
from registry.hl7v2.values import read_time
from registry.models import ReceivedMessage

log = logging.getLogger(__name__)

PROCESSING_IDS = ("P", "T", "D")
MOST_CONTROL_ID = 199
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message with its sender; `sent_at` is MSH-7, or now where a sender leaves it out."""

    message: Message
    sender: Sender
    sent_at: datetime
    control_id: str = ""


Prepared = Callable[[], str]
"""What a message does, run in the transaction, perhaps again; returns what the answer says beside AA."""
Handler = Callable[[Incoming], Prepared]
"""Reads a message outside of the transaction, with everything that takes time, and returns what is to be written."""
Handlers = Mapping[str, Mapping[str, Handler]]
"""By message code (ADT) and trigger event (A08); the event `*` takes every other."""


def receive(raw: bytes, handlers: Handlers, stand_in: Department | None = None) -> bytes:
    """Take one message; return the answer. What it echoes is byte for byte, what it says itself is ASCII.

    Parameters
    ----------
    stand_in
        The department under which unknown senders are taken; without, they are rejected.
    """
    try:
        header = read_header(raw)
    except RefusedMessage as refused:
        log.warning("a message without readable MSH was rejected")
        return acknowledge_nothing(refused).encode()
    try:
        answer = _take(raw, header, handlers, stand_in)
    except RefusedMessage as refused:
        _warn(header, refused)
        answer = acknowledge(header, refused)
    except (DatabaseError, UnrecordedAccess, OSError):
        log.exception("message %r of %r could not be written", *_name(header))
        busy = RejectedMessage(INTERNAL_ERROR, "nothing can be written now; send the message again")
        answer = acknowledge(header, busy)
    except Exception:
        log.exception("message %r of %r could not be handled", *_name(header))
        answer = acknowledge(header, RejectedMessage(INTERNAL_ERROR, "the message could not be handled"))
    return answer.encode("latin-1", "replace")


def _name(header: Segment) -> tuple[str, str]:
    return header.raw(10)[:60], name_sender(header)[:100]


def _warn(header: Segment, refused: RefusedMessage) -> None:
    """Log that a message was not taken, by codes and place: its values are the sender's to see."""
    why = (refused.acknowledgment_code, refused.code, refused.location or "")
    log.warning("message %r of %r: %s %s %s", *_name(header), *why)


def _take(raw: bytes, header: Segment, handlers: Handlers, stand_in: Department | None) -> str:
    if b"\0" in raw:
        raise RefusedMessage(DATA_TYPE, f"there is a NUL character at byte {raw.index(0)}")
    control_id = header.require(10)
    if len(control_id) > MOST_CONTROL_ID:
        raise RefusedMessage(
            DATA_TYPE, f"a control id has at most {MOST_CONTROL_ID} characters", header.at(10)
        )
    sender = find_sender(header, stand_in)
    digest = hashlib.sha256(raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r")).digest()
    known = _answer_again(header, sender.name, control_id, digest)
    if known is not None:
        return known
    try:
        _check_header(header)
        handler = _find_handler(header, handlers)
        message = parse(raw, sender.character_set)
        sent_at = read_time(message.header, 7) or timezone.now()
        prepared = handler(Incoming(message, sender, sent_at, control_id))
        return _write(header, sender.name, control_id, digest, prepared)
    except RefusedMessage as refused:
        answer = acknowledge(header, refused)
        _keep(header, sender.name, control_id, digest, answer, refused.acknowledgment_code, raw)
        _warn(header, refused)
        return answer


def _answer_again(header: Segment, sender: str, control_id: str, digest: bytes) -> str | None:
    """Return what a message was answered that is done already; one that was refused may be tried again.

    Raises
    ------
    RefusedMessage
        Another message under the same control id was done.
    """
    row = ReceivedMessage.objects.filter(sender=sender, control_id=control_id).first()
    if row is None or row.acknowledgment_code != "AA":
        return None
    if bytes(row.digest) != digest:
        raise RefusedMessage(
            DUPLICATE_KEY,
            f"another message with the control id {control_id[:60]} was taken at"
            f" {timezone.localtime(row.received_at):%Y-%m-%d %H:%M:%S}; this one was not",
            header.at(10),
        )
    return row.answer


def _write(header: Segment, sender: str, control_id: str, digest: bytes, prepared: Prepared) -> str:
    """Do what a message says and keep that it was done; again where two messages made the same row at once."""

    def work() -> str:
        known = _answer_again(header, sender, control_id, digest)
        if known is not None:
            return known
        answer = acknowledge(header, text=prepared())
        _save(header, sender, control_id, digest, answer, "AA", None)
        return answer

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run_write(work)
        except IntegrityError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _keep(
    header: Segment, sender: str, control_id: str, digest: bytes, answer: str, code: str, raw: bytes
) -> None:
    run_write(lambda: _save(header, sender, control_id, digest, answer, code, raw))


def _save(
    header: Segment, sender: str, control_id: str, digest: bytes, answer: str, code: str, raw: bytes | None
) -> None:
    ReceivedMessage.objects.update_or_create(
        sender=sender,
        control_id=control_id,
        defaults={
            "message_type": f"{header.text(9, 1)}^{header.text(9, 2)}"[:20],
            "digest": digest,
            "received_at": timezone.now(),
            "acknowledgment_code": code,
            "answer": answer,
            "body": raw,
            "handled_at": None,
        },
    )


def _check_header(header: Segment) -> None:
    if not header.text(12).startswith("2."):
        raise RejectedMessage(
            UNSUPPORTED_VERSION, f"version {header.text(12)[:20]!r} is not taken; 2.x is", header.at(12)
        )
    if header.text(11) not in PROCESSING_IDS:
        raise RejectedMessage(
            UNSUPPORTED_PROCESSING_ID,
            f"processing id {header.text(11)[:20]!r} is none of {', '.join(PROCESSING_IDS)}",
            header.at(11),
        )


def _find_handler(header: Segment, handlers: Handlers) -> Handler:
    code = header.require(9, 1)
    event = header.text(9, 2)
    events = handlers.get(code)
    if events is None:
        known = ", ".join(sorted(handlers))
        raise RejectedMessage(
            UNSUPPORTED_MESSAGE_TYPE, f"messages {code[:20]!r} are not taken; {known} are", header.at(9, 1, 1)
        )
    handler = events.get(event) or events.get("*")
    if handler is None:
        known = ", ".join(sorted(events))
        raise RejectedMessage(
            UNSUPPORTED_EVENT,
            f"the event {event[:20]!r} of {code} is not taken; {known} are",
            header.at(9, 1, 2),
        )
    return handler
