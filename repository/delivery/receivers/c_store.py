"""One association of C-STORE requests to somebody else's system.

Standard: PS3.4 B, PS3.7 9.1.1
"""

import io
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from pydicom import dcmread
from pynetdicom import AE, _config, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from repository.delivery.receivers import verify_dimse
from repository.delivery.receivers.address import Address, ForbiddenAddress
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer, describe_reason
from repository.presentation_contexts import NoCommonSyntax, choose_syntax, contexts_for

ASSOCIATION_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 60.0
NETWORK_TIMEOUT_S = 120.0
_CALLED_NOT_RECOGNISED = 7
_CALLING_NOT_RECOGNISED = 3
_REJECTED_FOR_NOW = 2


def connect(address: Address, called_ae_title: str, context: ssl.SSLContext | None = None) -> Receiver:
    """Prepare to speak to a checked address; nothing is sent yet. `context` is for `dicoms`.

    Raises
    ------
    ForbiddenAddress
        The destination has no AE title.
    """
    if not called_ae_title.strip():
        raise ForbiddenAddress(
            "a system that speaks DIMSE is called by its AE title: give it to the destination"
        )
    peer = _Peer(address, called_ae_title.strip(), context)
    return Receiver(
        store=partial(_store, peer),
        probe=partial(_probe, peer),
        close=_close,
        answer_timeout_s=ANSWER_TIMEOUT_S,
        verify=partial(_verify, peer),
    )


@dataclass(frozen=True, slots=True)
class _Peer:
    """The address and title of a receiver."""

    address: Address
    title: str
    context: ssl.SSLContext | None

    def associate(self, contexts: Sequence[Any], handlers: Sequence[Any] = ()) -> Any:
        """Open an association, with handlers of what the peer asks on it.

        Raises
        ------
        FailedRequest
            Nobody is there, or the peer rejects us.
        """
        ae = AE(settings.DIMSE_AE_TITLE)
        ae.acse_timeout = ae.connection_timeout = ASSOCIATION_TIMEOUT_S
        ae.dimse_timeout, ae.network_timeout = ANSWER_TIMEOUT_S, NETWORK_TIMEOUT_S
        _config.STORE_SEND_CHUNKED_DATASET = True  # a file is sent from the disk, not from memory
        _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
        tls = (self.context, self.address.host) if self.context else None
        association = ae.associate(
            self.address.ip,
            self.address.port,
            contexts=list(contexts),
            ae_title=self.title,
            tls_args=tls,
            evt_handlers=list(handlers),
        )
        if association.is_established:
            return association
        raise FailedRequest(_explain_rejection(association))


def _store(
    peer: _Peer, files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> StoreAnswer:
    waiting = list(files)
    proposed = contexts_for([file.instance for file in waiting])
    association = peer.associate([build_context(name, list(syntaxes)) for name, syntaxes in proposed])
    accepted: dict[str, set[str]] = {}
    for context in association.accepted_contexts:
        accepted.setdefault(str(context.abstract_syntax), set()).add(str(context.transfer_syntax[0]))
    stored: set[str] = set()
    failed: dict[str, str] = {}
    busy: set[str] = set()
    try:
        for number, file in enumerate(waiting, start=1):
            syntaxes = frozenset(accepted.get(file.instance.sop_class_uid, ()))
            try:
                syntax = choose_syntax(file.instance, syntaxes)
            except NoCommonSyntax:
                failed[file.sop_instance_uid] = describe_reason(0x0122 if not syntaxes else 0xC122)
                continue
            on_body_sent()  # the lease is renewed for the time that one answer may take
            status = _send(association, file, syntax, syntaxes, number % 65535, on_sent)
            _sort(file.sop_instance_uid, status, stored, failed, busy)
    finally:
        if association.is_established:
            association.release()
    return StoreAnswer(frozenset(stored), failed, frozenset(busy))


def _send(
    association: Any,
    file: File,
    syntax: str,
    accepted: frozenset[str],
    message_id: int,
    on_sent: Callable[[int], None],
) -> int:
    """Send one instance and return the status of the answer.

    Raises
    ------
    FailedRequest
        The association broke or fell silent.
    """
    with tempfile.TemporaryDirectory(dir=_spool()) as scratch:
        path = Path(scratch) / "instance.dcm"
        try:
            with path.open("wb") as out:
                for block in file.open(syntax):
                    out.write(block)
                    on_sent(len(block))
        except (OSError, ValueError, LookupError) as error:
            raise FailedRequest(Failure("source", "source_unreadable", str(error))) from error
        # A receiver of Implicit VR alone gets the data set written anew, in memory.
        what: Any = path if syntax in accepted else dcmread(io.BytesIO(path.read_bytes()))
        try:
            answer = association.send_c_store(what, msg_id=message_id)
        except (RuntimeError, ValueError, AttributeError) as error:
            raise FailedRequest(
                Failure("retry", "connection_cut", f"the association broke: {error}")
            ) from error
    if "Status" not in answer:
        text = "the receiver did not answer in time, or ended the association"
        raise FailedRequest(Failure("retry", "connection_cut", text))
    return int(answer.Status)


def _sort(uid: str, status: int, stored: set[str], failed: dict[str, str], busy: set[str]) -> None:
    """Put an instance where its status belongs: success and warnings are stored, A7xx is worth another try."""
    if status == 0 or status >> 12 == 0xB or status in (0x0001, 0x0107, 0x0116):
        stored.add(uid)
    elif status >> 8 == 0xA7:
        busy.add(uid)
    else:
        failed[uid] = describe_reason(status)


def _probe(peer: _Peer) -> None:
    association = peer.associate([build_context(Verification)])
    try:
        answer = association.send_c_echo()
    finally:
        association.release()
    if "Status" not in answer or answer.Status != 0:
        raise FailedRequest(Failure("retry", "receiver_error", "the receiver does not answer C-ECHO"))


def _verify(
    peer: _Peer, mode: str, instances: Sequence[Any], *, on_wait: Callable[[], None]
) -> frozenset[str]:
    on_wait()
    if mode == "storage-commitment":
        return verify_dimse.commit_instances(peer.associate, peer.title, instances, on_wait)
    return verify_dimse.find_instances(peer.associate, instances)


def _explain_rejection(association: Any) -> Failure:
    if not association.is_rejected:
        return Failure("retry", "no_connection", "no connection to the receiver, or it ended the association")
    answer = association.acceptor.primitive
    if answer.result == _REJECTED_FOR_NOW:
        return Failure("busy", "receiver_busy", "the receiver rejects associations for now", None, 30.0)
    said = {
        _CALLED_NOT_RECOGNISED: "the receiver does not know the AE title it is called by",
        _CALLING_NOT_RECOGNISED: f"the receiver does not know our AE title {settings.DIMSE_AE_TITLE}",
    }
    text = said.get(answer.diagnostic, "the receiver rejects the association")
    return Failure("destination", "destination_fault", text)


def _spool() -> str:
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    return str(settings.SPOOL_ROOT)


def _close() -> None:
    """Nothing is kept between the requests: each has an association of its own."""
