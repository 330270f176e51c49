"""Deliveries about one report, order or recall go to a destination one after the other, oldest first."""

from django.db.models import Exists, OuterRef, Q

from repository.models import Delivery

ENDED = (Delivery.DELIVERED, Delivery.DEAD, Delivery.WITHDRAWN, Delivery.SUPERSEDED)


def is_next_of_subject() -> Q:
    """Return the condition for deliveries that nothing earlier about the same has to go before."""
    earlier = Delivery.objects.filter(
        destination=OuterRef("destination"),
        kind=OuterRef("kind"),
        subject=OuterRef("subject"),
        generation__lt=OuterRef("generation"),
    ).exclude(state__in=ENDED)
    return Q(subject="") | Q(~Exists(earlier))
