"""What an operator does about deliveries and destinations over the management API, each with who and why."""

from collections.abc import Callable
from typing import ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from access.reach import DESTINATIONS, REPLAY
from deploy.api.base import DOOR, answer, find, read_body, read_values
from deploy.api.delivery_forms import DeliveryRow, DeliveryWanted, Done, make_filter
from deploy.api.destination_forms import DestinationRow, HoldReason, Maintenance, ProbeRow
from deploy.api.destinations import DistributionView
from deploy.api.forms import Form
from registry.noted import EndedEntry, InvalidEntry
from repository.delivery.operating import operate
from repository.delivery.operating.listing import deliveries_kept_by, narrow, with_counts
from repository.delivery.queue.retry import retry
from repository.models import Delivery

Act = Callable[[Actor, QuerySet[Delivery], str], int]


class WhyForm(Form):
    """Why it is done; releasing, trying again and asking again need no reason."""

    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class ActByFilter(WhyForm):
    """What is done to all deliveries of a filter; one that names nothing is refused."""

    filter = DeliveryWanted()


ACTS: dict[str, tuple[str, Act]] = {
    "hold": (DESTINATIONS, lambda actor, rows, reason: operate.hold(actor, rows, reason, door=DOOR)),
    "release": (DESTINATIONS, lambda actor, rows, _: operate.release_deliveries(actor, rows, door=DOOR)),
    "withdraw": (DESTINATIONS, lambda actor, rows, reason: operate.withdraw(actor, rows, reason, door=DOOR)),
    "retry": (DESTINATIONS, lambda actor, rows, _: retry(actor, rows, door=DOOR)),
    "replay": (REPLAY, lambda actor, rows, reason: operate.replay(actor, rows, reason, door=DOOR)),
    "verify": (REPLAY, lambda actor, rows, _: operate.verify_again(actor, rows, door=DOOR)),
}
"""What may be done to deliveries, by the word in the address: the right it needs, and the function that does it."""


class DeliveryAct(DistributionView):
    """One thing done to one delivery."""

    words: ClassVar[dict[str, tuple[str, ...]]] = {"POST": (DESTINATIONS, REPLAY)}
    act = ""

    @extend_schema(request=WhyForm, responses=DeliveryRow)
    def post(self, request: Request, key: int) -> Response:
        """Do it; a delivery in another state than it is for is left as it is, and that is a conflict."""
        row = find(deliveries_kept_by(self.keeper), key)
        reason = read_body(WhyForm, request)["reason"]
        if not ACTS[self.act][1](self.keeper, Delivery.objects.filter(pk=row.pk), reason):
            raise EndedEntry(f"a delivery that is {row.state} is not one to {self.act}")
        return answer(DeliveryRow, with_counts(Delivery.objects.filter(pk=row.pk)).get(), self.actor)


class DeliveriesAct(DistributionView):
    """One thing done to all deliveries of a filter that the caller keeps."""

    words: ClassVar[dict[str, tuple[str, ...]]] = {"POST": (DESTINATIONS, REPLAY)}
    act = ""

    @extend_schema(request=ActByFilter, responses=Done)
    def post(self, request: Request) -> Response:
        """Do it to those that are in a state for it, and say how many they were."""
        values = read_body(ActByFilter, request)
        wanted = make_filter(read_values(DeliveryWanted, request.data["filter"]))
        if wanted.is_empty:
            raise InvalidEntry("filter: name at least one thing by which the deliveries are chosen")
        rows = narrow(deliveries_kept_by(self.keeper), wanted)
        return Response({"done": ACTS[self.act][1](self.keeper, rows, values["reason"])})


class DestinationHold(DistributionView):
    """That nothing is sent to a destination."""

    words = {"POST": (DESTINATIONS,)}

    @extend_schema(request=HoldReason, responses=DestinationRow)
    def post(self, request: Request, key: int) -> Response:
        """Hold it; deliveries keep their places."""
        row = self.find_destination(key)
        operate.hold_destination(self.keeper, row, read_body(HoldReason, request)["reason"], door=DOOR)
        return answer(DestinationRow, self.find_destination(key), self.actor)


class DestinationRelease(DistributionView):
    """That it is sent to again."""

    words = {"POST": (DESTINATIONS,)}

    @extend_schema(request=None, responses=DestinationRow)
    def post(self, request: Request, key: int) -> Response:
        """Release it."""
        operate.release_destination(self.keeper, self.find_destination(key), door=DOOR)
        return answer(DestinationRow, self.find_destination(key), self.actor)


class DestinationMaintenance(DistributionView):
    """That a receiver is out of service until a moment."""

    words = {"POST": (DESTINATIONS,)}

    @extend_schema(request=Maintenance, responses=DestinationRow)
    def post(self, request: Request, key: int) -> Response:
        """Say until when; null ends the maintenance now."""
        row, values = self.find_destination(key), read_body(Maintenance, request)
        operate.set_maintenance(self.keeper, row, values["until"], door=DOOR)
        return answer(DestinationRow, self.find_destination(key), self.actor)


class DestinationTest(DistributionView):
    """Whether a destination answers."""

    words = {"POST": (DESTINATIONS,)}

    @extend_schema(request=None, responses=ProbeRow)
    def post(self, request: Request, key: int) -> Response:
        """Speak to it; nothing of a patient is sent."""
        found = operate.test_destination(self.keeper, self.find_destination(key), door=DOOR)
        return answer(ProbeRow, found, self.actor)


def make_act(view: type[DeliveryAct] | type[DeliveriesAct], name: str) -> Callable[..., HttpResponseBase]:
    """Make the view of one act, which only who has its right may ask for."""
    return view.as_view(act=name, words={"POST": (ACTS[name][0],)})
