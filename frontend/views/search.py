"""Find a patient.

What was typed travels in the body and waits in the session: a personal number in an address would end
up in access logs and in the browser's history.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from access import audit
from access.actor import Actor
from access.models import Department
from frontend.found import remember_found
from frontend.page import clinical_page, portal_page, why_nothing_is_read
from frontend.patients import find_patients, is_own_number, list_recent
from frontend.query import Query, read_query
from frontend.report_opening import list_correction_lines
from frontend.unit_notices import list_unit_notices
from frontend.why import say_reason

SESSION_SEARCH = "search"


@require_safe
@portal_page
def show_start(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the search field, the newest studies of the own department, and what the head of unit was told."""
    context: dict[str, object] = {
        "notices": list_unit_notices(actor),
        "corrections": list_correction_lines(actor),
        "reads_nothing": say_reason("deny", why_nothing_is_read(actor)),
        "department": Department.objects.select_related("unit")
        .filter(hsa_id=actor.department_hsa_id)
        .first(),
        "section": "patient",
        "hide_global_search": True,
    }
    if not why_nothing_is_read(actor):
        recent = context["recent"] = list_recent(actor)
        shown = sorted({row.patient.patient_pk for row in recent})
        detail = {"list": "newest at own department", "patients": shown}
        audit.record(actor, "search", door="portal", detail=detail)
    return render(request, "frontend/start.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def show_search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Take what was typed, then show what it found."""
    if request.method == "POST":
        request.session[SESSION_SEARCH] = request.POST.get("q", "")[:200]
        return redirect("search")
    query = read_query(str(request.session.get(SESSION_SEARCH, "")))
    found = find_patients(actor, query)
    if query.reading not in ("empty", "short"):
        keys = [hit.banner.patient_pk for hit in found.hits]
        _record(actor, query, keys)
        remember_found(request, actor, keys)
    context = {
        "query": query,
        "found": found,
        "own_record": say_reason("deny", "own_record") if is_own_number(actor, query) else "",
        "may_break_glass": actor.may("break_glass"),
        "section": "patient",
        "hide_global_search": True,
    }
    return render(request, "frontend/search.html", context)


def _record(actor: Actor, query: Query, patients: list[int]) -> None:
    detail = {"read_as": query.reading, "text": query.number or query.text, "patients": patients}
    audit.record(actor, "search", door="portal", detail=detail)
