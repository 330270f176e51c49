"""The access log: what I did, and for reviewers what the unit's people did with a patient's data."""

from dataclasses import replace
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from access import audit
from access.actor import Actor
from access.audit_log import InvalidPosition, LogFilter, LogPage, LogPosition, read_position, search_events
from access.models import Department
from frontend.acts import posted
from frontend.care_state import Heading, read_heading
from frontend.forms.log import LogFilterForm, NumberForm
from frontend.found import is_own_record
from frontend.log_lines import make_lines
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from frontend.patients import find_numbered
from frontend.query import read_query
from registry.models import Patient

RIGHT = "review_access"
SESSION_LOG = "log_of"
ROWS = 50


@require_safe
@portal_page
def show_own_log(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what the person did; what was refused is not among it: that would tell what is hidden."""
    form = LogFilterForm(request.GET)
    wanted = LogFilter(**{**form.as_filter(), "actor": actor.subject, "outcomes": ("success",)})
    page = _read_page(request, wanted)
    audit.record(actor, "audit_read", door=DOOR, detail={"log": "own accesses", "rows": len(page.events)})
    context = {
        "lines": make_lines(page.events),
        "form": form,
        "older": _older(request, page),
        "may_review": actor.may(RIGHT),
        "section": "log",
    }
    return render(request, "frontend/log_own.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def find_log(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Take a patient's number and go to that patient's log, if the unit's log speaks of the patient."""
    require_any(actor, RIGHT)
    form = NumberForm(posted(request))
    if request.method == "POST" and form.is_valid():
        for patient in find_numbered(actor, read_query(form.cleaned_data["number"])):
            if search_events(replace(reviewed_events(actor), patient_id=patient.pk), limit=1).events:
                request.session[SESSION_LOG] = [actor.assignment_id, patient.pk]
                return redirect("patient_log", patient.pk)
    context = {"form": form, "was_sought": request.method == "POST", "section": "log"}
    return render(request, "frontend/log_find.html", context)


@require_safe
@portal_page
def show_patient_log(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show what the people of the own unit did with a patient's data."""
    require_any(actor, RIGHT)
    heading = open_log(request, actor, pk)
    form = LogFilterForm(request.GET)
    wanted = replace(reviewed_events(actor), patient_id=pk, **form.as_filter())
    page = _read_page(request, wanted)
    audit.record(
        actor, "audit_read", door=DOOR, patient_id=pk, detail={"log": "patient", "rows": len(page.events)}
    )
    context = {
        "heading": heading,
        "lines": make_lines(page.events, names_patients=False),
        "form": form,
        "older": _older(request, page),
        "section": "log",
    }
    return render(request, "frontend/log_patient.html", context)


def open_log(request: HttpRequest, actor: Actor, pk: int) -> Heading:
    """Return the head of a log that this session asked for by number; every other is the same 404."""
    if request.session.get(SESSION_LOG) != [actor.assignment_id, pk] or is_own_record(actor, pk):
        raise Http404("no such log")
    patient = Patient.objects.filter(pk=pk).first()
    if patient is None:
        raise Http404("no such log")
    return read_heading(actor, patient)


def reviewed_events(actor: Actor) -> LogFilter:
    """Return which events the actor reviews: those of the people of the own care unit."""
    departments = Department.objects.filter(unit=actor.scope.unit_id or 0).values_list("hsa_id", flat=True)
    return LogFilter(departments=tuple(departments) or ("-",), viewer=actor.subject)


def _read_page(request: HttpRequest, wanted: LogFilter) -> LogPage:
    return search_events(wanted, after=_read_after(request), limit=ROWS)


def _read_after(request: HttpRequest) -> LogPosition | None:
    text = request.GET.get("after", "")
    if not text:
        return None
    try:
        return read_position(text)
    except InvalidPosition as error:
        raise Http404(str(error)) from error


def _older(request: HttpRequest, page: LogPage) -> str:
    """Return the address of the next page with the same filter; empty on the last."""
    if page.after is None:
        return ""
    kept = {key: value for key, value in request.GET.items() if key != "after" and value}
    return "?" + urlencode({**kept, "after": str(page.after)})
