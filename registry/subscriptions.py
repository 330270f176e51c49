"""Which subscriptions a study satisfies."""

from collections.abc import Collection
from dataclasses import dataclass

from registry.harmonise.decide import HarmonisedValues
from registry.models import Destination, Study, Subscription

PRIORITIES = ("urgent", "normal", "prior", "bulk")


@dataclass(frozen=True, slots=True)
class Wish:
    """That one destination is to receive a study: how urgently, and by which subscriptions."""

    destination: Destination
    priority: str
    subscription_ids: tuple[int, ...]


def rank_priority(priority: str) -> int:
    """Return the place of a priority: 0 is the most urgent."""
    return PRIORITIES.index(priority)


def find_wishes(study: Study) -> tuple[Wish, ...]:
    """Return what is wanted of the study, one wish a destination, in order of destination.

    A department that stored the study does not get it back at a destination of its own.
    """
    rows = (
        Subscription.objects.filter(active=True, destination__active=True)
        .exclude(destination__department=study.custodian)
        .select_related("destination__department__unit")
        .order_by("destination_id", "pk")
    )
    wanted: dict[int, list[Subscription]] = {}
    for subscription in rows:
        if _matches(subscription, study):
            wanted.setdefault(subscription.destination_id, []).append(subscription)
    return tuple(_join(subscriptions) for subscriptions in wanted.values())


def matches_codes(
    values: HarmonisedValues, *, regions: Collection[str] = (), procedures: Collection[str] = ()
) -> bool:
    """Tell whether a study's harmonised values are among those wanted; an empty wish takes all.

    `registry.harmonise.read.read_values` gives them, also before they are written.
    """
    of_region = not regions or not set(regions).isdisjoint(values.body_regions)
    return of_region and (not procedures or values.procedure_code in procedures)


def _matches(subscription: Subscription, study: Study) -> bool:
    return not subscription.modalities or not set(subscription.modalities).isdisjoint(
        study.modalities_in_study
    )


def _join(subscriptions: list[Subscription]) -> Wish:
    return Wish(
        destination=subscriptions[0].destination,
        priority=min((s.priority for s in subscriptions), key=rank_priority),
        subscription_ids=tuple(s.pk for s in subscriptions),
    )
