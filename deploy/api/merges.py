"""Merges of patients over the management API: listed, looked at and undone by who keeps identities."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from access.database import run_write
from deploy.api.base import DOOR, ApiView, find, read_body, read_values
from deploy.api.merge_forms import (
    PAGE,
    MergeDetail,
    MergeQuery,
    MergeRow,
    MergeSearch,
    UndoReason,
    make_filter,
)
from deploy.api.patients import find_by_number
from registry.merge_listing import (
    KEEP,
    MergeFilter,
    count_moved,
    keeper_of,
    merges_kept_by,
    moved_numbers,
    name_moved_studies,
    narrow,
    read_page,
    record_read,
)
from registry.merges import undo
from registry.models import PatientMerge
from registry.noted import InvalidEntry, UnknownEntry

A_PAGE = 100


class MergeView(ApiView):
    """A view of merges: staff keeps all identities, others those of patients of whom their provider keeps a study."""

    @property
    def keeper(self) -> Actor:
        """Who keeps: the actor, or staff with the reach it has here and nowhere else."""
        return keeper_of(self.actor, is_staff=bool(getattr(self.session_user, "is_staff", False)))

    def answer_page(self, wanted: MergeFilter, values: dict[str, Any]) -> Response:
        """Answer with one page of what is wanted."""
        rows = narrow(merges_kept_by(self.keeper), wanted)
        page = read_page(rows, before=values.get("cursor"), most=values.get("limit", A_PAGE))
        context = {"actor": self.actor, "numbers": moved_numbers(page.rows)}
        return Response(
            {"results": MergeRow(page.rows, many=True, context=context).data, "next": page.following}
        )

    def answer_one(self, row: PatientMerge) -> Response:
        """Answer with a merge and what it moved; that it was looked at is in the log of both patients."""
        shown = {
            "moved": [{"table": table, "rows": rows} for table, rows in count_moved(row)],
            "studies": name_moved_studies(self.keeper, row),
        }
        context = {"actor": self.actor, "numbers": moved_numbers([row])}
        return Response(MergeRow(row, context=context).data | shown)


class Merges(MergeView):
    """What was merged."""

    words = {"GET": (KEEP,)}

    @extend_schema(operation_id="merges_list", parameters=[MergeQuery], responses=PAGE)
    def get(self, request: Request) -> Response:
        """List merges, newest first, a page at a time."""
        values = read_values(MergeQuery, _read_query(request))
        return self.answer_page(make_filter(values), values)


class MergesFound(MergeView):
    """Merges of one patient."""

    words = {"POST": (KEEP,)}

    @extend_schema(operation_id="merges_search", request=MergeSearch, responses=PAGE)
    def post(self, request: Request) -> Response:
        """List those of the patient who has a number, subsumed or not; nobody has none."""
        values = read_body(MergeSearch, request)
        try:
            patient = find_by_number(self.actor, values["patient_number"], values.get("issuer", ""))
        except UnknownEntry:
            return Response({"results": [], "next": None})
        return self.answer_page(make_filter(values, patient.pk), values)


class MergeOne(MergeView):
    """One merge."""

    words = {"GET": (KEEP,)}

    @extend_schema(responses=MergeDetail)
    def get(self, request: Request, key: int) -> Response:
        """Show it with what it moved."""
        row = find(merges_kept_by(self.keeper), key)
        run_write(lambda: record_read(self.actor, row, door=DOOR))
        return self.answer_one(row)


class MergeUndo(MergeView):
    """What parts two again."""

    words = {"POST": (KEEP,)}

    @extend_schema(request=UndoReason, responses=MergeDetail)
    def post(self, request: Request, key: int) -> Response:
        """Undo it; people show their second factor before, because data change hands."""
        self.check_second_factor()
        reason = read_body(UndoReason, request)["reason"]
        find(merges_kept_by(self.keeper), key)
        undone = run_write(lambda: undo(key, by=self.actor, reason=reason))
        return self.answer_one(undone)


def _read_query(request: Request) -> dict[str, Any]:
    """Return the query parameters; only kinds may be several."""
    asked: dict[str, Any] = {}
    for name, values in request.query_params.lists():
        if name != "kind" and len(values) > 1:
            raise InvalidEntry(f"{name[:40]} is there {len(values)} times")
        asked[name] = values if name == "kind" else values[0]
    return asked
