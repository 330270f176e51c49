"""Subscriptions over the management API: kept by who keeps them for their department, unknown to everybody else."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.models import Department
from access.reach import SUBSCRIPTIONS, departments_kept_by
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
    subscribe,
    subscriptions_kept_by,
)
from registry.wishes.filter import STATES
from registry.wishes.priorities import PRIORITIES

KEEP = (SUBSCRIPTIONS,)


class SubscriptionFields(Form):
    """What may be stated of a subscription; what is left out keeps its value, or gets the usual one."""

    destination = serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1)
    name = serializers.CharField(max_length=100, allow_blank=True, required=False)
    filter = serializers.DictField(
        required=False, help_text="As docs/distribution.md says; {} takes everything"
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


def _with_destination(values: dict[str, Any], department: Department) -> dict[str, Any]:
    """Replace the key of the destination by the department's destination of that key."""
    if "destination" not in values:
        return values
    row = Destination.objects.filter(pk=values["destination"], department=department).first()
    if row is None:
        raise InvalidEntry("destination: the department has no such destination")
    return values | {"destination": row}
