"""Send now: choose a department, say why, and see what arrives and who opens it."""

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access.actor import Actor
from frontend.acts import attempt, attempt_plain, posted, tell
from frontend.care_state import read_heading
from frontend.forms.send import SendForm, custodians_of
from frontend.found import open_patient
from frontend.opening import DOOR, open_study
from frontend.page import clinical_page, require_any
from frontend.sending import RIGHT, may_send, read_sending
from registry.models import Patient, SendRequest
from registry.send_now import send_patient, send_study, withdraw_sending


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def send_one(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Send a study that the actor's unit keeps."""
    require_any(actor, RIGHT)
    study = open_study(actor, study_instance_uid).study
    if not may_send(actor, study):
        raise Http404("a study that another unit keeps")
    form = SendForm(posted(request), custodians_of([study]))
    sent: list[SendRequest] = []
    if request.method == "POST" and form.is_valid():
        sending = form.make_sending()
        if attempt(form, lambda: sent.append(send_study(actor, study, sending, door=DOOR))):
            return _show_sent(request, sent[0])
    title = _("Send the study now")
    return _show_form(request, actor, study.person, form, title)


@require_http_methods(["GET", "HEAD", "POST"])
@clinical_page
def send_all(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Send all that the actor's unit keeps of a patient."""
    require_any(actor, RIGHT)
    patient, _explained = open_patient(request, actor, pk)
    form = SendForm(posted(request), ())
    sent: list[SendRequest] = []
    if request.method == "POST" and form.is_valid():
        sending = form.make_sending()
        if attempt(form, lambda: sent.append(send_patient(actor, patient, sending, door=DOOR))):
            return _show_sent(request, sent[0])
    return _show_form(request, actor, patient, form, _("Send the patient's studies now"))


@require_safe
@clinical_page
def show_sending(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show what became of a sending of the actor's unit."""
    row = _find(actor, pk)
    patient, _explained = open_patient(request, actor, row.patient_id)
    view = read_sending(actor, row)
    context = {"heading": read_heading(actor, patient), "sending": view, "section": "patient"}
    return render(request, "frontend/sending.html", context)


@require_safe
@clinical_page
def refresh_sending(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Answer with the live part, or 204 when the page already shows this version of it."""
    view = read_sending(actor, _find(actor, pk))
    if request.GET.get("seen") == view.version:
        return HttpResponse(status=204)
    return render(request, "frontend/parts/sending.html", {"sending": view})


@require_safe
@clinical_page
def list_sendings(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List what the actor's department sent, newest first."""
    require_any(actor, RIGHT)
    rows = _sendings_of(actor).filter(sent_from=actor.scope.department_id)
    views = [read_sending(actor, row) for row in rows.order_by("-pk")[:50]]
    return render(request, "frontend/sendings.html", {"sendings": views, "section": "worklist"})


@require_POST
@clinical_page
def take_back(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Stop what has not gone and end the shares."""
    row = _find(actor, pk)
    attempt_plain(
        request,
        lambda: withdraw_sending(actor, row, door=DOOR),
        _("Taken back. What has arrived stays with its receiver."),
    )
    return redirect("sending", pk)


def _find(actor: Actor, pk: int) -> SendRequest:
    require_any(actor, RIGHT)
    row = _sendings_of(actor).filter(pk=pk).first()
    if row is None:
        raise Http404("no such sending")
    return row


def _sendings_of(actor: Actor) -> QuerySet[SendRequest]:
    rows = SendRequest.objects.filter(sent_from__unit=actor.scope.unit_id or 0)
    return rows.select_related("patient", "department__unit", "sent_from", "study")


def _show_sent(request: HttpRequest, row: SendRequest) -> HttpResponse:
    tell(request, _("It is on its way. What still arrives follows by itself."))
    return redirect("sending", row.pk)


def _show_form(
    request: HttpRequest, actor: Actor, patient: Patient, form: SendForm, title: str
) -> HttpResponse:
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "title": title,
        "lead": _("The people of the department may read what you send, and its systems get it at once."),
        "button": _("Send now"),
        "section": "patient",
    }
    return render(request, "frontend/patient_form.html", context)
