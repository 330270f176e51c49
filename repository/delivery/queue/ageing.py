"""What has waited long moves up a class, never into that of what is urgent; and what the clock upset is set right."""

from datetime import timedelta

from access.database import database_now, run_write
from registry.models import Destination
from repository.delivery.queue.breaker import PROBE_LAST_S
from repository.models import Attempt, Delivery

STEPS = (
    ("prior", 2, timedelta(minutes=15)),
    ("bulk", 2, timedelta(minutes=60)),
    ("bulk", 3, timedelta(minutes=30)),
)
"""Planned class, the rank it has now, and after how long in its turn without an attempt it moves up by one."""
JUMP = timedelta(minutes=1)


def age_deliveries() -> int:
    """Move up by one class what has been ready for long; returns how many. The class it was planned in stays named."""
    now = database_now()
    ready = Delivery.objects.filter(state=Delivery.READY)
    return sum(
        ready.filter(priority=priority, priority_rank=rank, not_before__lt=now - age).update(
            priority_rank=rank - 1
        )
        for priority, rank, age in STEPS
    )


def heal_after_jump() -> int:
    """Let go now what a clock that was set back would keep waiting; returns how many rows were put right.

    What was planned, begun or paused in the future can only have been so by a clock that has been set back since.
    A clock set forward needs nothing: leases run out early, and who holds one writes nothing any more.
    """
    now = database_now()
    later = now + JUMP

    def write() -> int:
        waiting = Delivery.objects.filter(state=Delivery.READY, planned_at__gt=later)
        healed = waiting.update(not_before=now, planned_at=now)
        begun = Attempt.objects.filter(started_at__gt=later, slot_until__gt=now)
        moving = Delivery.objects.filter(pk__in=begun.filter(ended_at=None).values("delivery"))
        healed += moving.filter(lease_until__gt=later).update(lease_until=now)
        healed += begun.update(slot_until=now, started_at=now)
        probed = now + timedelta(seconds=2 * PROBE_LAST_S)
        open_ones = Destination.objects.filter(breaker=Destination.OPEN, open_until__gt=probed)
        return healed + open_ones.update(open_until=now)

    return run_write(write)
