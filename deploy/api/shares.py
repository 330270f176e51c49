"""Shares of studies over the management API."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, department_field
from registry.models import Share, Study
from registry.noted import UnknownEntry
from registry.shares import BASES, share_study, withdraw_share

PUSH = ("push",)


class NewShare(Form):
    """What shares a study with a department."""

    department = department_field()
    basis = serializers.ChoiceField(BASES)
    valid_to = serializers.DateTimeField(required=False, allow_null=True)


class ShareRow(Form):
    """A share; basis `delivery` is written by the system when it sends."""

    id = serializers.IntegerField()
    study_instance_uid = serializers.CharField(source="study.study_instance_uid")
    department = department_field()
    basis = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_to = serializers.DateTimeField()
    registered_by = serializers.CharField()
    withdrawn_at = serializers.DateTimeField()


class Shares(ApiView):
    """Shares of a study that the caller's unit keeps."""

    words = {"GET": PUSH, "POST": PUSH}

    @extend_schema(responses=list_of(ShareRow))
    def get(self, request: Request, study_instance_uid: str) -> Response:
        """List them, newest first."""
        study = find_kept_study(self.actor, study_instance_uid)
        return answer_list(ShareRow, shares_of(self.actor).filter(study=study), self.actor)

    @extend_schema(request=NewShare, responses={201: ShareRow})
    def post(self, request: Request, study_instance_uid: str) -> Response:
        """Share the study."""
        study = find_kept_study(self.actor, study_instance_uid)
        row = share_study(self.actor, study, door=DOOR, **read_body(NewShare, request))
        return answer(ShareRow, row, self.actor, 201)


class ShareWithdrawal(ApiView):
    """The end of a share."""

    words = {"POST": PUSH}

    @extend_schema(request=None, responses=ShareRow)
    def post(self, request: Request, key: int) -> Response:
        """Withdraw it."""
        row = find(shares_of(self.actor), key)
        return answer(ShareRow, withdraw_share(self.actor, row, door=DOOR), self.actor)


def shares_of(actor: Actor) -> QuerySet[Share]:
    """Return the shares of what the actor's unit keeps."""
    rows = Share.objects.select_related("study__custodian__unit", "department").order_by("-pk")
    return rows if actor.scope.region_wide else rows.filter(study__custodian__unit=actor.scope.unit_id or 0)


def find_kept_study(actor: Actor, study_instance_uid: str) -> Study:
    """Return a study that the actor's unit keeps, whether or not the actor may read it: its unit disposes of it."""
    rows = Study.objects.filter(study_instance_uid=study_instance_uid)
    if not actor.scope.region_wide:
        rows = rows.filter(custodian__unit=actor.scope.unit_id or 0)
    study = rows.select_related("custodian__unit").first()
    if study is None:
        raise UnknownEntry("no such study")
    return study
