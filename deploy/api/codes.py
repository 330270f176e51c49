"""Harmonised codes over the management API: words that wait, what mapping one would change, mapping it, coverage."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, department_field
from registry.harmonise.coverage import read_coverage
from registry.harmonise.decide import Meaning
from registry.harmonise.mapping import (
    InvalidMapping,
    MappingDraft,
    apply_mapping,
    end_mapping,
    preview,
)
from registry.models import CodeMapping, UnmappedWord
from registry.noted import InvalidEntry

MAP = ("map_codes",)
WORDS_AT_MOST = 500


class WordRow(Form):
    """A word that waits, with the guess what it means."""

    id = serializers.IntegerField()
    department = department_field()
    kind = serializers.CharField()
    scheme = serializers.CharField()
    value = serializers.CharField()
    original = serializers.CharField()
    studies = serializers.IntegerField()
    proposal = serializers.JSONField()
    last_seen_at = serializers.DateTimeField()


class NewMapping(Form):
    """What a word means; without department, for every source."""

    department = department_field(required=False, allow_null=True, default=None)
    kind = serializers.CharField(max_length=16)
    value = serializers.CharField(max_length=400)
    scheme = serializers.CharField(max_length=64, default="", allow_blank=True)
    modality_family = serializers.CharField(max_length=16, default="", allow_blank=True)
    body_regions = serializers.ListField(
        child=serializers.CharField(max_length=16), default=list, max_length=10
    )
    laterality = serializers.CharField(max_length=1, default="", allow_blank=True)
    procedure_code = serializers.CharField(max_length=64, default="", allow_blank=True)


class MappingRow(Form):
    """A mapping, in force until it ended."""

    id = serializers.IntegerField()
    department = department_field(allow_null=True)
    kind = serializers.CharField()
    value = serializers.CharField()
    scheme = serializers.CharField()
    modality_family = serializers.CharField()
    body_regions = serializers.JSONField()
    laterality = serializers.CharField()
    procedure_code = serializers.CharField()
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ValuesRow(Form):
    """A study in the region's words."""

    modality_family = serializers.CharField()
    body_regions = serializers.ListField(child=serializers.CharField())
    laterality = serializers.CharField()
    procedure_code = serializers.CharField()
    display_sv = serializers.CharField()
    display_en = serializers.CharField()


class ShiftRow(Form):
    """How many studies would go from one to the other."""

    before = ValuesRow()
    after = ValuesRow()
    studies = serializers.IntegerField()


class PreviewRow(Form):
    """What a mapping would change; partial where there are more studies than were looked at."""

    with_word = serializers.IntegerField()
    changed = serializers.IntegerField()
    is_partial = serializers.BooleanField()
    shifts = ShiftRow(many=True)


class CoverageRow(Form):
    """How much of a source is understood."""

    hsa_id = serializers.CharField()
    name = serializers.CharField()
    hospital = serializers.CharField()
    studies = serializers.IntegerField()
    with_procedure = serializers.IntegerField()
    with_region = serializers.IntegerField()
    open_words = serializers.IntegerField()


class UnmappedWords(ApiView):
    """The queue."""

    words = {"GET": MAP}

    @extend_schema(operation_id="unmapped_words_list", responses=list_of(WordRow))
    def get(self, request: Request) -> Response:
        """List the words that wait, those of most studies first, at most 500."""
        rows = UnmappedWord.objects.filter(settled_at=None).select_related("department")
        return answer_list(WordRow, rows.order_by("-studies", "pk")[:WORDS_AT_MOST], self.actor)


class Mappings(ApiView):
    """What was mapped."""

    words = {"GET": MAP, "POST": MAP}

    @extend_schema(operation_id="code_mappings_list", responses=list_of(MappingRow))
    def get(self, request: Request) -> Response:
        """List mappings, newest first, at most 500; ended ones too."""
        rows = CodeMapping.objects.select_related("department").order_by("-pk")[:WORDS_AT_MOST]
        return answer_list(MappingRow, rows, self.actor)

    @extend_schema(request=NewMapping, responses={201: MappingRow})
    def post(self, request: Request) -> Response:
        """Map a word; an earlier mapping of it ends, past studies follow in batches."""
        draft = _read_draft(request)
        try:
            row = apply_mapping(self.actor, draft, door=DOOR)
        except InvalidMapping as error:
            raise InvalidEntry(str(error)) from error
        return answer(MappingRow, row, self.actor, 201)


class MappingPreview(ApiView):
    """What a mapping would change."""

    words = {"POST": MAP}

    @extend_schema(request=NewMapping, responses=PreviewRow)
    def post(self, request: Request) -> Response:
        """Count it; nothing is written."""
        try:
            seen = preview(_read_draft(request))
        except InvalidMapping as error:
            raise InvalidEntry(str(error)) from error
        return answer(PreviewRow, seen, self.actor)


class MappingEnd(ApiView):
    """The end of a mapping."""

    words = {"POST": MAP}

    @extend_schema(request=None, responses=MappingRow)
    def post(self, request: Request, key: int) -> Response:
        """End it."""
        row = find(CodeMapping.objects.all(), key)
        end_mapping(self.actor, row, door=DOOR)
        row.refresh_from_db()
        return answer(MappingRow, row, self.actor)


class Coverages(ApiView):
    """How much is understood."""

    words = {"GET": MAP}

    @extend_schema(operation_id="code_coverage_list", responses=list_of(CoverageRow))
    def get(self, request: Request) -> Response:
        """List it by source."""
        return answer_list(CoverageRow, read_coverage(), self.actor)


def _read_draft(request: Request) -> MappingDraft:
    values: dict[str, Any] = read_body(NewMapping, request)
    meaning = Meaning(
        values["modality_family"],
        tuple(values["body_regions"]),
        values["laterality"],
        values["procedure_code"],
    )
    department = values["department"]
    return MappingDraft(
        department.pk if department else None, values["kind"], values["value"], values["scheme"], meaning
    )
