"""Deliveries as those who keep them ask for: by state, destination, kind, study, patient and age, newest first."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from access.actor import Actor
from access.reach import departments_kept_by
from repository.models import Delivery, DeliveryItem

KINDS = ("study", "prior", "report", "request", "recall", "correction")
MOVING = (Delivery.LEASED, Delivery.SENDING, Delivery.VERIFYING)
WAITING = (Delivery.READY, Delivery.AWAITING_BASIS, Delivery.WAITING_WINDOW, Delivery.HELD)
ENDED = (Delivery.DELIVERED, Delivery.DEAD, Delivery.WITHDRAWN, Delivery.SUPERSEDED)
STATES = (*WAITING, *MOVING, *ENDED)
MOST_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What is asked for; what is left empty does not narrow.

    Parameters
    ----------
    planned_before, planned_since
        The age of a delivery is the age of its plan.
    """

    states: tuple[str, ...] = ()
    destination_ids: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    study_instance_uid: str = ""
    patient_id: int | None = None
    planned_before: datetime | None = None
    planned_since: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether it takes everything."""
        return self == DeliveryFilter()


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page, newest first; `following` is where the next one begins, None after the last."""

    rows: tuple[Delivery, ...]
    following: int | None


def deliveries_kept_by(actor: Actor) -> QuerySet[Delivery]:
    """Return the deliveries to destinations of the departments whose distribution the actor keeps."""
    return Delivery.objects.filter(destination__department__in=departments_kept_by(actor))


def narrow(rows: QuerySet[Delivery], wanted: DeliveryFilter) -> QuerySet[Delivery]:
    """Return those of the rows that a filter asks for."""
    condition = Q()
    if wanted.states:
        condition &= Q(state__in=wanted.states)
    if wanted.destination_ids:
        condition &= Q(destination__in=wanted.destination_ids)
    if wanted.kinds:
        condition &= Q(kind__in=wanted.kinds)
    if wanted.study_instance_uid:
        condition &= Q(study__study_instance_uid=wanted.study_instance_uid)
    if wanted.patient_id is not None:
        condition &= Q(study__person=wanted.patient_id)
    if wanted.planned_before is not None:
        condition &= Q(planned_at__lt=wanted.planned_before)
    if wanted.planned_since is not None:
        condition &= Q(planned_at__gte=wanted.planned_since)
    return rows.filter(condition)


def read_page(rows: QuerySet[Delivery], *, before: int | None = None, most: int = 100) -> DeliveryPage:
    """Read one page, with counts of instances as `total` and `arrived`; keys only go down, so none is seen twice."""
    most = min(most, MOST_A_PAGE)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    rows = rows.select_related("study", "destination__department__unit").defer("study__fragment")
    found = list(with_counts(rows).order_by("-pk")[: most + 1])
    return DeliveryPage(tuple(found[:most]), found[most - 1].pk if len(found) > most else None)


def with_counts(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Add how many instances a delivery has, and how many of them the receiver has named."""
    items = DeliveryItem.objects.filter(delivery=OuterRef("pk")).order_by().values("delivery")
    number: IntegerField[int, int] = IntegerField()
    total = items.annotate(found=Count("pk")).values("found")
    arrived = items.filter(state=DeliveryItem.DELIVERED).annotate(found=Count("pk")).values("found")
    return rows.annotate(
        total=Coalesce(Subquery(total, output_field=number), 0),
        arrived=Coalesce(Subquery(arrived, output_field=number), 0),
    )
