"""Why a study was, or was not, sent somewhere, over the management API: one plain sentence with the rule behind it."""

from django.db.models import QuerySet
from django.utils.translation import override
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.reach import DESTINATIONS, REPLAY, SUBSCRIPTIONS
from deploy.api.base import PERSON, answer_list
from deploy.api.description import list_of
from deploy.api.forms import Form, department_field
from deploy.api.receipts import SENDS, StudyView
from registry.models import Destination
from registry.noted import InvalidEntry, UnknownEntry
from repository.delivery.operating.why import explain_why

KEEPS = (DESTINATIONS, SUBSCRIPTIONS, REPLAY)
LANGUAGES = ("en", "sv")


class WhyRow(Form):
    """Why, of one destination."""

    destination = serializers.IntegerField(source="pk")
    destination_name = serializers.CharField(source="name")
    department = department_field()
    why = serializers.CharField()


class Why(StudyView):
    """Why a study was or was not sent to a department or to one destination."""

    words = {"GET": (PERSON, SENDS, *KEEPS)}

    @extend_schema(
        operation_id="study_why_list",
        parameters=[
            OpenApiParameter("department", str, description="HSA-id"),
            OpenApiParameter("destination", int),
            OpenApiParameter("language", str, enum=LANGUAGES),
        ],
        responses=list_of(WhyRow),
    )
    def get(self, request: Request, study_instance_uid: str) -> Response:
        """Say it in a sentence for each destination that was asked about; those of others are unknown."""
        language = request.query_params.get("language", "en")
        if language not in LANGUAGES:
            raise InvalidEntry(f"language: {language[:20]!r} is none of {', '.join(LANGUAGES)}")
        rows = _read_asked(request)
        study, departments = self.find_study(study_instance_uid)
        rows = rows if departments is None else rows.filter(department__in=departments)
        found = list(rows.order_by("name", "pk"))
        if not found:
            raise UnknownEntry("no such department or destination")
        with override(language):
            for row in found:
                row.why = explain_why(study, row)  # type: ignore[attr-defined]
        return answer_list(WhyRow, found, self.actor)


def _read_asked(request: Request) -> QuerySet[Destination]:
    rows = Destination.objects.select_related("department__unit")
    department = request.query_params.get("department", "")
    key = request.query_params.get("destination", "")
    if bool(department) == bool(key):
        raise InvalidEntry("ask for department=HSA-ID or for destination=ID")
    if department:
        return rows.filter(department__hsa_id=department)
    if not key.isdecimal() or len(key) > 18:
        raise InvalidEntry(f"destination: {key[:20]!r} is not a key")
    return rows.filter(pk=int(key))
