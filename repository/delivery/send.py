"""One attempt at one delivery: decide again, open, send, verify."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from access.database import release
from registry.models import Study
from registry.visibility import UnknownStudy
from repository.delivery.allowed import find_stop
from repository.delivery.contents.made import is_made, make_files
from repository.delivery.contents.made_files import stream_made
from repository.delivery.contents.outgoing import Outgoing, open_files, read_outgoing
from repository.delivery.contents.report_files import OversizedReport
from repository.delivery.contents.syntaxes import unpack_refused
from repository.delivery.contents.told import UnknownSubject, is_told, tell
from repository.delivery.hops import note_installation
from repository.delivery.queue import lease as leases
from repository.delivery.queue.bandwidth import Pace, in_pieces, make_pace
from repository.delivery.queue.heartbeat import keep_alive
from repository.delivery.queue.lease import LostLease
from repository.delivery.queue.schedule import Lease, lease_length
from repository.delivery.receivers.connect import connect
from repository.delivery.receivers.failure import FailedRequest, Failure, Looped
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer
from repository.document_store import UnknownContent
from repository.models import Delivery, DeliveryItem

log = logging.getLogger(__name__)

MAX_REQUEST_INSTANCES = 100
MAX_REQUEST_BYTES = 64 << 20


class Sendable(Protocol):
    """What sending needs of an instance; `length` is its size as stored, in bytes."""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""
        ...

    @property
    def length(self) -> int:
        """Size of the stored file."""
        ...


T = TypeVar("T", bound=Sendable)


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """Where the bytes come from: the instances of a study that may be sent, and each one's file.

    `stream_file` takes the instance, and a transfer syntax where another than the stored one is wanted.
    """

    list_instances: Callable[[Study], Sequence[T]]
    stream_file: Callable[..., Iterator[bytes]]


class _Stopped(Exception):
    """We stop of our own accord: the decision turned, or the process is asked to end."""

    def __init__(self, state: str, reason_code: str) -> None:
        super().__init__(reason_code)
        self.state = state
        self.reason_code = reason_code


@dataclass(slots=True)
class _Progress:
    """Renews the lease while bytes leave, counts and paces them, and stops when the process is asked to end."""

    lease: Lease
    is_stopping: Callable[[], bool]
    sent_bytes: int = 0
    renewed_at: float = field(default_factory=time.monotonic)
    pace: Pace | None = None
    is_last: bool = False
    is_ended: bool = False

    def note_sent(self, sent_bytes: int) -> None:
        self.sent_bytes += sent_bytes
        self.keep()
        if self.pace is not None:
            self.pace.note_sent(sent_bytes)

    def keep(self) -> None:
        if self.is_stopping():
            raise _Stopped(Delivery.READY, "queued")
        if time.monotonic() - self.renewed_at > lease_length().total_seconds() / 4:
            self.renew(0.0)

    def renew(self, for_s: float) -> None:
        leases.renew(self.lease, for_s)
        self.renewed_at = time.monotonic()
        release()  # the connection must not be held while the receiver takes its time


def send(lease: Lease, source: Source[Any], is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Make one attempt at a claimed delivery and write down how it ended; raises nothing.

    While `is_stopping()` says so, sending ends at the next block and the delivery is ready again.

    This is one of the three places that catch everything: whatever went wrong, the delivery ends ready
    again, held, withdrawn or dead, with its reason.
    """
    try:
        _settle(lease, source, is_stopping)
    except LostLease as lost:
        log.warning("%s", lost)
    except Exception:
        # Not even the end could be written (database away): the sweep gives the lease back.
        log.exception("delivery %s: the attempt could not be ended", lease.delivery_id)
    finally:
        release()


def _settle(lease: Lease, source: Source[Any], is_stopping: Callable[[], bool]) -> None:
    try:
        _attempt(lease, source, is_stopping)
    except Looped as looped:
        note_installation(lease.destination_id, looped.installation)
        leases.stop(lease, Delivery.WITHDRAWN, looped.failure.code)
    except FailedRequest as error:
        log.warning("delivery %s: %s", lease.delivery_id, error)
        leases.fail(lease, error.failure)
    except _Stopped as stopped:
        leases.stop(lease, stopped.state, stopped.reason_code)
    except LostLease:
        raise
    except Exception as error:
        log.exception("delivery %s: unexpected", lease.delivery_id)
        leases.fail(lease, Failure("source", "unexpected", f"{type(error).__name__}: {error}"))


def _attempt(lease: Lease, source: Source[Any], is_stopping: Callable[[], bool]) -> None:
    delivery = _read_delivery(lease)
    _check_allowed(delivery)
    leases.begin(lease)
    if is_told(delivery):
        _tell(_Progress(lease, is_stopping), delivery)
        return
    outgoing = read_outgoing(delivery.study, delivery.destination)
    if is_made(delivery):
        source, outgoing = _make(delivery), replace(outgoing, liked=())
    waiting = _read_waiting(lease, delivery, source)
    receiver = connect(delivery.destination)
    try:
        unanswered: set[str] = set()
        batches = list(split_batches(waiting))
        for number, batch in enumerate(batches):
            if number:
                _check_allowed(_read_delivery(lease))
                leases.renew(lease)
                batch = _read_again(lease, delivery, batch, source)
            progress = _Progress(lease, is_stopping)
            progress.pace = make_pace(delivery.destination, progress.keep)
            progress.is_last = (
                number == len(batches) - 1 and not unanswered and not _verifies(receiver, delivery)
            )
            unanswered |= _send_batch(progress, receiver, batch, source, outgoing)
            if progress.is_ended:
                return
        if not unanswered:
            _verify(_Progress(lease, is_stopping), receiver, delivery, source)
    finally:
        receiver.close()
    if unanswered:
        text = f"the receiver had no room for {len(unanswered)} instances"
        raise FailedRequest(Failure("retry", "receiver_full", text))
    leases.complete(lease)


def _make(delivery: Delivery) -> Source[Any]:
    """Return the files of a delivery that are no stored ones."""
    try:
        made = make_files(delivery)
    except (OSError, UnknownContent, OversizedReport) as error:
        raise FailedRequest(Failure("source", "source_unreadable", str(error))) from error
    return Source(lambda _study: made, stream_made)


def _tell(progress: _Progress, delivery: Delivery) -> None:
    """Make the attempt of a delivery that goes as one message."""
    try:
        tell(delivery, progress.note_sent, progress.renew)
    except UnknownSubject as error:
        raise _Stopped(Delivery.WITHDRAWN, "removed") from error
    leases.record_items(progress.lease, (), {}, progress.sent_bytes, is_end=True)


def _verifies(receiver: Receiver, delivery: Delivery) -> bool:
    return delivery.destination.verify != "none" and receiver.verify is not None


def _verify(progress: _Progress, receiver: Receiver, delivery: Delivery, source: Source[Any]) -> None:
    """Ask the receiver whether it has what it said it stored, where the destination wants that."""
    mode = delivery.destination.verify
    if mode == "none" or receiver.verify is None:
        return
    items = DeliveryItem.objects.filter(delivery=delivery, state=DeliveryItem.DELIVERED)
    arrived = set(items.values_list("sop_instance_uid", flat=True))
    instances = [i for i in _list_instances(delivery.study, source) if i.sop_instance_uid in arrived]
    if not instances:
        return
    leases.begin_verifying(progress.lease)
    release()
    wait = partial(progress.renew, receiver.answer_timeout_s)
    confirmed = receiver.verify(mode, instances, on_wait=wait)
    missing = {i.sop_instance_uid for i in instances} - confirmed
    if missing:
        leases.unconfirm_items(progress.lease, missing)
        text = f"the receiver said it stored {len(missing)} instances that it does not have"
        raise FailedRequest(Failure("retry_once", "not_there", text))


def split_batches(instances: Sequence[T]) -> Iterator[list[T]]:
    """Split into requests of at most 100 instances and 64 MiB; a larger instance goes alone."""
    batch: list[T] = []
    size_bytes = 0
    for instance in instances:
        full = len(batch) == MAX_REQUEST_INSTANCES or size_bytes + instance.length > MAX_REQUEST_BYTES
        if batch and full:
            yield batch
            batch, size_bytes = [], 0
        batch.append(instance)
        size_bytes += instance.length
    if batch:
        yield batch


def _read_delivery(lease: Lease) -> Delivery:
    rows = Delivery.objects.select_related("study", "destination__department__unit")
    delivery = rows.filter(pk=lease.delivery_id, lease_token=lease.token).first()
    if delivery is None:
        raise LostLease(f"delivery {lease.delivery_id} is no longer this worker's")
    return delivery


def _check_allowed(delivery: Delivery) -> None:
    stop = find_stop(delivery)
    if stop is not None:
        raise _Stopped(*stop)


def _read_waiting(lease: Lease, delivery: Delivery, source: Source[Any]) -> list[Any]:
    items = DeliveryItem.objects.filter(delivery=delivery, state=DeliveryItem.WAITING)
    return _find_wanted(lease, delivery, set(items.values_list("sop_instance_uid", flat=True)), source)


def _read_again(lease: Lease, delivery: Delivery, batch: list[Any], source: Source[Any]) -> list[Any]:
    """Look where the instances of a batch lie now: some may have been removed or moved since the first request."""
    return _find_wanted(lease, delivery, {i.sop_instance_uid for i in batch}, source)


def _find_wanted(lease: Lease, delivery: Delivery, wanted: set[str], source: Source[Any]) -> list[Any]:
    found = [i for i in _list_instances(delivery.study, source) if i.sop_instance_uid in wanted]
    gone = wanted - {i.sop_instance_uid for i in found}
    if gone:
        leases.forget_items(lease, gone)
    return found


def _list_instances(study: Study, source: Source[Any]) -> Sequence[Any]:
    try:
        return source.list_instances(study)
    except UnknownStudy:  # every instance was removed since
        return ()


def _send_batch(
    progress: _Progress,
    receiver: Receiver,
    batch: list[Any],
    source: Source[Any],
    outgoing: Outgoing,
) -> set[str]:
    """Send one request and record its answer; returns the instances the receiver had no room for."""
    release()
    files, unfit = open_files(batch, source.stream_file, outgoing)
    if unfit:
        leases.record_items(progress.lease, (), unfit, 0)
    return _send_files(progress, receiver, files) if files else set()


def _send_files(
    progress: _Progress, receiver: Receiver, files: list[File], *, are_unpacked: bool = False
) -> set[str]:
    answer = _store(progress, receiver, files)
    again = [] if are_unpacked else unpack_refused(files, answer.failed)
    sent = {file.sop_instance_uid for file in files} - {file.sop_instance_uid for file in again}
    failed = {uid: reason for uid, reason in answer.failed.items() if uid in sent}
    unnamed = sent - answer.stored - failed.keys() - answer.busy
    busy = sent & answer.busy
    progress.is_last = progress.is_last and not (again or unnamed or busy)
    leases.record_items(
        progress.lease, answer.stored & sent, failed, progress.sent_bytes, is_end=progress.is_last
    )
    progress.is_ended = progress.is_last
    if unnamed:
        text = f"the receiver's answer does not name {len(unnamed)} of {len(sent)} instances"
        raise FailedRequest(Failure("retry_once", "answer_incomplete", text))
    if again:
        progress.sent_bytes = 0
        busy |= _send_files(progress, receiver, again, are_unpacked=True)
    return busy


def _store(progress: _Progress, receiver: Receiver, files: list[File]) -> StoreAnswer:
    """Make the request, at the pace of the destination."""
    pace = progress.pace
    with keep_alive(progress.lease):
        answer = receiver.store(
            files if pace is None else [in_pieces(file) for file in files],
            on_sent=progress.note_sent,
            on_body_sent=release,  # the connection must not be held while the receiver takes its time
        )
    if pace is not None:
        pace.give_back()
    return answer
