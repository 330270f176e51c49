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
from frontend.page import portal_page
from frontend.patients import find_patients, list_recent
from frontend.query import Query, read_query

SESSION_SEARCH = "search"


@require_safe
@portal_page
def show_start(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the search field and the newest studies of the own department."""
    recent = list_recent(actor)
    shown = sorted({row.patient.patient_pk for row in recent})
    audit.record(
        actor, "search", door="portal", detail={"list": "newest at own department", "patients": shown}
    )
    department = Department.objects.select_related("unit").filter(hsa_id=actor.department_hsa_id).first()
    return render(
        request,
        "frontend/start.html",
        {"recent": recent, "department": department, "section": "patient", "hide_global_search": True},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Take what was typed, then show what it found."""
    if request.method == "POST":
        request.session[SESSION_SEARCH] = request.POST.get("q", "")[:200]
        return redirect("search")
    query = read_query(str(request.session.get(SESSION_SEARCH, "")))
    found = find_patients(actor, query)
    if query.reading not in ("empty", "short"):
        _record(actor, query, [hit.banner.patient_pk for hit in found.hits])
    return render(
        request,
        "frontend/search.html",
        {"query": query, "found": found, "section": "patient", "hide_global_search": True},
    )


def _record(actor: Actor, query: Query, patients: list[int]) -> None:
    detail = {"read_as": query.reading, "text": query.number or query.text, "patients": patients}
    audit.record(actor, "search", door="portal", detail=detail)
