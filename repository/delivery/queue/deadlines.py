"""By when a delivery has to have gone, and what becomes of one that has not."""

from django.db.models import QuerySet

from access.database import database_now, run_write
from registry.models import Destination
from repository.delivery.planning.planned import DEADLINES
from repository.models import Delivery

EXPIRING = {
    Delivery.READY: "deadline_passed",
    Delivery.WAITING_WINDOW: "deadline_passed",
    Delivery.AWAITING_BASIS: "basis_too_late",
}
"""States in which a deadline counts, and the reason that is given; what an operator holds waits for the operator."""


def expire_overdue() -> int:
    """Declare dead what could not be sent by its deadline; returns how many.

    What lies before a destination that is held or in maintenance does not expire.
    """
    _end_maintenance()
    now = database_now()
    overdue = Delivery.objects.filter(
        deadline_at__lt=now, destination__held_reason="", destination__maintenance_until=None
    )
    return sum(
        overdue.filter(state=state).update(state=Delivery.DEAD, reason_code=reason, ended_at=now)
        for state, reason in EXPIRING.items()
    )


def grant_time(destination_id: int) -> None:
    """Give what waits for a destination at least the time of its class from now on; in a transaction.

    A prior that comes too late for what it was meant for stays too late.
    """
    now = database_now()
    waiting = Delivery.objects.filter(destination=destination_id, state__in=EXPIRING).exclude(kind="prior")
    for priority, length in DEADLINES.items():
        late = waiting.filter(priority=priority, deadline_at__lt=now + length)
        late.update(deadline_at=now + length)


def _end_maintenance() -> None:
    for pk in list(_overdue_maintenance().values_list("pk", flat=True)):

        def write(pk: int = pk) -> None:
            if _overdue_maintenance().filter(pk=pk).update(maintenance_until=None):
                grant_time(pk)

        run_write(write)


def _overdue_maintenance() -> QuerySet[Destination]:
    return Destination.objects.filter(maintenance_until__lte=database_now())
