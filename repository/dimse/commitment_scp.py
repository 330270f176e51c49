"""Storage commitment: the request is answered, the result goes to the sender's own address.

Standard: PS3.4 J
"""

import logging
import threading
import time

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_role
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from access.actor import Actor
from access.application_entities import find_entity
from access.database import release
from repository.commitment import (
    PROCESSING_FAILURE,
    CommitmentResult,
    DuplicateTransaction,
    Reference,
    TooManyRequests,
    find_commitment,
    request_commitment,
)
from repository.dimse.identifiers import InvalidIdentifier
from repository.dimse.status import NOT_AUTHORISED, OUT_OF_RESOURCES, SUCCESS, make_status

log = logging.getLogger(__name__)

WELL_KNOWN_INSTANCE = UID("1.2.840.10008.1.20.1.1")
REQUEST = 1
ALL_COMMITTED, SOME_FAILED = 1, 2
DUPLICATE_INVOCATION = 0x0210
TRIES = 8
MOST_REFERENCES = 100_000


def commit(event: Event, actor: Actor, own_title: str) -> tuple[Dataset, Dataset | None]:
    """Take a request (N-ACTION) and report on it later; returns the response's status.

    Raises
    ------
    InvalidIdentifier
        No Transaction UID, or nothing is referred to.
    """
    if event.action_type != REQUEST:
        return make_status(PROCESSING_FAILURE, "the only action is 1, request storage commitment"), None
    if not actor.may("store"):
        return make_status(NOT_AUTHORISED, "this application entity may not store"), None
    title = str(event.assoc.requestor.ae_title).strip()
    entity = find_entity(title)
    if entity is None or not entity.host or not entity.port:
        return make_status(NOT_AUTHORISED, "no address is known to report to"), None
    transaction, references = _read(event.action_information)
    try:
        request_commitment(actor, transaction, references)
    except DuplicateTransaction:
        return make_status(DUPLICATE_INVOCATION, "this Transaction UID was used before"), None
    except TooManyRequests as error:
        return make_status(OUT_OF_RESOURCES, str(error)), None
    reporter = threading.Thread(
        target=_report_until_taken,
        args=(actor, transaction, own_title, title, entity.host, entity.port),
        name=f"commitment of {title}",
        daemon=True,
    )
    reporter.start()
    return make_status(SUCCESS), None


def _read(information: Dataset) -> tuple[str, list[Reference]]:
    transaction = str(information.get("TransactionUID", "") or "")
    items = information.get("ReferencedSOPSequence") or []
    if not transaction or not items:
        raise InvalidIdentifier("a request has a TransactionUID and a ReferencedSOPSequence")
    if len(items) > MOST_REFERENCES:
        raise InvalidIdentifier(f"a request refers to at most {MOST_REFERENCES} instances")
    return transaction, [
        Reference(str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)) for item in items
    ]


def _report_until_taken(actor: Actor, transaction: str, own: str, title: str, host: str, port: int) -> None:
    """Wait for the result and bring it to the sender, with growing pauses; who never answers can ask again."""
    for attempt in range(TRIES):
        time.sleep(0.2 * 2**attempt)
        try:
            result = find_commitment(actor, transaction)
            release()
            if result.reasons is not None and send_report(result, transaction, own, title, host, port):
                return
        except Exception:
            log.exception("a report of storage commitment failed")
    log.warning("storage commitment %s could not be reported to %s", transaction, title)


def send_report(
    result: CommitmentResult, transaction: str, own: str, title: str, host: str, port: int
) -> bool:
    """Send one N-EVENT-REPORT; returns whether it was taken."""
    ae = AE(own)
    ae.add_requested_context(StorageCommitmentPushModel)
    association = ae.associate(host, port, ae_title=title, ext_neg=[_as_provider()])
    if not association.is_established:
        return False
    try:
        report, event_type = make_report(result, transaction)
        status, _ = association.send_n_event_report(
            report, event_type, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE
        )
        return bool(status) and status.Status == SUCCESS
    finally:
        association.release()


def make_report(result: CommitmentResult, transaction: str) -> tuple[Dataset, int]:
    """Make the report and its event type: 1 when all is committed, 2 when something is not."""
    report = Dataset()
    report.TransactionUID = transaction
    reasons = result.reasons or ()
    pairs = list(zip(result.references, reasons, strict=True))
    report.ReferencedSOPSequence = [_item(reference) for reference, reason in pairs if reason is None]
    failed = [_item(reference, reason) for reference, reason in pairs if reason is not None]
    if failed:
        report.FailedSOPSequence = failed
    return report, SOME_FAILED if failed else ALL_COMMITTED


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason is not None:
        item.FailureReason = reason
    return item


def _as_provider() -> SCP_SCU_RoleSelectionNegotiation:

    return build_role(StorageCommitmentPushModel, scp_role=True)
