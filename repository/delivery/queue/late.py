"""Urgent deliveries that have not arrived in their time: whoever keeps the destination is told, once."""

from datetime import timedelta

from access.database import database_now, run_write
from registry.models import Notice
from registry.notices import URGENT_LATE, tell_head
from repository.delivery.operating.listing import MOVING, WAITING
from repository.delivery.planning.planned import DEADLINES
from repository.models import Delivery

LOOKED_BACK = timedelta(days=2)
"""What is older was told of, or was replayed since and is nobody's emergency."""
LATE_STATES = (*WAITING, *MOVING, Delivery.DEAD)


def note_late_urgent() -> int:
    """Tell operators of urgent deliveries that have not arrived an hour after they were planned; returns of how many.

    Whatever keeps it: a dead one, one that waits, one before a destination that is held.
    """
    now = database_now()
    late = Delivery.objects.filter(
        state__in=LATE_STATES,
        priority_rank=0,
        planned_at__lt=now - DEADLINES["urgent"],
        planned_at__gt=now - LOOKED_BACK,
    )
    told = set(
        Notice.objects.filter(kind=URGENT_LATE, created_at__gt=now - 2 * LOOKED_BACK).values_list(
            "subject_row", flat=True
        )
    )
    rows = late.select_related("study", "destination__department").defer("study__fragment").order_by("pk")
    return sum(_tell(row) for row in rows if f"delivery:{row.pk}" not in told)


def _tell(delivery: Delivery) -> int:
    def write() -> int:
        # The row is the lock: of two processes the second finds the notice of the first.
        Delivery.objects.select_for_update().get(pk=delivery.pk)
        subject = f"delivery:{delivery.pk}"
        if Notice.objects.filter(kind=URGENT_LATE, subject_row=subject).exists():
            return 0
        unit_id = delivery.destination.department.unit_id
        tell_head(URGENT_LATE, unit_id, delivery.study.person_id, subject, database_now())
        return 1

    return run_write(write)
