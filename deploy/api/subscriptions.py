"""Subscriptions over the management API: kept by who keeps them for their department, unknown to everybody else."""

from dataclasses import replace
from typing import Any

from django.utils.translation import override
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.models import Department
from access.reach import REPLAY, SUBSCRIPTIONS, departments_kept_by
from deploy.api.base import DOOR, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.destinations import DistributionView
from deploy.api.forms import Form, department_field
from registry.models import Destination, Subscription
from registry.noted import InvalidEntry, UnknownEntry
from registry.subscribing import (
    WANTS,
    SubscriptionDraft,
    change_subscription,
    draft_of,
    end_subscription,
    make_unsaved,
    subscribe,
    subscriptions_kept_by,
)
from registry.wishes.filter import STATES
from registry.wishes.preview import preview
from registry.wishes.priorities import PRIORITIES
from registry.wishes.replay import replay
from registry.wishes.sentence import write_sentence

KEEP = (SUBSCRIPTIONS,)


class SubscriptionFields(Form):
    """What may be stated of a subscription; what is left out keeps its value, or gets the usual one."""

    destination = serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1)
    name = serializers.CharField(max_length=100, allow_blank=True, required=False)
    filter = serializers.DictField(
        required=False, help_text="As docs/subscriptions.md says; {} takes everything"
    )
    wants = serializers.ListField(child=serializers.ChoiceField(WANTS), required=False)
    from_state = serializers.ChoiceField(STATES, required=False)
    priority = serializers.ChoiceField(PRIORITIES, required=False)
    weight = serializers.IntegerField(required=False)
    window = serializers.ListField(child=serializers.DictField(), required=False)
    max_priors = serializers.IntegerField(required=False)
    max_prior_years = serializers.IntegerField(required=False)
    active = serializers.BooleanField(required=False)


class SubscriptionChange(SubscriptionFields):
    """A change: only what is named."""

    destination = serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1, required=False)


class NewSubscription(SubscriptionFields):
    """A subscription to create."""

    department = department_field()


class SubscriptionRow(SubscriptionFields):
    """A subscription."""

    id = serializers.IntegerField()
    department = department_field()
    destination = serializers.IntegerField(source="destination_id")
    destination_name = serializers.CharField(source="destination.name")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    changed_at = serializers.DateTimeField()
    sentence = serializers.SerializerMethodField()

    def get_sentence(self, row: Subscription) -> dict[str, str]:
        """Say it in a sentence, in English and in Swedish."""
        return say_in_both(row)


class FamilyRow(Form):
    """How many studies of a family of modalities."""

    modality_family = serializers.CharField()
    studies = serializers.IntegerField()


class WouldMatch(Form):
    """What a subscription would have matched; nothing of a patient."""

    sentence = serializers.DictField(child=serializers.CharField())
    days = serializers.IntegerField()
    studies = serializers.IntegerField()
    families = FamilyRow(many=True)
    newest = serializers.ListField(child=serializers.CharField(), help_text="Study Instance UIDs")


class Replay(Form):
    """Of which dates of examination, both included, what a subscription matches is sent, and why."""

    since = serializers.DateField()
    until = serializers.DateField()
    reason = serializers.CharField(max_length=400)


class Matching(Form):
    """How many studies match; what is there or on its way is not sent again."""

    studies = serializers.IntegerField()


class SubscriptionView(DistributionView):
    """A view of subscriptions."""

    def find_subscription(self, key: int) -> Subscription:
        """Return a subscription that the caller keeps; every other is unknown."""
        return find(subscriptions_kept_by(self.keeper), key)

    def read_new(self, request: Request) -> tuple[Department, SubscriptionDraft]:
        """Return whose subscription a body says, and what."""
        values = read_body(NewSubscription, request)
        department = values.pop("department")
        if not departments_kept_by(self.keeper).filter(pk=department.pk).exists():
            raise UnknownEntry("no such department")
        return department, SubscriptionDraft(**_with_destination(values, department))


class Subscriptions(SubscriptionView):
    """The subscriptions that the caller keeps."""

    words = {"GET": KEEP, "POST": KEEP}

    @extend_schema(operation_id="subscriptions_list", responses=list_of(SubscriptionRow))
    def get(self, request: Request) -> Response:
        """List them, by department, the oldest first."""
        return answer_list(SubscriptionRow, subscriptions_kept_by(self.keeper), self.actor)

    @extend_schema(request=NewSubscription, responses={201: SubscriptionRow})
    def post(self, request: Request) -> Response:
        """Subscribe: what becomes quiet from now on is held against it."""
        department, draft = self.read_new(request)
        return answer(SubscriptionRow, subscribe(self.keeper, department, draft, door=DOOR), self.actor, 201)


class SubscriptionOne(SubscriptionView):
    """One subscription."""

    words = {"GET": KEEP, "PATCH": KEEP, "DELETE": KEEP}

    @extend_schema(responses=SubscriptionRow)
    def get(self, request: Request, key: int) -> Response:
        """Show it."""
        return answer(SubscriptionRow, self.find_subscription(key), self.actor)

    @extend_schema(request=SubscriptionChange, responses=SubscriptionRow)
    def patch(self, request: Request, key: int) -> Response:
        """Change what is named, for what is planned from now on."""
        row = self.find_subscription(key)
        values = _with_destination(read_body(SubscriptionChange, request), row.department)
        changed = change_subscription(self.keeper, row, replace(draft_of(row), **values), door=DOOR)
        return answer(SubscriptionRow, changed, self.actor)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, key: int) -> Response:
        """Remove it; what only it asked for and has not gone is withdrawn."""
        end_subscription(self.keeper, self.find_subscription(key), door=DOOR)
        return Response(status=204)


class SubscriptionPreview(SubscriptionView):
    """What a subscription would have brought."""

    words = {"POST": KEEP}

    @extend_schema(request=NewSubscription, responses=WouldMatch)
    def post(self, request: Request) -> Response:
        """Count the studies of the last seven days that it would have matched; nothing is kept."""
        row = make_unsaved(*self.read_new(request))
        found = preview(row)
        families = [{"modality_family": name, "studies": number} for name, number in found.families]
        shown = {
            "sentence": say_in_both(row),
            "days": found.days,
            "studies": found.count,
            "families": families,
            "newest": found.newest,
        }
        return answer(WouldMatch, shown, self.actor)


class SubscriptionReplay(SubscriptionView):
    """The past, sent to a subscription."""

    words = {"POST": (REPLAY,)}

    @extend_schema(request=Replay, responses=Matching)
    def post(self, request: Request, key: int) -> Response:
        """Send what matches of a span of dates, when there is room."""
        row = self.find_subscription(key)
        return Response({"studies": replay(self.keeper, row, door=DOOR, **read_body(Replay, request))})


def say_in_both(row: Subscription) -> dict[str, str]:
    """Return the sentence of a subscription by language."""
    sentences = {}
    for language in ("en", "sv"):
        with override(language):
            sentences[language] = write_sentence(row)
    return sentences


def _with_destination(values: dict[str, Any], department: Department) -> dict[str, Any]:
    """Replace the key of the destination by the department's destination of that key."""
    if "destination" not in values:
        return values
    row = Destination.objects.filter(pk=values["destination"], department=department).first()
    if row is None:
        raise InvalidEntry("destination: the department has no such destination")
    return values | {"destination": row}
