"""Acts that open more: state a part in the care, choose another unit's data, give a reason."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from access.actor import Actor
from access.models import CareUnit
from frontend.acts import attempt, attempt_plain, posted, tell
from frontend.care_state import read_heading
from frontend.forms.care import ChoiceForm, ReasonForm, RelationForm
from frontend.found import open_patient
from frontend.opening import DOOR
from frontend.page import clinical_page
from frontend.why import say_reason
from registry.relations import choose_unit, declare_relation, give_reason


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def state_relation(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Declare to take part in the patient's care."""
    patient, _explained = open_patient(request, actor, pk)
    form = RelationForm(posted(request))
    if request.method == "POST" and form.is_valid():
        stated = form.cleaned_data["reason"]
        if attempt(form, lambda: declare_relation(actor, patient, reason=stated, door=DOOR)):
            tell(request, _("The care relation is noted; it holds for a day."))
            return redirect("patient", pk)
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "title": _("State a care relation"),
        "lead": say_reason("needs", "relation_missing"),
        "button": _("State care relation"),
        "section": "patient",
    }
    return render(request, "frontend/patient_form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def state_reason(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Give the reason for reading the data of a patient who asks for one."""
    patient, explained = open_patient(request, actor, pk)
    form = ReasonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        stated = form.cleaned_data["reason"]
        if attempt(form, lambda: give_reason(actor, patient, reason=stated, door=DOOR)):
            return redirect("patient", pk)
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "title": _("Give a reason"),
        "lead": say_reason("needs", explained.needs_reason),
        "button": _("Read with this reason"),
        "section": "patient",
    }
    return render(request, "frontend/patient_form.html", context)


@require_POST
@clinical_page
def choose(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Choose to read what another unit of the provider holds of the patient; one of those on the patient's page."""
    patient, explained = open_patient(request, actor, pk)
    form = ChoiceForm(request.POST)
    units = {study.custodian.unit_id for study, _decision in explained.choosable if study.custodian}
    if not form.is_valid() or form.cleaned_data["unit"] not in units:
        raise Http404("no such unit to choose")
    unit = CareUnit.objects.get(pk=form.cleaned_data["unit"])
    reason = form.cleaned_data["reason"]
    attempt_plain(
        request,
        lambda: choose_unit(actor, patient, unit, reason=reason, door=DOOR),
        _("The other unit's data are open to you for a day."),
    )
    return redirect("patient", pk)
