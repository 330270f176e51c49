"""What a merge looks like over the management API, and how merges are asked for."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from deploy.api.forms import Form, PatientField
from registry.identity import find_number_fault
from registry.merge_listing import KINDS, MOST_A_PAGE, STATES, MergeFilter

LARGEST_KEY = (1 << 63) - 1


class MergeQuery(Form):
    """Which merges, as query parameters; a list is the parameter again."""

    kind = serializers.ListField(child=serializers.ChoiceField(KINDS), required=False)
    state = serializers.ChoiceField(STATES, required=False)
    made_since = serializers.DateTimeField(required=False)
    made_before = serializers.DateTimeField(required=False)
    cursor = serializers.IntegerField(min_value=1, max_value=LARGEST_KEY, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_A_PAGE, required=False)


class MergeSearch(MergeQuery):
    """The same in a body, where a patient's number is in no log."""

    patient_number = serializers.CharField(max_length=64)
    issuer = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="OID; empty: personnummer"
    )


class NumberRow(Form):
    """A number and who issued it."""

    value = serializers.CharField()
    issuer = serializers.CharField()
    fault = serializers.CharField(help_text="What its issuer's rule says against it; empty if nothing")


class MergeRow(Form):
    """Who was merged into whom, linked or moved, who said so, and who parted them again."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(KINDS)
    survivor = PatientField()
    subsumed = PatientField()
    moved_numbers = serializers.SerializerMethodField()
    told_by = serializers.CharField(source="source")
    message_id = serializers.CharField()
    reason = serializers.CharField()
    made_at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)
    undone_by = serializers.CharField()
    undo_reason = serializers.CharField()

    def get_moved_numbers(self, row: Any) -> list[dict[str, str]]:
        """Return the numbers that were the subsumed patient's."""
        numbers = self.context["numbers"].get(row.pk, ())
        return [
            {
                "value": number.value,
                "issuer": number.issuer,
                "fault": find_number_fault(number.value, number.issuer),
            }
            for number in numbers
        ]


class MovedTable(Form):
    """How many rows of a table were moved."""

    table = serializers.CharField()
    rows = serializers.IntegerField()


class MergeDetail(MergeRow):
    """A merge with what it moved; of studies those that the caller's provider keeps are named."""

    moved = MovedTable(many=True)
    studies = serializers.ListField(child=serializers.CharField())


class UndoReason(Form):
    """Why two are not one."""

    reason = serializers.CharField(max_length=400)


PAGE = inline_serializer(
    "MergePage", {"results": MergeRow(many=True), "next": serializers.IntegerField(allow_null=True)}
)


def make_filter(values: dict[str, Any], patient_id: int | None = None) -> MergeFilter:
    """Make of what was asked what is looked for."""
    return MergeFilter(
        tuple(values.get("kind", ())),
        values.get("state", ""),
        values.get("made_since"),
        values.get("made_before"),
        patient_id,
    )
