"""Whose subscriptions, destinations and deliveries an actor keeps: the own department's, or everybody's.

Keeping them opens no study: what is shown of one is decided as everywhere else, by the actor as it came.
"""

from dataclasses import replace

from django.db.models import QuerySet

from access.actor import Actor, Scope
from access.models import Department

SUBSCRIPTIONS = "keep_subscriptions"
DESTINATIONS = "keep_destinations"
REPLAY = "replay"
KEPT = (SUBSCRIPTIONS, DESTINATIONS, REPLAY)


def widen_for_staff(actor: Actor, *, is_staff: bool) -> Actor:
    """Return the actor with which staff keeps distribution: of every department, and nothing but that."""
    if not is_staff:
        return actor
    return replace(actor, scope=Scope(region_wide=True), permissions=frozenset(KEPT))


def departments_kept_by(actor: Actor) -> QuerySet[Department]:
    """Return the departments whose distribution the actor may keep, in the order of names."""
    rows = Department.objects.select_related("unit").order_by("unit__name", "name", "pk")
    return rows if actor.scope.region_wide else rows.filter(pk=actor.scope.department_id or 0)
