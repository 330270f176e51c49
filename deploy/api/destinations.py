"""Destinations over the management API: kept by who keeps them for their department, unknown to everybody else."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from access.reach import DESTINATIONS, departments_kept_by, widen_for_staff
from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.destination_forms import DestinationChange, DestinationRow, NewDestination
from registry.models import Destination
from registry.noted import UnknownEntry
from repository.delivery.operating.keeping import (
    DestinationDraft,
    change_destination,
    create_destination,
    destinations_kept_by,
    draft_of,
)

KEEP = (DESTINATIONS,)


class DistributionView(ApiView):
    """A view of distribution: staff keeps that of every department, others that of their own."""

    @property
    def keeper(self) -> Actor:
        """Who keeps: the actor, or staff with the reach it has here and nowhere else."""
        is_staff = bool(getattr(self.session_user, "is_staff", False)) and self.actor.kind == "person"
        return widen_for_staff(self.actor, is_staff=is_staff)

    def find_destination(self, key: int) -> Destination:
        """Return a destination that the caller keeps; every other is unknown."""
        return find(destinations_kept_by(self.keeper), key)


class Destinations(DistributionView):
    """The destinations that the caller keeps."""

    words = {"GET": KEEP, "POST": KEEP}

    @extend_schema(operation_id="destinations_list", responses=list_of(DestinationRow))
    def get(self, request: Request) -> Response:
        """List them, by department and name."""
        return answer_list(DestinationRow, destinations_kept_by(self.keeper), self.actor)

    @extend_schema(request=NewDestination, responses={201: DestinationRow})
    def post(self, request: Request) -> Response:
        """Create one; people show their second factor before, because data leave for it."""
        self.check_second_factor()
        values = read_body(NewDestination, request)
        department = values.pop("department")
        if not departments_kept_by(self.keeper).filter(pk=department.pk).exists():
            raise UnknownEntry("no such department")
        row = create_destination(self.keeper, department, DestinationDraft(**values), door=DOOR)
        return answer(DestinationRow, row, self.actor, 201)


class DestinationOne(DistributionView):
    """One destination."""

    words = {"GET": KEEP, "PATCH": KEEP}

    @extend_schema(responses=DestinationRow)
    def get(self, request: Request, key: int) -> Response:
        """Show it; of its secrets only that they are there."""
        return answer(DestinationRow, self.find_destination(key), self.actor)

    @extend_schema(request=DestinationChange, responses=DestinationRow)
    def patch(self, request: Request, key: int) -> Response:
        """Change what is named; people show their second factor before."""
        row = self.find_destination(key)
        self.check_second_factor()
        values: dict[str, Any] = read_body(DestinationChange, request)
        changed = change_destination(self.keeper, row, replace(draft_of(row), **values), door=DOOR)
        return answer(DestinationRow, changed, self.actor)
