"""Which delivery goes next: claimed with a lease and a token, given back when the lease runs out."""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from access.database import database_now, run_write
from registry.models import Destination
from registry.wishes.priorities import PRIORITIES, rank_priority
from repository.delivery.queue.limits import opening_of, slots_at
from repository.delivery.queue.order_of_subject import is_next_of_subject
from repository.delivery.queue.turns import choose_next, take_turn
from repository.models import Attempt, Delivery

LEASE_STATES = (Delivery.LEASED, Delivery.SENDING, Delivery.VERIFYING)
MAX_LOST_LEASES = 5
CLOSED_AT_ONCE = 20
"""How many deliveries one claim may find outside their hours before it leaves the destination to the next one."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to one delivery, as long as the row still carries the token."""

    delivery_id: int
    destination_id: int
    attempt_id: int
    token: str
    worker: str


def claim(worker: str, priorities: Iterable[str] = PRIORITIES) -> Lease | None:
    """Claim the most urgent delivery that may go now; None when there is none.

    A destination never has more leases than `max_parallel`, those of dead workers counted until their
    requests must have ended; its last slot is kept for urgent ones.
    """
    ranks = [rank_priority(priority) for priority in priorities]
    destination_ids = _destinations_in_turn(database_now(), ranks)
    if not destination_ids:  # reading first spares the write lock an idle round
        return None
    return run_write(partial(_claim, worker, ranks, destination_ids))


def sweep_leases() -> int:
    """Give back the deliveries whose worker has not renewed its lease; returns how many."""
    expired = Delivery.objects.filter(state__in=LEASE_STATES, lease_until__lt=database_now())
    found = list(expired.values_list("pk", "lease_token"))
    return sum(run_write(partial(_return_lease, pk, token, expired_only=True)) for pk, token in found)


def return_leases_of(worker_prefix: str) -> int:
    """Give back at once what workers held that are known to be dead; returns how many."""
    rows = Attempt.objects.filter(
        worker__startswith=worker_prefix, ended_at=None, delivery__state__in=LEASE_STATES
    )
    found = list(rows.values_list("delivery_id", "delivery__lease_token"))
    Attempt.objects.filter(worker__startswith=worker_prefix).exclude(slot_until=None).update(slot_until=None)
    return sum(run_write(partial(_return_lease, pk, token, expired_only=False)) for pk, token in found)


def lease_length() -> timedelta:
    """Return how long a lease lasts unless it is renewed."""
    return timedelta(seconds=settings.DELIVERY_LEASE_S)


def _claimable(now: datetime, ranks: list[int]) -> QuerySet[Delivery]:
    unpaused = Q(destination__open_until=None) | Q(destination__open_until__lte=now)
    in_service = Q(destination__maintenance_until=None) | Q(destination__maintenance_until__lte=now)
    return Delivery.objects.filter(
        unpaused,
        in_service,
        is_next_of_subject(),
        state=Delivery.READY,
        priority_rank__in=ranks,
        not_before__lte=now,
        deadline_at__gt=now,
        destination__active=True,
        destination__held_reason="",
        destination__breaker=Destination.CLOSED,
    )


def _claim(worker: str, ranks: list[int], destination_ids: list[int]) -> Lease | None:
    """Claim for the first of these that still has something, under its lock: what was read before is but a hint."""
    now = database_now()
    for destination_id in destination_ids:
        # The destination's row is the lock under which its slots are counted; who finds it taken passes on.
        locked = Destination.objects.select_for_update(skip_locked=True, no_key=True)
        destination = locked.filter(pk=destination_id, breaker=Destination.CLOSED).first()
        if destination is None:
            continue
        delivery = _next_delivery(destination, now, ranks)
        lease = _grant(delivery, worker, now) if delivery is not None else None
        if delivery is not None and lease is not None:
            take_turn(destination, delivery)
            return lease
    return None


def _destinations_in_turn(now: datetime, ranks: list[int]) -> list[int]:
    """Return the destinations that have something to send, those with the most urgent first, equals in random order.

    A probe of an index for each destination: how much waits there costs nothing.
    """
    ready = _claimable(now, ranks).filter(destination=OuterRef("pk")).order_by("priority_rank")
    rows = Destination.objects.filter(active=True, breaker=Destination.CLOSED)
    best = rows.annotate(best=Subquery(ready.values("priority_rank")[:1])).exclude(best=None)
    found = [(rank, random.random(), pk) for pk, rank in best.values_list("pk", "best")]  # noqa: S311 (fairness)
    return [pk for _, _, pk in sorted(found)]


def _next_delivery(destination: Destination, now: datetime, ranks: list[int]) -> Delivery | None:
    slots = slots_at(destination, now)
    if slots == 0:
        return None
    busy = Attempt.objects.filter(delivery__destination=destination, slot_until__gt=now).count()
    if busy >= slots:
        return None
    rows = _claimable(now, ranks).filter(destination=destination)
    if busy >= max(1, slots - 1):
        rows = rows.filter(priority_rank=0)
    for _ in range(CLOSED_AT_ONCE):
        found = choose_next(destination, rows)
        if found is None or not _put_off(found, now):
            return found
    return None


def _put_off(delivery: Delivery, now: datetime) -> bool:
    """Let a delivery wait that nobody wants before its hours begin; the time until then does not count."""
    opens_at = opening_of(delivery, now)
    if opens_at <= now:
        return False
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.READY).update(
        state=Delivery.WAITING_WINDOW,
        reason_code="outside_hours",
        reason="",
        not_before=opens_at,
        deadline_at=delivery.deadline_at + (opens_at - now),
    )
    return True


def _grant(delivery: Delivery, worker: str, now: datetime) -> Lease | None:
    token, until = uuid.uuid4().hex, now + lease_length()
    granted = Delivery.objects.filter(pk=delivery.pk, state=Delivery.READY).update(
        state=Delivery.LEASED,
        lease_token=token,
        lease_until=until,
        attempts=F("attempts") + 1,
        reason_code="sending",
        reason="",
    )
    if not granted:
        return None
    attempt = Attempt.objects.create(
        delivery=delivery, started_at=now, worker=worker, slot_until=until + lease_length()
    )
    return Lease(delivery.pk, delivery.destination_id, attempt.pk, token, worker)


def _return_lease(delivery_id: int, token: str, *, expired_only: bool) -> int:
    lost = Attempt.objects.filter(delivery_id=delivery_id, error_class="lease_lost").count() + 1
    dead = lost >= MAX_LOST_LEASES  # a study that kills its worker every time must not do so for ever
    now = database_now()
    rows = Delivery.objects.filter(pk=delivery_id, lease_token=token, state__in=LEASE_STATES)
    if expired_only:  # it may have been renewed since it was listed
        rows = rows.filter(lease_until__lt=now)
    returned = rows.update(
        state=Delivery.DEAD if dead else Delivery.READY,
        reason_code="worker_died" if dead else "lease_lost",
        lease_token="",
        lease_until=None,
        not_before=now,
        ended_at=now if dead else None,
    )
    if returned:
        Attempt.objects.filter(delivery_id=delivery_id, ended_at=None).update(
            ended_at=now, error_class="lease_lost", error="the worker did not renew its lease"
        )
    return returned
