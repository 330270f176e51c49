"""Whose turn it is at one destination: subscriptions share it by their weights, however much each has waiting.

Every subscription has a count that grows by 1 / weight with each delivery of its own. The one with the least that has
something ready is next; who had nothing ready saves no turns up. Call in the transaction that holds the
destination's row.
"""

from dataclasses import dataclass

from django.db.models import QuerySet

from registry.models import Destination, DestinationBucket, Subscription
from repository.models import Delivery

ORDER = ("not_before", "pk")


@dataclass(frozen=True, slots=True)
class Turn:
    """A subscription at a destination: its count, and how much one delivery adds to it."""

    key: int
    count: float
    step: float


def choose_next(destination: Destination, rows: QuerySet[Delivery]) -> Delivery | None:
    """Choose the delivery that goes next out of those that may go, of one destination.

    Within the best priority that is there, the subscription whose turn it is; of that the oldest. What no subscription
    asked for takes no turn: it goes when it is the oldest.
    """
    oldest = rows.order_by("priority_rank", *ORDER).first()
    if oldest is None or oldest.turn_of is None:
        return oldest
    turns = _read_turns(destination)
    if len(turns) < 2 or oldest.turn_of not in {turn.key for turn in turns}:
        return oldest
    best = rows.filter(priority_rank=oldest.priority_rank)
    for turn in turns:
        found = best.filter(turn_of=turn.key).order_by(*ORDER).first()
        if found is not None:
            return found
    return oldest


def take_turn(destination: Destination, delivery: Delivery) -> None:
    """Count a delivery that was chosen."""
    turns = {turn.key: turn for turn in _read_turns(destination)}
    own = turns.get(delivery.turn_of or 0)
    if own is None or len(turns) < 2:
        return
    # Those with less had nothing ready when this one was chosen: they begin again from here.
    counts = {key: max(turn.count, own.count) for key, turn in turns.items()}
    counts[own.key] += own.step
    least = min(counts.values())
    DestinationBucket.objects.update_or_create(
        destination=destination,
        defaults={"turns": {str(key): count - least for key, count in counts.items()}},
    )


def _read_turns(destination: Destination) -> list[Turn]:
    """Return the turns of a destination's active subscriptions, the next one first."""
    rows = Subscription.objects.filter(destination=destination, active=True).order_by("pk")
    weights = list(rows.values_list("pk", "weight"))
    if len(weights) < 2:
        return [Turn(key, 0.0, 1.0) for key, _ in weights]
    counts = (
        DestinationBucket.objects.filter(destination=destination).values_list("turns", flat=True).first()
        or {}
    )
    turns = [Turn(key, float(counts.get(str(key), 0.0)), 1 / max(1, weight)) for key, weight in weights]
    return sorted(turns, key=lambda turn: (turn.count, turn.key))
