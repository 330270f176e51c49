"""What the holder of a lease may write: nothing, once the row carries another token."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from access import audit
from access.database import database_now, run_write
from registry import changes
from registry.models import DepartmentMilestone, Destination, Study
from repository.delivery.allowed import OF_IMAGES
from repository.delivery.decide import receiver_of
from repository.delivery.queue import breaker
from repository.delivery.queue.backoff import FIRST_S, decide_retry, spread
from repository.delivery.queue.schedule import LEASE_STATES, Lease, lease_length
from repository.delivery.receivers.failure import Failure
from repository.delivery.receivers.kinds import kind_of
from repository.models import Attempt, Delivery, DeliveryItem

DOORS = {"hl7v2": "hl7v2", "fhir": "fhir", "dimse": "dimse"}
"""What the access log calls the way out, by the kind of destination; others are `stow-rs`."""
UNCONFIRMED = "stored, and not found there"
"""Status of what a receiver said it stored and did not have when it was asked."""
ENDED = (Delivery.DELIVERED, Delivery.DEAD, Delivery.WITHDRAWN, Delivery.SUPERSEDED)


class LostLease(Exception):
    """The delivery was given to somebody else, or withdrawn: stop, write nothing."""


def begin(lease: Lease) -> None:
    """Say that sending begins.

    Raises
    ------
    LostLease
        As every function here.
    """
    run_write(partial(_write, lease, state=Delivery.SENDING))


def begin_verifying(lease: Lease) -> None:
    """Say that everything was answered, and the receiver is asked whether it has it."""
    run_write(partial(_write, lease, state=Delivery.VERIFYING))


def unconfirm_items(lease: Lease, uids: Iterable[str]) -> None:
    """Let what the receiver said it stored, and does not have, be sent again."""
    missing = list(uids)

    def write() -> None:
        _write(lease, lease_until=database_now() + lease_length())
        items = DeliveryItem.objects.filter(delivery_id=lease.delivery_id, sop_instance_uid__in=missing)
        items.update(state=DeliveryItem.WAITING, status=UNCONFIRMED)

    run_write(write)


def renew(lease: Lease, for_s: float = 0.0) -> None:
    """Keep the lease for its usual length, counted from `for_s` seconds ahead."""

    def write() -> None:
        until = database_now() + timedelta(seconds=for_s) + lease_length()
        _write(lease, lease_until=until)
        Attempt.objects.filter(pk=lease.attempt_id).update(slot_until=until + lease_length())

    run_write(write)


def record_items(
    lease: Lease,
    delivered: Iterable[str],
    failed: Mapping[str, str],
    sent_bytes: int,
    *,
    is_end: bool = False,
) -> None:
    """Write what the receiver said of each instance; `failed` maps its UID to the reason.

    With `is_end` the attempt is completed in the same transaction: this was the last answer. While that cannot be
    written to the access log, the answer stays nevertheless: what has arrived is not sent again.
    """
    arrived = list(delivered)

    def write() -> None:
        _write(lease, lease_until=database_now() + lease_length())
        items = DeliveryItem.objects.filter(delivery_id=lease.delivery_id)
        items.filter(sop_instance_uid__in=arrived).update(state=DeliveryItem.DELIVERED, status="")
        for uid, reason in failed.items():
            items.filter(sop_instance_uid=uid).update(state=DeliveryItem.FAILED, status=reason[:200])
        attempt = Attempt.objects.get(pk=lease.attempt_id)
        attempt.instances_ok += len(arrived)
        attempt.instances_failed += len(failed)
        attempt.bytes_sent += sent_bytes
        attempt.save()

    def write_and_end() -> None:
        write()
        _complete(lease)

    try:
        run_write(write_and_end if is_end else write)
    except audit.UnrecordedAccess:
        run_write(write)
        raise


def forget_items(lease: Lease, uids: Iterable[str]) -> None:
    """Mark instances that are no longer ours to send."""
    gone = list(uids)

    def write() -> None:
        _write(lease, lease_until=database_now() + lease_length())
        items = DeliveryItem.objects.filter(delivery_id=lease.delivery_id, sop_instance_uid__in=gone)
        items.update(state=DeliveryItem.GONE)

    run_write(write)


def complete(lease: Lease) -> None:
    """End an attempt whose instances were all answered: delivered, or dead if the receiver refused some."""
    run_write(partial(_complete, lease))


def stop(lease: Lease, state: str, reason_code: str) -> None:
    """End an attempt by our own decision: held or withdrawn."""

    def write() -> None:
        _end(lease, state=state, reason_code=reason_code, attempts_back=1)

    run_write(write)


def fail(lease: Lease, failure: Failure) -> None:
    """End an attempt that failed: ready again after a while, or dead."""
    run_write(partial(_fail, lease, failure))


def _complete(lease: Lease) -> None:
    breaker.note_success(lease.destination_id)
    items = DeliveryItem.objects.filter(delivery_id=lease.delivery_id)
    refused = list(items.filter(state=DeliveryItem.FAILED)[:1])
    if refused:
        text = f"{refused[0].sop_instance_uid}: {refused[0].status}"
        _end(lease, state=Delivery.DEAD, reason_code="instances_refused", reason=text)
        return
    is_message = not items.exists()
    if not is_message and not items.filter(state=DeliveryItem.DELIVERED).exists():
        _end(lease, state=Delivery.WITHDRAWN, reason_code="removed")
        return
    now = database_now()
    code = "acknowledged" if is_message else "delivered"
    is_known = Delivery.objects.filter(pk=lease.delivery_id, delivered_at__isnull=False).exists()
    if is_known:  # the receiver was asked again, and has it
        _end(lease, state=Delivery.DELIVERED, reason_code=code)
        return
    _end(lease, state=Delivery.DELIVERED, reason_code=code, delivered_at=now)
    _announce(lease, now)


def _announce(lease: Lease, now: datetime) -> None:
    delivery = Delivery.objects.select_related("study", "destination__department__unit").get(
        pk=lease.delivery_id
    )
    study, destination = delivery.study, delivery.destination
    if delivery.kind in OF_IMAGES:
        _note_milestone(study, destination, now)
    arrived = DeliveryItem.objects.filter(delivery=delivery, state=DeliveryItem.DELIVERED).count()
    detail = {"delivery": delivery.pk, "destination": destination.pk, "instances": arrived}
    audit.record(
        receiver_of(destination),
        "deliver",
        door=DOORS.get(kind_of(destination.url) or "stow", "stow-rs"),
        study_instance_uid=study.study_instance_uid,
        patient_id=study.person_id,
        detail=detail,
    )
    changes.append("delivered", study.study_instance_uid, detail)


def _note_milestone(study: Study, destination: Destination, now: datetime) -> None:
    milestone, _ = DepartmentMilestone.objects.get_or_create(study=study, department=destination.department)
    if milestone.delivered_at is None:
        milestone.delivered_at = now
        milestone.save(update_fields=["delivered_at"])


def _fail(lease: Lease, failure: Failure) -> None:
    if failure.kind == "destination":
        breaker.note_fault(lease.destination_id, failure.text)
    elif failure.kind == "busy":
        breaker.pause(lease.destination_id, spread(failure.retry_after_s or FIRST_S))
    elif failure.kind in ("retry", "retry_once"):
        breaker.note_failure(lease.destination_id, failure.text)
    delivery = Delivery.objects.get(pk=lease.delivery_id)
    before = Attempt.objects.filter(delivery=delivery, error_class=failure.kind).count()
    wait_s = decide_retry(failure, attempts=delivery.attempts, same_before=before)
    now = database_now()
    _end(
        lease,
        state=Delivery.DEAD if wait_s is None else Delivery.READY,
        reason_code=failure.code,
        reason=failure.text,
        failure=failure,
        not_before=now + timedelta(seconds=wait_s or 0.0),
        attempts_back=1 if failure.kind == "destination" else 0,
    )


def _end(
    lease: Lease,
    *,
    state: str,
    reason_code: str,
    reason: str = "",
    failure: Failure | None = None,
    attempts_back: int = 0,
    **columns: Any,
) -> None:
    delivery = Delivery.objects.filter(pk=lease.delivery_id).values("attempts").first()
    if delivery is None:
        raise LostLease
    now = database_now()
    _write(
        lease,
        state=state,
        reason_code=reason_code,
        reason=reason,
        lease_token="",
        lease_until=None,
        attempts=max(0, delivery["attempts"] - attempts_back),
        ended_at=now if state in ENDED else None,
        **columns,
    )
    Attempt.objects.filter(pk=lease.attempt_id).update(
        ended_at=now,
        slot_until=None,
        error_class=failure.kind if failure else "",
        error=failure.text if failure else "",
        http_status=failure.http_status if failure else None,
    )


def _write(lease: Lease, **columns: Any) -> None:
    rows = Delivery.objects.filter(pk=lease.delivery_id, lease_token=lease.token, state__in=LEASE_STATES)
    if not rows.update(**columns):
        raise LostLease(f"delivery {lease.delivery_id} is no longer this worker's")
