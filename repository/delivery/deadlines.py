"""By when a delivery has to have gone, and what becomes of one that has not."""

from access.database import database_now
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
    now = database_now()
    overdue = Delivery.objects.filter(
        deadline_at__lt=now, destination__held_reason="", destination__maintenance_until=None
    )
    return sum(
        overdue.filter(state=state).update(state=Delivery.DEAD, reason_code=reason, ended_at=now)
        for state, reason in EXPIRING.items()
    )
