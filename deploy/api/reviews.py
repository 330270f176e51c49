"""Reviews of the access log over the management API."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.models import CareUnit
from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, PatientField, unit_field
from registry.models import LogReview, LogReviewItem
from registry.review.findings import (
    FINDINGS,
    find_review,
    list_outside_reads,
    list_reviews,
    note_finding,
    sign_off,
)
from registry.review.samples import draw_review

REVIEW = ("review_access",)


class Period(Form):
    """A period that is over, at most 92 days long."""

    period_from = serializers.DateTimeField()
    period_to = serializers.DateTimeField()


class ReviewRow(Form):
    """The review of a period of the caller's unit."""

    id = serializers.IntegerField()
    unit = unit_field()
    period_from = serializers.DateTimeField()
    period_to = serializers.DateTimeField()
    rule = serializers.JSONField()
    events = serializers.IntegerField()
    drawn_at = serializers.DateTimeField()
    drawn_by = serializers.CharField()
    due_at = serializers.DateTimeField()
    signed_at = serializers.DateTimeField()
    signed_by = serializers.CharField()
    summary = serializers.CharField()


class ItemRow(Form):
    """One access to look at."""

    id = serializers.IntegerField()
    event = serializers.IntegerField(source="event_id")
    patient = PatientField()
    subject = serializers.CharField()
    reasons = serializers.JSONField()
    finding = serializers.CharField()
    text = serializers.CharField()
    found_by = serializers.CharField()
    found_at = serializers.DateTimeField()


class ReviewWithItems(ReviewRow):
    """A review with what is to be looked at."""

    items = serializers.SerializerMethodField()

    @extend_schema_field(ItemRow(many=True))
    def get_items(self, review: LogReview) -> Any:
        """Return the items, by key."""
        rows = LogReviewItem.objects.filter(review=review.pk).select_related("patient").order_by("pk")
        return ItemRow(rows, many=True, context=self.context).data


class NewFinding(Form):
    """What was found about one access."""

    finding = serializers.ChoiceField(FINDINGS)
    text = serializers.CharField(default="", allow_blank=True, max_length=1000)


class Summary(Form):
    """What the review found as a whole."""

    summary = serializers.CharField(max_length=2000)


class OutsideRead(Form):
    """That somebody outside the unit read a study that it keeps."""

    recorded_at = serializers.DateTimeField()
    actor = serializers.CharField()
    role = serializers.CharField()
    care_unit_hsa_id = serializers.CharField()
    study_instance_uid = serializers.CharField()
    rule = serializers.CharField()


class Reviews(ApiView):
    """Reviews of the caller's unit."""

    words = {"GET": REVIEW, "POST": REVIEW}

    @extend_schema(operation_id="log_reviews_list", responses=list_of(ReviewRow))
    def get(self, request: Request) -> Response:
        """List them, newest first; `?overdue=true` for those that should have been signed."""
        overdue = request.query_params.get("overdue") == "true"
        return answer_list(ReviewRow, list_reviews(self.actor, overdue_only=overdue), self.actor)

    @extend_schema(request=Period, responses={201: ReviewRow})
    def post(self, request: Request) -> Response:
        """Draw the sample of a period."""
        unit = find(CareUnit.objects.all(), self.actor.scope.unit_id or 0)
        review = draw_review(self.actor, unit, door=DOOR, **read_body(Period, request))
        return answer(ReviewRow, review, self.actor, 201)


class Review(ApiView):
    """One review."""

    words = {"GET": REVIEW}

    @extend_schema(responses=ReviewWithItems)
    def get(self, request: Request, key: int) -> Response:
        """Show it with its items."""
        return answer(ReviewWithItems, find_review(self.actor, key), self.actor)


class Finding(ApiView):
    """What was found about one access."""

    words = {"POST": REVIEW}

    @extend_schema(request=NewFinding, responses=ItemRow)
    def post(self, request: Request, key: int, item: int) -> Response:
        """Write it."""
        rows = LogReviewItem.objects.filter(review=find_review(self.actor, key))
        found = find(rows.select_related("review", "patient"), item)
        return answer(
            ItemRow, note_finding(self.actor, found, door=DOOR, **read_body(NewFinding, request)), self.actor
        )


class Signature(ApiView):
    """The signature under a review."""

    words = {"POST": REVIEW}

    @extend_schema(request=Summary, responses=ReviewRow)
    def post(self, request: Request, key: int) -> Response:
        """Sign it."""
        review = find_review(self.actor, key)
        summary: str = read_body(Summary, request)["summary"]
        return answer(ReviewRow, sign_off(self.actor, review, summary=summary, door=DOOR), self.actor)


class OutsideReads(ApiView):
    """Who outside the caller's unit read what it keeps."""

    words = {"POST": REVIEW}

    @extend_schema(request=Period, responses=list_of(OutsideRead))
    def post(self, request: Request) -> Response:
        """List the newest 500 of a period; that it was looked at is in the log."""
        values = read_body(Period, request)
        rows = list_outside_reads(self.actor, values["period_from"], values["period_to"], door=DOOR)
        return answer_list(OutsideRead, rows, self.actor)
