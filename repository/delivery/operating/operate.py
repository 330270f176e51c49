"""What an operator does about deliveries: hold, release, withdraw, send again, verify again; each with who and why.

Every function takes a selection of deliveries, does what it says to those of them that the actor keeps and that are in
a state for it, and returns how many those were. Large selections go in chunks, each a transaction of its own.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Case, DateTimeField, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Greatest

from access import audit
from access.actor import Actor
from access.database import database_now, run_write
from access.reach import DESTINATIONS, REPLAY
from registry.noted import require_right, require_text
from repository.delivery.operating.listing import deliveries_kept_by
from repository.delivery.operating.service import (
    hold_destination,
    release_destination,
    set_maintenance,
    test_destination,
)
from repository.delivery.planning.planned import DEADLINES
from repository.delivery.queue.lease import UNCONFIRMED
from repository.delivery.queue.schedule import LEASE_STATES
from repository.models import Attempt, Delivery, DeliveryItem

__all__ = [
    "hold",
    "hold_destination",
    "release_deliveries",
    "release_destination",
    "replay",
    "set_maintenance",
    "test_destination",
    "verifiable",
    "verify_again",
    "withdraw",
]

AT_ONCE = 500
MANY = 100
"""What is sent again in such numbers goes behind everything else."""
BULK_RANK = 3
UNSENT = (Delivery.READY, Delivery.WAITING_WINDOW, Delivery.AWAITING_BASIS)
REPLAYED = (Delivery.DEAD, Delivery.WITHDRAWN, Delivery.DELIVERED)
STORED_ONCE = Q(state=DeliveryItem.WAITING, status=UNCONFIRMED)
"""What a receiver said it stored, and did not have when it was asked."""
COUNTED_FAILURES = ("lease_lost", "retry_once")
"""Error classes of which a delivery has only so many: those before it was sent again count no more."""


def hold(actor: Actor, deliveries: QuerySet[Delivery], reason: str, *, door: str = "") -> int:
    """Hold deliveries until somebody releases them; a worker that is sending one stops within seconds.

    Raises
    ------
    MissingRight, InvalidEntry
        The actor holds no deliveries; or there is no reason.
    """
    require_right(actor, DESTINATIONS, "delivery_hold", door=door)
    stated = require_text(reason, "reason", most=400)

    states = (*UNSENT, *LEASE_STATES)

    def write(keys: list[int], now: datetime) -> int:
        return _stop(keys, now, states, Delivery.HELD, "operator_held", stated)

    return _operate(actor, "delivery_hold", deliveries.filter(state__in=states), write, stated, door)


def release_deliveries(actor: Actor, deliveries: QuerySet[Delivery], *, door: str = "") -> int:
    """Let held deliveries go; the time that they were held does not count against their deadline.

    Raises
    ------
    MissingRight
    """
    require_right(actor, DESTINATIONS, "delivery_release", door=door)

    def write(keys: list[int], now: datetime) -> int:
        return Delivery.objects.filter(pk__in=keys, state=Delivery.HELD).update(
            state=Delivery.READY,
            reason_code="operator_released",
            reason="",
            not_before=now,
            deadline_at=Greatest("deadline_at", _deadline(now)),
        )

    held = deliveries.filter(state=Delivery.HELD)
    return _operate(actor, "delivery_release", held, write, "", door)


def withdraw(actor: Actor, deliveries: QuerySet[Delivery], reason: str, *, door: str = "") -> int:
    """End deliveries that have not ended; a worker that is sending one stops within seconds.

    Raises
    ------
    MissingRight, InvalidEntry
        As `hold` does.
    """
    require_right(actor, DESTINATIONS, "delivery_withdraw", door=door)
    stated = require_text(reason, "reason", most=400)

    states = (*UNSENT, Delivery.HELD, *LEASE_STATES)

    def write(keys: list[int], now: datetime) -> int:
        return _stop(keys, now, states, Delivery.WITHDRAWN, "operator_withdrew", stated)

    return _operate(actor, "delivery_withdraw", deliveries.filter(state__in=states), write, stated, door)


def replay(actor: Actor, deliveries: QuerySet[Delivery], reason: str, *, door: str = "") -> int:
    """Send again what is dead, withdrawn or delivered; of a dead one only what has not arrived.

    It is decided anew whether each may go, and all limits hold. More than a hundred go behind everything else.

    Raises
    ------
    MissingRight, InvalidEntry
        The actor sends nothing again; or there is no reason.
    """
    require_right(actor, REPLAY, "delivery_replay", door=door)
    stated = require_text(reason, "reason", most=400)
    ended = deliveries.filter(state__in=REPLAYED)
    quietly = ended.count() > MANY

    def write(keys: list[int], now: datetime) -> int:
        rows = Delivery.objects.filter(pk__in=keys, state__in=REPLAYED)
        chosen = dict(rows.select_for_update().values_list("pk", "state"))
        items = DeliveryItem.objects.filter(delivery__in=chosen)
        items.filter(state=DeliveryItem.FAILED).update(state=DeliveryItem.WAITING, status="")
        arrived = [key for key, state in chosen.items() if state == Delivery.DELIVERED]
        whole = items.filter(delivery__in=arrived, state=DeliveryItem.DELIVERED)
        whole.update(state=DeliveryItem.WAITING, status="")
        _forgive(chosen)
        columns: dict[str, Any] = {"priority_rank": BULK_RANK} if quietly else {}
        return Delivery.objects.filter(pk__in=chosen).update(
            state=Delivery.READY,
            reason_code="replayed",
            reason=stated,
            not_before=now,
            deadline_at=_deadline(now),
            attempts=0,
            ended_at=None,
            delivered_at=None,
            **columns,
        )

    return _operate(actor, "delivery_replay", ended, write, stated, door)


def verify_again(actor: Actor, deliveries: QuerySet[Delivery], *, door: str = "") -> int:
    """Ask receivers again whether they have what they said they stored; what one has not is sent again.

    Only for destinations that say how it is verified. One that was given up is asked when nothing else is missing than
    what the receiver did not find then: it goes out again only if it is still not there.

    Raises
    ------
    MissingRight
    """
    require_right(actor, REPLAY, "delivery_verify", door=door)

    def write(keys: list[int], now: datetime) -> int:
        rows = verifiable(Delivery.objects.filter(pk__in=keys))
        chosen = list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
        DeliveryItem.objects.filter(STORED_ONCE, delivery__in=chosen).update(
            state=DeliveryItem.DELIVERED, status=""
        )
        _forgive(chosen)
        return Delivery.objects.filter(pk__in=chosen).update(
            state=Delivery.READY,
            reason_code="verifying_again",
            reason="",
            not_before=now,
            deadline_at=_deadline(now),
            attempts=0,
            ended_at=None,
        )

    return _operate(actor, "delivery_verify", verifiable(deliveries), write, "", door)


def verifiable(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Return those whose receiver can be asked whether it has what it said it stored, all of which it was sent."""
    items = DeliveryItem.objects.filter(delivery=OuterRef("pk"))
    unsent = items.filter(state__in=(DeliveryItem.WAITING, DeliveryItem.FAILED)).exclude(STORED_ONCE)
    stored = items.filter(Q(state=DeliveryItem.DELIVERED) | STORED_ONCE)
    ended = deliveries.filter(state__in=(Delivery.DELIVERED, Delivery.DEAD))
    return ended.exclude(destination__verify="none").filter(Exists(stored), ~Exists(unsent))


def _operate(
    actor: Actor,
    action: str,
    deliveries: QuerySet[Delivery],
    write: Callable[[list[int], datetime], int],
    reason: str,
    door: str,
) -> int:
    """Do something to the deliveries that the actor keeps, in chunks, and record it chunk by chunk."""
    kept = deliveries_kept_by(actor).filter(pk__in=deliveries.order_by().values("pk"))
    keys = list(kept.order_by("priority_rank", "pk").values_list("pk", flat=True))
    done = 0
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]

        def work(part: list[int] = part) -> int:
            written = write(part, database_now())
            if written:
                _record(actor, action, part, written, reason, door)
            return written

        done += run_write(work)
    return done


def _record(actor: Actor, action: str, keys: list[int], written: int, reason: str, door: str) -> None:
    one = Delivery.objects.select_related("study").get(pk=keys[0]) if len(keys) == 1 else None
    audit.record(
        actor,
        action,
        door=door,
        study_instance_uid=one.study.study_instance_uid if one else "",
        patient_id=one.study.person_id if one else None,
        detail={"deliveries": keys, "changed": written, **({"stated_reason": reason} if reason else {})},
    )


def _forgive(keys: Iterable[int]) -> None:
    """Count the failures of before no more."""
    counted = Attempt.objects.filter(delivery__in=keys, error_class__in=COUNTED_FAILURES)
    counted.update(error_class=Concat("error_class", Value("_before")))


def _stop(
    keys: list[int], now: datetime, states: tuple[str, ...], state: str, reason_code: str, reason: str
) -> int:
    """Take deliveries out of the way; their slots stay taken until the receivers must have done with them."""
    rows = Delivery.objects.filter(pk__in=keys, state__in=states)
    chosen = list(rows.select_for_update().values_list("pk", flat=True))
    Attempt.objects.filter(delivery__in=chosen, ended_at=None).update(
        ended_at=now, error_class="stopped", error="stopped by an operator"
    )
    return Delivery.objects.filter(pk__in=chosen).update(
        state=state,
        reason_code=reason_code,
        reason=reason,
        lease_token="",
        lease_until=None,
        ended_at=now if state == Delivery.WITHDRAWN else None,
    )


def _deadline(now: datetime) -> Case:
    """Return the deadline of a delivery that begins now, by its class."""
    return Case(
        *(When(Q(priority=name), then=Value(now + length)) for name, length in DEADLINES.items()),
        default=Value(now + DEADLINES["normal"]),
        output_field=DateTimeField(),
    )
