"""Opening in an emergency, in two steps: first where there is more, then the data. Each step is logged of its own."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from access import audit
from access.actor import Actor
from access.models import CareProvider
from access.step_up import ask_for_second_factor, is_fresh, require_fresh
from frontend.acts import attempt, attempt_plain, posted, tell
from frontend.care_state import read_heading
from frontend.forms.care import LocateForm, NumberLocateForm, OpenForm
from frontend.found import open_patient
from frontend.opening import DOOR
from frontend.page import clinical_page, portal_page, require_any
from frontend.views.preferences import safe_next
from registry.emergency import (
    Located,
    StaleSecondFactor,
    close_now,
    find_opening,
    locate,
)
from registry.emergency import (
    open_patient as open_data,
)
from registry.models import EmergencyOpening, Patient, PatientIdentifier
from registry.noted import UnknownEntry

SESSION_LOCATED = "located"


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def take_first_step(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Say why, and learn which care providers hold more of the patient."""
    require_any(actor, "break_glass")
    patient, _explained = open_patient(request, actor, pk)
    form = LocateForm(posted(request))
    if request.method == "POST" and form.is_valid():
        located = _locate(actor, patient, form)
        if located is not None:
            return _show_located(request, located)
    context = {"heading": read_heading(actor, patient), "form": form, "section": "patient"}
    return render(request, "frontend/emergency_locate.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def take_first_step_by_number(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Do the same for a number that a search does not find; what nobody holds and what nothing opens is one answer."""
    require_any(actor, "break_glass")
    form = NumberLocateForm(posted(request))
    if request.method == "POST" and form.is_valid():
        number = form.cleaned_data["number"]
        rows = PatientIdentifier.objects.filter(value=number, is_national=True).select_related("patient")
        row = rows.first()
        if row is None:
            detail = {"number": number, "providers": [], "reason_code": form.cleaned_data["reason_code"]}
            stated = {"stated_reason": form.cleaned_data["reason"]}
            audit.record(actor, "emergency_locate", door=DOOR, detail=detail | stated, may_spool=True)
            return render(request, "frontend/emergency_nothing.html", {"section": "patient"})
        located = _locate(actor, row.patient, form)
        if located is not None:
            return _show_located(request, located)
    return render(request, "frontend/emergency_locate.html", {"form": form, "section": "patient"})


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
@require_fresh
def take_second_step(request: HttpRequest, actor: Actor, opening_id: int) -> HttpResponse:
    """Show where there is more, and open it for as long as is chosen."""
    opening = _own_opening(actor, opening_id)
    providers = request.session.get(SESSION_LOCATED, {}).get(str(opening.pk))
    if opening.opened_at is not None or not providers:
        raise Http404("no step one to go on from")
    form = OpenForm(posted(request))
    if request.method == "POST" and form.is_valid():

        def check() -> None:
            if not is_fresh(request):
                raise StaleSecondFactor("the second factor was not shown just now")

        hours = form.cleaned_data["hours"]
        try:
            is_open = attempt(
                form, lambda: open_data(actor, opening, check_second_factor=check, hours=hours, door=DOOR)
            )
        except StaleSecondFactor:
            return ask_for_second_factor(request)
        if is_open:
            return redirect("patient", opening.patient_id)
    context = {
        "heading": read_heading(actor, opening.patient),
        "providers": CareProvider.objects.filter(pk__in=providers).order_by("name"),
        "opening": opening,
        "form": form,
        "section": "patient",
    }
    return render(request, "frontend/emergency_open.html", context)


@require_POST
@portal_page
def close(request: HttpRequest, actor: Actor, opening_id: int) -> HttpResponse:
    """Close an opening before its time is over: the own one, or one of the unit that the person reviews."""
    try:
        opening = find_opening(actor, opening_id)
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    attempt_plain(
        request, lambda: close_now(actor, opening, door=DOOR), _("The emergency opening is closed.")
    )
    if opening.user_id != actor.subject_id:
        return redirect(safe_next(request))
    try:
        open_patient(request, actor, opening.patient_id)
    except Http404:  # nothing but the opening let the page be seen
        return redirect("start")
    return redirect("patient", opening.patient_id)


def _locate(actor: Actor, patient: Patient, form: LocateForm) -> Located | None:
    found: list[Located] = []
    code, stated = form.cleaned_data["reason_code"], form.cleaned_data["reason"]
    attempt(form, lambda: found.append(locate(actor, patient, reason_code=code, reason=stated, door=DOOR)))
    return found[0] if found else None


def _show_located(request: HttpRequest, located: Located) -> HttpResponse:
    if not located.providers:
        return render(request, "frontend/emergency_nothing.html", {"section": "patient"})
    keys = [provider.pk for provider in located.providers]
    # Only what was found last can be gone on with.
    request.session[SESSION_LOCATED] = {str(located.opening.pk): keys}
    tell(request, _("Step one is done and logged."))
    return redirect("emergency_open", located.opening.pk)


def _own_opening(actor: Actor, opening_id: int) -> EmergencyOpening:
    try:
        opening = find_opening(actor, opening_id)
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    if opening.user_id != actor.subject_id or opening.assignment_id != actor.assignment_id:
        raise Http404("no such opening")
    return opening
