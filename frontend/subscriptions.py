"""Subscriptions as their page shows them: each as a sentence, beside it what it would have brought."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from access.actor import Actor
from frontend.modalities import Badge, make_study_badge
from frontend.people import format_date
from frontend.studies import name_hospital
from registry.models import Study, Subscription
from registry.subscribing import subscriptions_kept_by
from registry.wishes.preview import preview
from registry.wishes.sentence import write_sentence
from repository.models import Delivery

NEWEST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SubscriptionLine:
    """One subscription: its sentence, and when something last arrived where it sends."""

    row: Subscription
    sentence: str
    last_delivery_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewestLine:
    """A study that would have come: what it is and where from, no patient."""

    badge: Badge
    description: str
    date: str
    hospital: str


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What a subscription means, and what it would have matched."""

    sentence: str
    count: int
    days: int
    newest: tuple[NewestLine, ...]


def list_subscriptions(keeper: Actor) -> list[SubscriptionLine]:
    """List what somebody keeps, by department, the oldest first."""
    rows = list(subscriptions_kept_by(keeper))
    arrived = dict(
        Delivery.objects.filter(
            destination__in={row.destination_id for row in rows}, state=Delivery.DELIVERED
        )
        .order_by()
        .values_list("destination")
        .annotate(last=Max("delivered_at"))
    )
    return [SubscriptionLine(row, write_sentence(row), arrived.get(row.destination_id)) for row in rows]


def show_preview(row: Subscription) -> PreviewView:
    """Hold a subscription, kept or not, against the last days.

    Raises
    ------
    UnknownFilter
    """
    found = preview(row)
    studies = Study.objects.filter(study_instance_uid__in=found.newest).select_related("custodian__unit")
    by_uid = {study.study_instance_uid: study for study in studies.defer("fragment")}
    newest = tuple(_make_newest(by_uid[uid]) for uid in found.newest[:NEWEST_SHOWN] if uid in by_uid)
    return PreviewView(write_sentence(row), found.count, found.days, newest)


def _make_newest(study: Study) -> NewestLine:
    return NewestLine(
        make_study_badge(study.modalities_in_study),
        study.study_description,
        format_date(study.study_date),
        name_hospital(study),
    )
