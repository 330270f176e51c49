"""Recalls over the management API: what receivers have still to remove, the oldest first."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.reach import DESTINATIONS, REPLAY, SUBSCRIPTIONS, departments_kept_by
from deploy.api.base import DOOR, PERSON, answer, answer_list
from deploy.api.description import list_of
from deploy.api.destinations import DistributionView
from deploy.api.forms import Form, department_field
from registry.noted import UnknownEntry
from repository.delivery.planning.recall_receipts import acknowledge_recall, open_recalls
from repository.models import RecallReceipt

WORDS = (PERSON, DESTINATIONS, SUBSCRIPTIONS, REPLAY)
STATES = ("sending", "acknowledged", "task", "done")


class RecallReceiptRow(Form):
    """What one receiver has done; `task` asks a person there to remove the images."""

    id = serializers.IntegerField()
    destination = serializers.IntegerField(source="destination_id")
    destination_name = serializers.CharField(source="destination.name")
    department = department_field(source="destination.department")
    state = serializers.ChoiceField(STATES)
    sop_instance_uids = serializers.ListField(child=serializers.CharField())
    changed_at = serializers.DateTimeField()
    changed_by = serializers.CharField()


class RecallRow(Form):
    """An open recall, with the receivers that the caller may know of."""

    id = serializers.IntegerField()
    study_instance_uid = serializers.CharField(source="study.study_instance_uid")
    code_value = serializers.CharField()
    code_meaning = serializers.CharField()
    reason = serializers.CharField()
    made_at = serializers.DateTimeField()
    receipts = RecallReceiptRow(many=True, source="receipts.all")


class Recalls(DistributionView):
    """Recalls that are open at the caller's department, or at those that the caller keeps."""

    words = {"GET": WORDS}

    @extend_schema(operation_id="recalls_list", responses=list_of(RecallRow))
    def get(self, request: Request) -> Response:
        """List them, the oldest first."""
        departments = list(departments_kept_by(self.keeper).values_list("pk", flat=True))
        return answer_list(RecallRow, open_recalls(departments), self.actor)


class RecallDone(DistributionView):
    """That a person has removed what was recalled."""

    words = {"POST": WORDS}

    @extend_schema(request=None, responses=RecallReceiptRow)
    def post(self, request: Request, key: int, receipt: int) -> Response:
        """Say it, for a receiver of the caller's department."""
        rows = RecallReceipt.objects.select_related("destination__department__unit", "recall__study")
        rows = rows.filter(destination__department__in=departments_kept_by(self.keeper))
        row = rows.filter(pk=receipt, recall=key).first() if max(key, receipt) < 1 << 63 else None
        if row is None:
            raise UnknownEntry("no such recall")
        return answer(RecallReceiptRow, acknowledge_recall(self.keeper, row, door=DOOR), self.actor)
