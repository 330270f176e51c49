"""Emergency openings and notices over the management API."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deploy.api.base import DOOR, ApiView, answer, answer_list, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, PatientField
from deploy.api.patients import find_by_reference
from registry.emergency import (
    HOURS,
    REASON_CODES,
    VERDICTS,
    close_now,
    find_opening,
    list_unreviewed,
    locate,
    open_patient,
    review_opening,
)
from registry.notices import list_notices, mark_seen

OPENING_WORDS = ("break_glass", "review_access")


class NewOpening(Form):
    """Step one."""

    reason_code = serializers.ChoiceField(REASON_CODES)
    reason = serializers.CharField(max_length=1000)


class ProviderRow(Form):
    """A care provider."""

    hsa_id = serializers.CharField()
    name = serializers.CharField()


class OpeningRow(Form):
    """An opening."""

    id = serializers.IntegerField()
    patient = PatientField()
    user = serializers.CharField(source="user.username")
    role = serializers.CharField(source="assignment.role")
    reason_code = serializers.CharField()
    reason = serializers.CharField()
    located_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField()


class LocatedRow(Form):
    """What step one found: where there is more, and the opening to go on with."""

    opening = OpeningRow()
    providers = ProviderRow(many=True)


class StepTwo(Form):
    """How long it shall be open; what the region has set when empty."""

    hours = serializers.ChoiceField(HOURS, required=False)


class NewReview(Form):
    """What was found about an opening."""

    verdict = serializers.ChoiceField(VERDICTS)
    text = serializers.CharField(default="", allow_blank=True, max_length=1000)


class OpeningReviewRow(Form):
    """A review of an opening."""

    id = serializers.IntegerField()
    opening = serializers.IntegerField(source="opening_id")
    verdict = serializers.CharField()
    text = serializers.CharField()
    reviewed_at = serializers.DateTimeField()


class NoticeRow(Form):
    """What the head of a unit was told."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    patient = PatientField()
    subject_row = serializers.CharField()
    created_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    seen_by = serializers.CharField()


class Emergency(ApiView):
    """Step one of an emergency opening."""

    words = {"POST": ("break_glass",)}

    @extend_schema(request=NewOpening, responses={201: LocatedRow})
    def post(self, request: Request, reference: str) -> Response:
        """Name the providers that hold more."""
        patient = find_by_reference(self.actor, reference)
        located = locate(self.actor, patient, door=DOOR, **read_body(NewOpening, request))
        return answer(LocatedRow, located, self.actor, 201)


class Openings(ApiView):
    """Openings of the caller's unit that wait for their review."""

    words = {"GET": ("review_access",)}

    @extend_schema(operation_id="openings_list", responses=list_of(OpeningRow))
    def get(self, request: Request) -> Response:
        """List them, oldest first; `?overdue=true` for those of more than seven days."""
        overdue = request.query_params.get("overdue") == "true"
        return answer_list(OpeningRow, list_unreviewed(self.actor, overdue_only=overdue), self.actor)


class Opening(ApiView):
    """One opening: the caller's own, or of a unit that the caller reviews."""

    words = {"GET": OPENING_WORDS}

    @extend_schema(responses=OpeningRow)
    def get(self, request: Request, key: int) -> Response:
        """Show it."""
        return answer(OpeningRow, find_opening(self.actor, key), self.actor)


class OpeningStepTwo(ApiView):
    """Step two."""

    words = {"POST": ("break_glass",)}

    @extend_schema(request=StepTwo, responses=OpeningRow)
    def post(self, request: Request, key: int) -> Response:
        """Open the patient's data; the person shows a second factor first."""
        opening = find_opening(self.actor, key)
        hours = read_body(StepTwo, request).get("hours")
        opened = open_patient(
            self.actor, opening, check_second_factor=self.check_second_factor, hours=hours, door=DOOR
        )
        return answer(OpeningRow, opened, self.actor)


class OpeningClose(ApiView):
    """The early end of an opening."""

    words = {"POST": OPENING_WORDS}

    @extend_schema(request=None, responses=OpeningRow)
    def post(self, request: Request, key: int) -> Response:
        """Close it."""
        opening = find_opening(self.actor, key)
        return answer(OpeningRow, close_now(self.actor, opening, door=DOOR), self.actor)


class OpeningReview(ApiView):
    """The review of an opening."""

    words = {"POST": ("review_access",)}

    @extend_schema(request=NewReview, responses={201: OpeningReviewRow})
    def post(self, request: Request, key: int) -> Response:
        """Write what was found."""
        opening = find_opening(self.actor, key)
        review = review_opening(self.actor, opening, door=DOOR, **read_body(NewReview, request))
        return answer(OpeningReviewRow, review, self.actor, 201)


class Notices(ApiView):
    """What the caller's unit was told for such as the caller."""

    words = {"GET": ("review_access", "keep_destinations")}

    @extend_schema(responses=list_of(NoticeRow))
    def get(self, request: Request) -> Response:
        """List the notices, newest first; `?unseen=true` for those that nobody has seen."""
        unseen = request.query_params.get("unseen") == "true"
        return answer_list(NoticeRow, list_notices(self.actor, unseen_only=unseen), self.actor)


class NoticeSeen(ApiView):
    """That a notice was seen."""

    words = {"POST": ("review_access", "keep_destinations")}

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, key: int) -> Response:
        """Note it."""
        mark_seen(self.actor, key)
        return Response(status=204)
