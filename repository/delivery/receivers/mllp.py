"""One message to somebody else's HL7 v2 system over MLLP, and what its acknowledgment means.

Standard: HL7 v2 Transport Specification: MLLP, Release 1; HL7 v2.5.1 2.9.2 (original mode), tables 0008 and 0357
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from registry.hl7v2.framing import Deframer, OversizedMessage, frame
from registry.hl7v2.message import Message as Answer
from registry.hl7v2.message import parse
from registry.hl7v2.refusal import RefusedMessage
from repository.delivery.contents.messages import Message, conceal
from repository.delivery.receivers.address import Address
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer

CONNECT_TIMEOUT_S = 15.0
ANSWER_TIMEOUT_S = 60.0
MOST_ANSWER_BYTES = 1 << 20
MOST_SAID = 300
TAKEN = frozenset({"AA", "CA"})
REJECTED = frozenset({"AR", "CR"})
NOT_NOW = "207"
"""Application internal error: nothing is wrong with the message."""


def connect(address: Address, context: ssl.SSLContext | None = None) -> Receiver:
    """Prepare to speak to a checked address; nothing is sent yet. `context` is for `mllps`."""
    peer = _Peer(address, context)
    return Receiver(
        store=_refuse_files,
        probe=partial(_probe, peer),
        close=_close,
        answer_timeout_s=ANSWER_TIMEOUT_S,
        post=partial(_post, peer),
    )


@dataclass(frozen=True, slots=True)
class _Peer:
    """The address of a receiver."""

    address: Address
    context: ssl.SSLContext | None

    @contextlib.contextmanager
    def open(self) -> Iterator[socket.socket]:
        """Connect, and close at the end.

        Raises
        ------
        FailedRequest
            Nobody is there, or its certificate is not accepted.
        """
        try:
            connection = self._connect()
        except ssl.SSLCertVerificationError as error:
            text = f"the certificate is not accepted: {error.verify_message}"
            raise FailedRequest(Failure("destination", "destination_fault", text)) from error
        except OSError as error:
            raise FailedRequest(Failure("retry", "no_connection", "no connection to the receiver")) from error
        with connection:
            yield connection

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self.address.ip, self.address.port), CONNECT_TIMEOUT_S)
        if self.context is None:
            return plain
        try:
            return self.context.wrap_socket(plain, server_hostname=self.address.host)
        except BaseException:
            plain.close()
            raise


def _post(
    peer: _Peer, message: Message, *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> None:
    with peer.open() as connection:
        try:
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.sendall(frame(message.body))
            on_sent(len(message.body))
            on_body_sent()
            raw = _receive(connection)
        except TimeoutError as error:
            text = "the receiver did not answer in time"
            raise FailedRequest(Failure("retry", "receiver_slow", text)) from error
        except OSError as error:
            raise FailedRequest(Failure("retry", "connection_cut", "the connection broke")) from error
    _judge(raw, message)


def _receive(connection: socket.socket) -> bytes:
    deframer = Deframer(MOST_ANSWER_BYTES)
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0:
        connection.settimeout(left_s)
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionResetError("closed before the answer was complete")
        try:
            complete = deframer.feed(data)
        except OversizedMessage as error:
            raise _unreadable("it is longer than a megabyte") from error
        if complete:
            return complete[0]
    raise TimeoutError("the answer took too long")


def _judge(raw: bytes, message: Message) -> None:
    """Return when the receiver has taken this very message.

    Raises
    ------
    FailedRequest
        It has not, or says so of another one, or nothing at all.
    """
    answer, code = _read(raw)
    acknowledged = answer.require("MSA").text(2)
    if acknowledged != message.control_id:
        text = f"the receiver acknowledged another message ({acknowledged[:20]!r}) than the one that was sent"
        raise FailedRequest(Failure("retry_once", "answer_mismatch", text))
    if code in TAKEN:
        return
    text = conceal(f"{code}: {_say(answer)}", message)[:MOST_SAID]
    if code not in REJECTED:
        raise FailedRequest(Failure("retry_once", "message_error", text))
    if any(row.text(3) == NOT_NOW for row in answer.all("ERR")):
        raise FailedRequest(Failure("retry", "receiver_error", text))
    raise FailedRequest(Failure("refused", "message_rejected", text))


def _read(raw: bytes) -> tuple[Answer, str]:
    try:
        answer = _parse(raw)
        code = answer.require("MSA").require(1).upper()
    except RefusedMessage as error:
        raise _unreadable(str(error)) from error
    if code not in ("AA", "AE", "AR", "CA", "CE", "CR"):
        raise _unreadable(f"its acknowledgment code is {code[:5]!r}")
    return answer, code


def _parse(raw: bytes) -> Answer:
    """Read an answer; what it says besides codes may be in a set that it does not name, and is not worth a repeat."""
    try:
        return parse(raw)
    except RefusedMessage:
        return parse(bytes(byte if byte < 0x80 else ord("?") for byte in raw))


def _say(answer: Answer) -> str:
    """Return what an answer says about the reason: code, place and words."""
    said = [answer.require("MSA").text(3)]
    for row in answer.all("ERR"):
        place = row.value(2).raw.replace("^", "-")
        said += [" ".join(filter(None, (row.text(3), place, row.text(8) or row.text(3, 2))))]
    return "; ".join(dict.fromkeys(filter(None, said))) or "no reason given"


def _unreadable(why: str) -> FailedRequest:
    return FailedRequest(
        Failure("retry_once", "answer_unreadable", f"the answer is no acknowledgment: {why}")
    )


def _probe(peer: _Peer) -> None:
    """Connect and go: HL7 v2 has nothing to ask that means nothing."""
    with peer.open():
        return


def _refuse_files(
    files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> StoreAnswer:
    raise FailedRequest(Failure("refused", "request_refused", "a system that speaks HL7 v2 takes no images"))


def _close() -> None:
    """Nothing is kept between messages: each has a connection of its own."""
