"""Merges that wait for a person, over the management API: listed, carried out or refused by who keeps identities."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from access.database import run_write
from deploy.api.base import DOOR, find, read_body, read_values
from deploy.api.forms import Form
from deploy.api.merge_forms import LARGEST_KEY, NumberRow
from deploy.api.merges import MergeView
from deploy.api.patients import make_reference
from registry.identity import find_number_fault, find_patient
from registry.merge_listing import KEEP, MOST_A_PAGE
from registry.merge_requests import make_request, numbers_of, record_seen, refuse_request, requests_kept_by
from registry.models import MergeRequest

STATES = ("waiting", "made", "refused", "withdrawn")
A_PAGE = 100


class RequestQuery(Form):
    """Which requests, as query parameters."""

    state = serializers.ChoiceField(STATES, required=False)
    cursor = serializers.IntegerField(min_value=1, max_value=LARGEST_KEY, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_A_PAGE, required=False)


class AskedNumber(NumberRow):
    """A number, and the patient who has it now."""

    patient = serializers.CharField(allow_null=True)


class RequestRow(Form):
    """What a feed asks to merge or link, and what a person decided."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(("merge", "link"))
    state = serializers.ChoiceField(STATES)
    survivor = AskedNumber()
    subsumed = AskedNumber()
    told_by = serializers.CharField()
    message_id = serializers.CharField()
    requested_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()
    reason = serializers.CharField()
    merge = serializers.IntegerField(allow_null=True, help_text="The merge that was made of it")


class DecisionReason(Form):
    """Why two are one, or are not."""

    reason = serializers.CharField(max_length=400)


PAGE = inline_serializer(
    "MergeRequestPage", {"results": RequestRow(many=True), "next": serializers.IntegerField(allow_null=True)}
)


class Requests(MergeView):
    """What feeds ask for."""

    words = {"GET": (KEEP,)}

    @extend_schema(operation_id="merge_requests_list", parameters=[RequestQuery], responses=PAGE)
    def get(self, request: Request) -> Response:
        """List requests, newest first, a page at a time; that a patient was seen here is in the patient's log."""
        values = read_values(RequestQuery, request.query_params.dict())
        rows = requests_kept_by(self.keeper)
        if "state" in values:
            rows = rows.filter(decision="" if values["state"] == "waiting" else values["state"])
        if "cursor" in values:
            rows = rows.filter(pk__lt=values["cursor"])
        most = values.get("limit", A_PAGE)
        found = list(rows.order_by("-pk")[: most + 1])
        run_write(lambda: record_seen(self.actor, found[:most], door=DOOR))
        return Response(
            {
                "results": [describe_request(self.actor, row) for row in found[:most]],
                "next": found[most - 1].pk if len(found) > most else None,
            }
        )


class RequestMade(MergeView):
    """What makes two one."""

    words = {"POST": (KEEP,)}

    @extend_schema(request=DecisionReason, responses=RequestRow)
    def post(self, request: Request, key: int) -> Response:
        """Carry it out; people show their second factor before, because data change hands."""
        self.check_second_factor()
        reason = read_body(DecisionReason, request)["reason"]
        find(requests_kept_by(self.keeper), key)
        row = run_write(lambda: make_request(key, by=self.actor, reason=reason))
        return Response(describe_request(self.actor, row))


class RequestRefused(MergeView):
    """What lets two stay two."""

    words = {"POST": (KEEP,)}

    @extend_schema(request=DecisionReason, responses=RequestRow)
    def post(self, request: Request, key: int) -> Response:
        """Refuse it."""
        reason = read_body(DecisionReason, request)["reason"]
        find(requests_kept_by(self.keeper), key)
        row = run_write(lambda: refuse_request(key, by=self.actor, reason=reason))
        return Response(describe_request(self.actor, row))


def describe_request(actor: Actor, row: MergeRequest) -> dict[str, Any]:
    """Describe a request, its patients by references made for who asks."""
    shown = []
    for number in numbers_of(row):
        patient = find_patient(number)
        shown.append(
            {
                "value": number.value,
                "issuer": number.issuer,
                "fault": find_number_fault(number.value, number.issuer),
                "patient": make_reference(actor, patient.pk) if patient else None,
            }
        )
    told = {
        "id": row.pk,
        "kind": row.kind,
        "state": row.decision or "waiting",
        "survivor": shown[0],
        "subsumed": shown[1],
        "told_by": row.source,
        "message_id": row.message_id,
        "requested_at": row.requested_at,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "reason": row.reason,
        "merge": row.merge_id,
    }
    return dict(RequestRow(told).data)
