"""What is said in a message, or taken out, instead of sent as files: which deliveries, and what they say."""

from collections.abc import Callable

from django.db.models import QuerySet

from access.database import release
from registry.models import Order, PatientMerge, ReportVersion
from registry.reports import ADDENDUM
from repository.delivery.contents.correction_messages import write_merge, write_parting
from repository.delivery.contents.fhir_messages import write_report_message, write_request_message
from repository.delivery.contents.messages import Message
from repository.delivery.contents.order_messages import write_order
from repository.delivery.contents.recalled import TAKEN_BACK, find_places
from repository.delivery.contents.report_files import OversizedReport
from repository.delivery.contents.report_messages import write_report
from repository.delivery.receivers.connect import connect
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.kinds import TELLING, kind_of
from repository.document_store import UnknownContent
from repository.models import Delivery

TOLD_KINDS = frozenset({"report", "request", "correction"})


class UnknownSubject(LookupError):
    """What a delivery is about is not there any more."""


def is_told(delivery: Delivery) -> bool:
    """Tell whether a delivery goes as one message, or is something to be taken out."""
    kind = kind_of(delivery.destination.url)
    if delivery.kind == "recall" and kind in TAKEN_BACK:
        return True
    return delivery.kind in TOLD_KINDS and kind in TELLING


def tell(delivery: Delivery, on_sent: Callable[[int], None], renew: Callable[[float], None]) -> None:
    """Send the message of a delivery, and return when the receiver has taken it.

    Parameters
    ----------
    renew
        Called with the seconds that an answer may take, before it is waited for.

    Raises
    ------
    FailedRequest
        It has not, or our own copy cannot be read.
    UnknownSubject
        The report or the order is gone.
    """
    if delivery.kind == "recall":
        _take_back(delivery)
        return
    try:
        message = write_told(delivery)
    except (OSError, UnknownContent, OversizedReport) as error:
        raise FailedRequest(Failure("source", "source_unreadable", str(error))) from error
    receiver = connect(delivery.destination)
    try:
        if receiver.post is None:
            raise FailedRequest(Failure("refused", "request_refused", "this destination takes no messages"))
        release()
        receiver.post(message, on_sent=on_sent, on_body_sent=lambda: renew(receiver.answer_timeout_s))
    finally:
        receiver.close()


def _take_back(delivery: Delivery) -> None:
    places = find_places(delivery)
    receiver = connect(delivery.destination)
    try:
        if receiver.withdraw is None:
            text = "nothing can be taken out of this destination from here"
            raise FailedRequest(Failure("refused", "request_refused", text))
        receiver.withdraw(places)
    finally:
        receiver.close()


def write_told(delivery: Delivery) -> Message:
    """Write the message of a delivery: the same for every attempt while nothing of what it says has changed.

    Raises
    ------
    UnknownSubject
        The report or the order is gone.
    """
    if delivery.kind == "report":
        return _write_report(delivery)
    return _write_correction(delivery) if delivery.kind == "correction" else _write_request(delivery)


def is_overtaken(delivery: Delivery) -> bool:
    """Tell whether something newer about the same has arrived there: what is sent late must not look like news."""
    if delivery.kind == "correction":
        return _is_merged_again(delivery)
    later = Delivery.objects.filter(
        destination=delivery.destination_id,
        kind=delivery.kind,
        subject=delivery.subject,
        generation__gt=delivery.generation,
        state=Delivery.DELIVERED,
    )
    if delivery.kind != "report":
        return delivery.kind == "request" and later.exists()
    version = _find_version(delivery)
    if version is None or version.status == ADDENDUM:
        return False
    keys = [int(row.because["report_version"]) for row in later]
    return ReportVersion.objects.filter(pk__in=keys).exclude(status=ADDENDUM).exists()


def _is_merged_again(delivery: Delivery) -> bool:
    """Tell whether the two patients of an undone merge were merged anew: that they were parted is no news any more."""
    merge = PatientMerge.objects.filter(pk=delivery.because["merge"]).exclude(undone_at=None).first()
    if merge is None:
        return False
    pair = (merge.survivor_id, merge.subsumed_id)
    later = PatientMerge.objects.filter(pk__gt=merge.pk, undone_at=None)
    return later.filter(survivor__in=pair, subsumed__in=pair).exists()


def _write_report(delivery: Delivery) -> Message:
    version = _find_version(delivery)
    if version is None:
        raise UnknownSubject(f"the report version of delivery {delivery.pk} is gone")
    write = write_report_message if kind_of(delivery.destination.url) == "fhir" else write_report
    return write(version, delivery.study, delivery.destination, delivery.planned_at, _key(delivery))


def _write_correction(delivery: Delivery) -> Message:
    merge = PatientMerge.objects.filter(pk=delivery.because["merge"]).first()
    earlier = _earlier_of(delivery).exists()
    message = None
    if merge is not None and (merge.undone_at is None or earlier):
        write = write_parting if merge.undone_at is not None else write_merge
        message = write(merge, delivery.study, delivery.destination, delivery.planned_at, _key(delivery))
    if message is None:
        raise UnknownSubject(f"the merge of delivery {delivery.pk} was undone, or not told")
    return message


def _write_request(delivery: Delivery) -> Message:
    orders = Order.objects.select_related("ordering_department__unit", "performing_department__unit")
    order = orders.filter(pk=delivery.because["order"]).first()
    if order is None:
        raise UnknownSubject(f"the order of delivery {delivery.pk} is gone")
    if kind_of(delivery.destination.url) == "fhir":
        return write_request_message(
            order, delivery.study, delivery.destination, delivery.planned_at, _key(delivery)
        )
    return write_order(
        order,
        delivery.study,
        delivery.destination,
        delivery.planned_at,
        _key(delivery),
        is_first=not _earlier_of(delivery).exists(),
    )


def _earlier_of(delivery: Delivery) -> QuerySet[Delivery]:
    """Return what of the same has arrived there before."""
    return Delivery.objects.filter(
        destination=delivery.destination_id,
        kind=delivery.kind,
        subject=delivery.subject,
        generation__lt=delivery.generation,
        state=Delivery.DELIVERED,
    )


def _find_version(delivery: Delivery) -> ReportVersion | None:
    rows = ReportVersion.objects.select_related("report")
    return rows.filter(pk=delivery.because["report_version"]).first()


def _key(delivery: Delivery) -> str:
    return f"{delivery.kind}/{delivery.subject}/{delivery.destination_id}/{delivery.generation}"
