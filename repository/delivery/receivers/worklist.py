"""The department's worklist in the portal as a receiver: the bytes are here already, so a line on the list is all."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from access.database import run_write
from access.models import Department
from registry.models import Destination, Study
from registry.worklist import put_on_worklist, withdraw_items
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer
from repository.models import Delivery

WRITE_TIMEOUT_S = 30.0


def connect(destination: Destination) -> Receiver:
    """Prepare to put studies on the list of the destination's department (`worklist:`)."""
    return Receiver(
        store=partial(_store, destination),
        probe=_probe,
        close=_close,
        answer_timeout_s=WRITE_TIMEOUT_S,
        withdraw=partial(_withdraw, destination),
    )


def _store(
    destination: Destination,
    files: Iterable[File],
    *,
    on_sent: Callable[[int], None],
    on_body_sent: Callable[[], None],
) -> StoreAnswer:
    """Put the studies of the files on the list; nothing is read of the files."""
    instances = [file.instance for file in files]
    on_body_sent()
    uids = sorted({instance.study_instance_uid for instance in instances})
    run_write(lambda: _put(destination, uids))
    return StoreAnswer(frozenset(instance.sop_instance_uid for instance in instances), {}, frozenset())


def _put(destination: Destination, uids: list[str]) -> None:
    for study in Study.objects.filter(study_instance_uid__in=uids).order_by("pk"):
        moving = Delivery.objects.filter(
            study=study, destination=destination, state__in=(Delivery.LEASED, Delivery.SENDING)
        )
        delivery = moving.select_related("send_request").order_by("priority_rank", "pk").first()
        put_on_worklist(
            destination.department,
            study,
            priority_rank=delivery.priority_rank if delivery else 1,
            reason=delivery.send_request.reason if delivery and delivery.send_request else "",
        )


def _withdraw(destination: Destination, places: Sequence[tuple[str, str, str]]) -> None:
    """Take the studies off the list of which nothing is left."""
    departments = Department.objects.filter(pk=destination.department_id)
    empty = Study.objects.filter(
        study_instance_uid__in={place[0] for place in places}, number_of_study_related_instances=0
    )
    for study in empty.order_by("pk"):
        run_write(partial(withdraw_items, study, departments))


def _probe() -> None:
    return None


def _close() -> None:
    return None
