"""Send now over the management API: a study or a patient to a department at once, and what became of it."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, PatientField, department_field, provider_field
from deploy.api.patients import find_by_reference
from deploy.api.shares import PUSH, find_kept_study
from registry.models import SendRequest
from registry.noted import InvalidEntry
from registry.send_now import (
    FOLLOW_DAYS,
    PRIORITIES,
    WANTS,
    Sending,
    department_of,
    send_patient,
    send_study,
    withdraw_sending,
)
from repository.delivery.operating.sent import read_progress


class NewSending(Form):
    """What sends: to which department or provider, why, how urgently, and how long what still arrives follows."""

    department = department_field(required=False)
    provider = provider_field(
        required=False, help_text="In place of the department: the provider's own choice of one receives"
    )
    reason = serializers.CharField(max_length=400)
    priority = serializers.ChoiceField(PRIORITIES, default="urgent")
    wants = serializers.ListField(child=serializers.ChoiceField(WANTS), default=list(WANTS))
    follow_days = serializers.IntegerField(default=FOLLOW_DAYS)


class SentStudyRow(Form):
    """One study of a sending; `instances_arrived` of `instances_planned` are at the department's systems."""

    study_instance_uid = serializers.CharField(source="study.study_instance_uid")
    instances_planned = serializers.IntegerField()
    instances_arrived = serializers.IntegerField()
    is_listed = serializers.BooleanField(help_text="It is on the department's worklist")
    arrived_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True)
    opened_by = serializers.CharField()


class SendingRow(Form):
    """A sending."""

    id = serializers.IntegerField()
    patient = PatientField()
    department = department_field()
    department_name = serializers.CharField(source="department")
    reason = serializers.CharField()
    priority = serializers.CharField()
    wants = serializers.ListField(child=serializers.CharField())
    sent_by = serializers.CharField()
    sent_at = serializers.DateTimeField()
    follows_until = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)


class SendingState(SendingRow):
    """A sending and what became of each of its studies."""

    studies = serializers.SerializerMethodField()

    @extend_schema_field(SentStudyRow(many=True))
    def get_studies(self, row: SendRequest) -> object:
        """Return what became of them."""
        return SentStudyRow(read_progress(row), many=True, context=self.context).data


class StudySending(ApiView):
    """Sending of one study that the caller's unit keeps."""

    words = {"POST": PUSH}

    @extend_schema(request=NewSending, responses={201: SendingRow})
    def post(self, request: Request, study_instance_uid: str) -> Response:
        """Send it now."""
        study = find_kept_study(self.actor, study_instance_uid)
        row = send_study(self.actor, study, _read(request), door=DOOR)
        return answer(SendingRow, row, self.actor, 201)


class PatientSending(ApiView):
    """Sending of all that the caller's unit keeps of a patient."""

    words = {"POST": PUSH}

    @extend_schema(request=NewSending, responses={201: SendingRow})
    def post(self, request: Request, reference: str) -> Response:
        """Send it now."""
        patient = find_by_reference(self.actor, reference)
        row = send_patient(self.actor, patient, _read(request), door=DOOR)
        return answer(SendingRow, row, self.actor, 201)


class Sendings(ApiView):
    """What the caller's unit sent."""

    words = {"GET": PUSH}

    @extend_schema(operation_id="sendings_list", responses=list_of(SendingRow))
    def get(self, request: Request) -> Response:
        """List it, newest first."""
        return answer_list(SendingRow, sendings_of(self.actor), self.actor)


class SendingOne(ApiView):
    """One sending."""

    words = {"GET": PUSH}

    @extend_schema(responses=SendingState)
    def get(self, request: Request, key: int) -> Response:
        """Say what became of it: what arrived, and who opened it."""
        return answer(SendingState, find(sendings_of(self.actor), key), self.actor)


class SendingWithdrawal(ApiView):
    """The end of a sending."""

    words = {"POST": PUSH}

    @extend_schema(request=None, responses=SendingRow)
    def post(self, request: Request, key: int) -> Response:
        """Stop what has not gone, and end the shares."""
        row = find(sendings_of(self.actor), key)
        return answer(SendingRow, withdraw_sending(self.actor, row, door=DOOR), self.actor)


def sendings_of(actor: Actor) -> QuerySet[SendRequest]:
    """Return what was sent from the actor's unit."""
    rows = SendRequest.objects.select_related("patient", "department__unit", "study").order_by("-pk")
    return rows if actor.scope.region_wide else rows.filter(sent_from__unit=actor.scope.unit_id or 0)


def _read(request: Request) -> Sending:
    values = read_body(NewSending, request)
    department, provider = values.get("department"), values.get("provider")
    if provider is not None and department is None:
        department = department_of(provider)
    elif department is None or provider is not None:
        raise InvalidEntry("name a department or a provider, one of the two")
    return Sending(
        department,
        values["reason"],
        values["priority"],
        tuple(values["wants"]),
        values["follow_days"],
    )
