"""Choose the one assignment to work under; switchable from the header at any time."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from access.authentication import SESSION_ASSIGNMENT, valid_assignments
from access.models import Assignment, User
from frontend.member_rows import describe_end, name_purpose
from frontend.views.preferences import safe_next


@dataclass(frozen=True, slots=True)
class Choice:
    """An assignment as the page offers it; `until` is empty without an end."""

    pk: int
    role: str
    department: str
    purpose: str
    until: str


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def choose_assignment(request: HttpRequest) -> HttpResponse:
    """Show the person's valid assignments, or make the posted one active."""
    user = request.user
    rows = valid_assignments(user) if isinstance(user, User) else []
    if request.method == "POST":
        chosen = next((row for row in rows if str(row.pk) == request.POST.get("assignment")), None)
        if chosen is not None:
            request.session[SESSION_ASSIGNMENT] = chosen.pk
            return redirect(safe_next(request))
    return render(
        request,
        "frontend/choose_assignment.html",
        {
            "choices": [_describe(row) for row in rows],
            "next": safe_next(request),
            "was_refused": request.method == "POST",
        },
    )


def _describe(row: Assignment) -> Choice:
    purpose = name_purpose(row.purpose)
    return Choice(row.pk, row.role, str(row.department), purpose, describe_end(row.valid_to))
