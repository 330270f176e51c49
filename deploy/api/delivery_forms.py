"""What a delivery looks like over the management API, and how deliveries are asked for."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from deploy.api.forms import Form, department_field
from repository.delivery.operating.listing import KINDS, MOST_A_PAGE, STATES, DeliveryFilter
from repository.delivery.operating.reasons import explain
from repository.delivery.operating.said import translate_error
from repository.models import Attempt, Delivery


class DeliveryWanted(Form):
    """Which deliveries; what is left out does not narrow."""

    state = serializers.ListField(child=serializers.ChoiceField(STATES), required=False)
    destination = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1), required=False, max_length=200
    )
    kind = serializers.ListField(child=serializers.ChoiceField(KINDS), required=False)
    study = serializers.RegexField(r"^[0-9.]{1,64}$", required=False, help_text="Study Instance UID")
    planned_before = serializers.DateTimeField(required=False)
    planned_since = serializers.DateTimeField(required=False)


class DeliverySearch(DeliveryWanted):
    """Which deliveries, also by a patient's number: it goes in a body, where no log keeps it."""

    patient_number = serializers.CharField(max_length=64, required=False)
    issuer = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="OID; empty: personnummer"
    )
    cursor = serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_A_PAGE, required=False)


class DeliveryQuery(DeliveryWanted):
    """The same as query parameters; a list is the parameter again."""

    cursor = serializers.IntegerField(min_value=1, max_value=(1 << 63) - 1, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_A_PAGE, required=False)


class DeliveryRow(Form):
    """A delivery: what of which study, to which destination, in which state and why."""

    id = serializers.IntegerField()
    study_instance_uid = serializers.CharField(source="study.study_instance_uid")
    destination = serializers.IntegerField(source="destination_id")
    destination_name = serializers.CharField(source="destination.name")
    department = department_field(source="destination.department")
    kind = serializers.ChoiceField(KINDS)
    generation = serializers.IntegerField()
    priority = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    reason_code = serializers.CharField()
    reason = serializers.SerializerMethodField(help_text="Why, and what comes next, as a sentence")
    receiver_says = serializers.SerializerMethodField(
        help_text="What was written down beside it, in the reader's language; a receiver's own words as they came"
    )
    subscriptions = serializers.ListField(child=serializers.IntegerField(), source="subscription_ids")
    attempts = serializers.IntegerField()
    instances = serializers.IntegerField(source="total")
    instances_arrived = serializers.IntegerField(source="arrived")
    planned_at = serializers.DateTimeField()
    not_before = serializers.DateTimeField()
    deadline_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_reason(self, row: Delivery) -> str:
        """Say why."""
        return explain(row)

    def get_receiver_says(self, row: Delivery) -> str:
        """Say what was written down beside it."""
        return translate_error(row.reason)


class AttemptRow(Form):
    """One try."""

    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    instances_ok = serializers.IntegerField()
    instances_failed = serializers.IntegerField()
    bytes_sent = serializers.IntegerField()
    http_status = serializers.IntegerField(allow_null=True)
    error_class = serializers.CharField()
    error = serializers.SerializerMethodField()

    def get_error(self, row: Attempt) -> str:
        """Say how it failed."""
        return translate_error(row.error)


class Done(Form):
    """To how many deliveries something was done: those of others, and in other states, are left as they are."""

    done = serializers.IntegerField()


PAGE = inline_serializer(
    "DeliveryPage", {"results": DeliveryRow(many=True), "next": serializers.IntegerField(allow_null=True)}
)


def make_filter(values: dict[str, Any], patient_id: int | None = None) -> DeliveryFilter:
    """Return the filter that a form says."""
    return DeliveryFilter(
        states=tuple(values.get("state", ())),
        destination_ids=tuple(values.get("destination", ())),
        kinds=tuple(values.get("kind", ())),
        study_instance_uid=values.get("study", ""),
        patient_id=patient_id,
        planned_before=values.get("planned_before"),
        planned_since=values.get("planned_since"),
    )
