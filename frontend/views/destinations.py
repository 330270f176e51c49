"""Destinations of departments: a list that says how each does, and the form by which one is kept."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from access.actor import Actor
from access.models import Department
from access.reach import DESTINATIONS, departments_kept_by
from access.step_up import ask_for_second_factor, is_fresh
from frontend.acts import attempt, posted, tell
from frontend.destinations import DestinationState, describe_destination, name_kind_of
from frontend.forms.destination import GROUPS, DestinationForm
from frontend.forms.hours import list_lines
from frontend.forms.receiving import list_syntaxes
from frontend.keeping import make_base, require_keeper
from frontend.opening import DOOR
from frontend.page import portal_page
from registry.models import Destination
from repository.delivery.operating.keeping import change_destination, create_destination, destinations_kept_by


@dataclass(frozen=True, slots=True)
class DestinationLine:
    """A destination in the list."""

    row: Destination
    kind: str
    state: DestinationState


@require_safe
@portal_page
def show_destinations(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List the destinations that the person keeps."""
    keeper = require_keeper(request, actor, DESTINATIONS)
    lines = [
        DestinationLine(row, name_kind_of(row), describe_destination(row))
        for row in destinations_kept_by(keeper)
    ]
    context = make_base(keeper, "destinations") | {"lines": lines}
    return render(request, "frontend/distribution/destinations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def add_destination(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the empty form, or create what it says."""
    keeper = require_keeper(request, actor, DESTINATIONS)
    if not is_fresh(request):
        return ask_for_second_factor(request)
    departments = departments_kept_by(keeper)
    department = _read_department(request, keeper) if request.method == "POST" else None
    form = DestinationForm(None, posted(request), department)

    def create(owner: Department) -> Destination:
        return create_destination(keeper, owner, form.make_draft(), door=DOOR)

    if department is not None and form.is_valid() and attempt(form, lambda: create(department)):
        tell(request, _("The destination is created. Test it before somebody relies on it."))
        return redirect("destinations")
    context = make_base(keeper, "destinations") | _describe_form(form)
    context |= {"departments": departments, "department": department}
    return render(request, "frontend/distribution/destination_form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def edit_destination(request: HttpRequest, actor: Actor, pk: int) -> HttpResponseBase:
    """Show a destination in the form, or change what it says."""
    keeper = require_keeper(request, actor, DESTINATIONS)
    row = find_destination(keeper, pk)
    if not is_fresh(request):
        return ask_for_second_factor(request)
    form = DestinationForm(row, posted(request))

    def change() -> None:
        change_destination(keeper, row, form.make_draft(), door=DOOR)

    if request.method == "POST" and form.is_valid() and attempt(form, change):
        tell(request, _("The destination is changed."))
        return redirect("destinations")
    context = make_base(keeper, "destinations") | _describe_form(form) | {"row": row}
    return render(request, "frontend/distribution/destination_form.html", context)


def find_destination(keeper: Actor, pk: int) -> Destination:
    """Return a destination that the person keeps, or answer 404."""
    row = destinations_kept_by(keeper).filter(pk=pk).first()
    if row is None:
        raise Http404("no such destination")
    return row


def _read_department(request: HttpRequest, keeper: Actor) -> Department:
    key = request.POST.get("department", "")
    rows = departments_kept_by(keeper)
    row = rows.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None
    if row is None:
        raise Http404("no such department")
    return row


def _describe_form(form: DestinationForm) -> dict[str, Any]:
    titles = {
        "secrets": _("Credentials"),
        "limits": _("Limits"),
        "receiver": _("How it behaves"),
        "numbers": _("Its own numbers"),
        "hl7": _("HL7 v2"),
    }
    groups = [
        (titles.get(name, ""), [form[field] for field in fields if field in form.fields])
        for name, fields in GROUPS
    ]
    return {"form": form, "groups": groups, "hours": list_lines(form), "syntaxes": list_syntaxes(form)}
