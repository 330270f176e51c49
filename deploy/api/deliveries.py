"""Deliveries over the management API: who keeps the distribution of a department sees them and acts on them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.reach import DESTINATIONS, REPLAY, SUBSCRIPTIONS
from deploy.api.base import answer, answer_list, find, read_body, read_values
from deploy.api.delivery_forms import (
    PAGE,
    AttemptRow,
    DeliveryQuery,
    DeliveryRow,
    DeliverySearch,
    make_filter,
)
from deploy.api.description import list_of
from deploy.api.destinations import DistributionView
from deploy.api.patients import find_by_number
from registry.noted import InvalidEntry, UnknownEntry
from repository.delivery.operating.listing import (
    DeliveryFilter,
    deliveries_kept_by,
    narrow,
    read_page,
    with_counts,
)
from repository.models import Attempt

SEE = (DESTINATIONS, SUBSCRIPTIONS, REPLAY)
A_PAGE = 100
LISTS = ("state", "destination", "kind")


class DeliveryList(DistributionView):
    """A view that answers with pages of deliveries."""

    def answer_page(self, wanted: DeliveryFilter, values: dict[str, Any]) -> Response:
        """Answer with one page of what is wanted."""
        rows = narrow(deliveries_kept_by(self.keeper), wanted)
        page = read_page(rows, before=values.get("cursor"), most=values.get("limit", A_PAGE))
        shown = DeliveryRow(page.rows, many=True, context={"actor": self.actor}).data
        return Response({"results": shown, "next": page.following})


class Deliveries(DeliveryList):
    """The deliveries to the destinations that the caller keeps."""

    words = {"GET": SEE}

    @extend_schema(operation_id="deliveries_list", parameters=[DeliveryQuery], responses=PAGE)
    def get(self, request: Request) -> Response:
        """List them, newest first, a page at a time."""
        values = read_values(DeliveryQuery, _read_query(request))
        return self.answer_page(make_filter(values), values)


class DeliveriesFound(DeliveryList):
    """Deliveries found by what belongs in no address."""

    words = {"POST": SEE}

    @extend_schema(operation_id="deliveries_search", request=DeliverySearch, responses=PAGE)
    def post(self, request: Request) -> Response:
        """List them; a patient whom nobody knows has none."""
        values = read_body(DeliverySearch, request)
        number = values.get("patient_number", "")
        if not number:
            return self.answer_page(make_filter(values), values)
        try:
            patient = find_by_number(self.actor, number, values.get("issuer", ""))
        except UnknownEntry:
            return Response({"results": [], "next": None})
        return self.answer_page(make_filter(values, patient.pk), values)


class DeliveryOne(DistributionView):
    """One delivery."""

    words = {"GET": SEE}

    @extend_schema(responses=DeliveryRow)
    def get(self, request: Request, key: int) -> Response:
        """Show it."""
        return answer(DeliveryRow, find(with_counts(deliveries_kept_by(self.keeper)), key), self.actor)


class DeliveryAttempts(DistributionView):
    """The tries at one delivery."""

    words = {"GET": SEE}

    @extend_schema(operation_id="delivery_attempts_list", responses=list_of(AttemptRow))
    def get(self, request: Request, key: int) -> Response:
        """List them, newest first, at most a hundred."""
        row = find(deliveries_kept_by(self.keeper), key)
        return answer_list(AttemptRow, Attempt.objects.filter(delivery=row).order_by("-pk")[:100], self.actor)


def _read_query(request: Request) -> dict[str, Any]:
    """Return the query parameters; of what is no list each may be there once."""
    asked: dict[str, Any] = {}
    for name, values in request.query_params.lists():
        if name not in LISTS and len(values) > 1:
            raise InvalidEntry(f"{name[:40]} is there {len(values)} times")
        asked[name] = values if name in LISTS else values[0]
    return asked
