"""The department's worklist over the management API: for the people who work there."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access import audit
from access.models import Department
from deploy.api.base import DOOR, PERSON, ApiView, answer, answer_list
from deploy.api.description import list_of
from deploy.api.forms import Form
from registry.models import WorklistItem
from registry.noted import InvalidEntry, UnknownEntry
from registry.wishes.priorities import PRIORITIES
from registry.worklist import DONE, NEW, OPEN_STATES, OPENED, WITHDRAWN, mark_done, read_worklist

STATES = (NEW, OPENED, DONE, WITHDRAWN)


class WorklistRowForm(Form):
    """An item; what may not be read yet names no study, and says what it needs."""

    id = serializers.IntegerField(source="item.pk")
    state = serializers.ChoiceField(STATES, source="item.state")
    priority = serializers.SerializerMethodField()
    reason = serializers.CharField(source="item.reason")
    arrived_at = serializers.DateTimeField(source="item.arrived_at")
    changed_at = serializers.DateTimeField(source="item.changed_at")
    opened_at = serializers.DateTimeField(source="item.opened_at", allow_null=True)
    needs = serializers.SerializerMethodField()
    study_instance_uid = serializers.SerializerMethodField(allow_null=True)

    def get_priority(self, row: Any) -> str:
        """Return the word for the rank."""
        return PRIORITIES[min(row.item.priority_rank, len(PRIORITIES) - 1)]

    def get_needs(self, row: Any) -> str:
        """Return what is missing before the study can be read; empty when it can."""
        return "" if row.decision.permits else str(row.decision.need or row.decision.reason)

    def get_study_instance_uid(self, row: Any) -> str | None:
        """Return the study where it may be read."""
        return row.item.study.study_instance_uid if row.decision.permits else None


class DoneItem(Form):
    """An item that is done."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(STATES)
    done_at = serializers.DateTimeField()
    done_by = serializers.CharField()


class Worklist(ApiView):
    """The worklist of the caller's department."""

    words = {"GET": (PERSON,)}

    @extend_schema(
        operation_id="worklist_list",
        parameters=[OpenApiParameter("state", OpenApiTypes.STR, many=True, enum=STATES)],
        responses=list_of(WorklistRowForm),
    )
    def get(self, request: Request) -> Response:
        """List what waits, urgent first; asked for by state also what is done or was withdrawn."""
        states = request.query_params.getlist("state") or list(OPEN_STATES)
        unknown = sorted(set(states) - set(STATES))
        if unknown:
            raise InvalidEntry(f"state: {unknown[0][:20]!r} is none of {', '.join(STATES)}")
        rows = read_worklist(self.actor, self._find_department(), states)
        audit.record(self.actor, "search", door=DOOR, detail={"list": "worklist", "rows": len(rows)})
        return answer_list(WorklistRowForm, rows, self.actor)

    def _find_department(self) -> Department:
        row = Department.objects.filter(pk=self.actor.scope.department_id or 0).first()
        if row is None:
            raise UnknownEntry("no such department")
        return row


class WorklistDone(ApiView):
    """That an item is done."""

    words = {"POST": (PERSON,)}

    @extend_schema(request=None, responses=DoneItem)
    def post(self, request: Request, key: int) -> Response:
        """Say that it is done."""
        row: WorklistItem = mark_done(self.actor, key, door=DOOR)
        return answer(DoneItem, row, self.actor)
