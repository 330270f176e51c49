"""The management API's list of conflicts: `/api/v1/conflicts`, newest first, in pages."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from access.actor import Actor
from access.database import release
from registry.conflicts import KINDS, UnknownConflict, find_conflict, list_conflicts
from registry.models import Conflict
from registry.wire.base_url import origin_of
from repository.dicomweb.status import problem, require

PATH = "/api/v1/conflicts"
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
_STATES = {"open": True, "resolved": False}


def show_conflicts(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List conflicts; parameters `kind`, `state` (open, resolved), `limit` and `before` (the next page's)."""
    require(actor, "read")
    asked = request.GET
    limit, before = asked.get("limit", str(DEFAULT_LIMIT)), asked.get("before", "")
    unknown = sorted(set(asked) - {"kind", "state", "limit", "before"})
    if unknown:
        return problem(400, f"unknown parameter {unknown[0][:40]!r}; known are kind, state, limit and before")
    if not _is_number(limit) or not 0 < int(limit) <= MAX_LIMIT:
        return problem(400, f"limit {limit[:20]!r} is not a number from 1 to {MAX_LIMIT}")
    if before and not _is_number(before):
        return problem(400, f"before {before[:20]!r} is not the key of a conflict")
    kind, state = asked.get("kind", ""), asked.get("state", "")
    if kind not in ("", *KINDS) or state not in ("", *_STATES):
        return problem(400, f"kind is one of {', '.join(KINDS)}; state is one of {', '.join(_STATES)}")
    rows = list_conflicts(
        actor,
        limit=int(limit) + 1,
        before=int(before) if before else None,
        kind=kind,
        is_open=_STATES.get(state),
    )
    release()
    page, more = rows[: int(limit)], len(rows) > int(limit)
    base = origin_of(request) + PATH
    kept = asked.copy()
    kept["before"] = str(page[-1].pk) if page else ""
    return _answer(
        {
            "conflicts": [_describe(row, base) for row in page],
            "next": f"{base}?{kept.urlencode()}" if more else None,
        }
    )


def show_conflict(request: HttpRequest, actor: Actor, key: str) -> HttpResponse:
    """Show one conflict."""
    require(actor, "read")
    if not _is_number(key):
        return problem(404, "no such conflict")
    try:
        conflict = find_conflict(actor, int(key))
    except UnknownConflict as error:
        return problem(404, str(error))
    release()
    return _answer(_describe(conflict, origin_of(request) + PATH))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _describe(conflict: Conflict, base: str) -> dict[str, Any]:
    return {
        "url": f"{base}/{conflict.pk}",
        "kind": conflict.kind,
        "study_instance_uid": conflict.study.study_instance_uid,
        "sop_instance_uid": conflict.sop_instance_uid or None,
        "sending_department": conflict.department.hsa_id if conflict.department else None,
        "detail": conflict.detail,
        "found_at": conflict.found_at,
        "resolved_at": conflict.resolved_at,
        "resolved_by": conflict.resolved_by or None,
    }


def _answer(document: dict[str, Any]) -> HttpResponse:
    response = HttpResponse(orjson.dumps(document), content_type="application/json")
    response["Cache-Control"] = "private, no-store"
    return response
