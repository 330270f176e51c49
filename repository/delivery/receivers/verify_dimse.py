"""Whether a system that speaks DIMSE has what it said it stored: found by C-FIND, or committed to.

The report of a commitment comes on the same association, or on another to our own listener: either way it is a row.

Standard: PS3.4 C.4.1, PS3.4 J.3
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.utils import timezone
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import build_context, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
)

from access.database import release, run_write
from repository.commitment_reports import take_report
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.models import AskedCommitment

WELL_KNOWN_INSTANCE = UID("1.2.840.10008.1.20.1.1")
REQUEST = 1
WAIT_S = 60.0
POLL_S = 0.5
PENDING = (0xFF00, 0xFF01)
Associate = Callable[..., Any]
"""Contexts and event handlers: an established association; raises `FailedRequest` without one."""


def find_instances(associate: Associate, instances: Sequence[Any]) -> frozenset[str]:
    """Return which instances the receiver finds in their series.

    Raises
    ------
    FailedRequest
    """
    model = StudyRootQueryRetrieveInformationModelFind
    association = associate([build_context(model)])
    found: set[str] = set()
    try:
        for study_uid, series_uid in sorted(
            {(i.study_instance_uid, i.series_instance_uid) for i in instances}
        ):
            found |= _find_in(association, model, study_uid, series_uid)
    finally:
        association.release()
    return frozenset(found & {instance.sop_instance_uid for instance in instances})


def commit_instances(
    associate: Associate, title: str, instances: Sequence[Any], on_wait: Callable[[], None]
) -> frozenset[str]:
    """Ask the receiver to commit to instances, and wait for its report; returns those it commits to.

    Raises
    ------
    FailedRequest
        Also where it refuses the request, or no report comes.
    """
    transaction = str(generate_uid(prefix=None))
    asked = AskedCommitment(transaction_uid=transaction, ae_title=title, asked_at=timezone.now())
    run_write(lambda: asked.save(force_insert=True))
    release()
    handlers = [(evt.EVT_N_EVENT_REPORT, take_report)]
    association = associate([build_context(StorageCommitmentPushModel)], handlers)
    try:
        _ask(association, transaction, instances)
        return _wait_for_report(transaction, on_wait)
    finally:
        association.release()


def _find_in(association: Any, model: Any, study_uid: str, series_uid: str) -> set[str]:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID, identifier.SeriesInstanceUID = study_uid, series_uid
    identifier.SOPInstanceUID = ""
    found = set()
    for status, answer in association.send_c_find(identifier, model):
        if "Status" not in status or status.Status not in (0, *PENDING):
            raise FailedRequest(
                Failure("retry", "cannot_be_verified", "the receiver does not answer a search")
            )
        if answer is not None and status.Status in PENDING:
            found.add(str(answer.get("SOPInstanceUID", "")))
    return found


def _ask(association: Any, transaction: str, instances: Sequence[Any]) -> None:
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = instance.sop_class_uid
        item.ReferencedSOPInstanceUID = instance.sop_instance_uid
        request.ReferencedSOPSequence.append(item)
    try:
        status, _ = association.send_n_action(
            request, REQUEST, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE
        )
    except ValueError as error:  # no such presentation context
        text = "the receiver knows no storage commitment: choose another verification for this destination"
        raise FailedRequest(Failure("destination", "cannot_be_verified", text)) from error
    if "Status" not in status or status.Status != 0:
        text = "the receiver refuses to commit to what it has"
        if "Status" in status:
            text = f"the receiver refuses to commit to what it has ({status.Status:04X})"
        raise FailedRequest(Failure("retry", "cannot_be_verified", text))


def _wait_for_report(transaction: str, on_wait: Callable[[], None]) -> frozenset[str]:
    deadline = time.monotonic() + WAIT_S
    on_wait()
    while time.monotonic() < deadline:
        row = AskedCommitment.objects.filter(transaction_uid=transaction, answered_at__isnull=False).first()
        release()
        if row is not None:
            return frozenset(map(str, row.committed)).difference(row.failed)
        time.sleep(POLL_S)
    text = f"no report of storage commitment came within {WAIT_S:g} s"
    raise FailedRequest(Failure("retry", "cannot_be_verified", text))
