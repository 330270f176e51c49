"""What a patient decided, for those who keep it: list with history, and the ways to register and to end."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access import audit
from access.actor import Actor
from access.models import CareUnit
from frontend.acts import attempt, attempt_plain, posted, tell
from frontend.care_state import read_heading
from frontend.consent_texts import CURRENT, read_consent_text
from frontend.decided import KEEPERS, read_decided
from frontend.forms.decisions import BlockForm, CancelBlockForm, ConsentForm
from frontend.found import is_own_record, remember_found, was_found
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from frontend.patients import find_numbered
from frontend.query import read_query
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import register_consent, withdraw_consent
from registry.fhir.consents.rows import may_read_consents, may_see
from registry.models import Block, Consent, Patient
from registry.visibility import is_in_relation


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def find_keeping(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Find a patient by number to register what the patient decided, without taking part in the care."""
    require_any(actor, "register_block")
    query = read_query(request.POST.get("q", ""))
    patients: list[Patient] = []
    if request.method == "POST" and query.reading in ("national", "code"):
        patients = [row for row in find_numbered(actor, query) if may_read_consents(actor, row.pk)]
        keys = [row.pk for row in patients]
        detail = {"read_as": query.reading, "text": query.number or query.text, "patients": keys}
        audit.record(actor, "search", door=DOOR, detail=detail | {"list": "to keep consents and blocks"})
        remember_found(request, actor, keys)
        if len(patients) == 1:
            return redirect("decisions", patients[0].pk)
    context = {
        "query": query,
        "headings": [read_heading(actor, row) for row in patients],
        "section": "decisions",
    }
    return render(request, "frontend/find_keeping.html", context)


@require_safe
@portal_page
def show_decisions(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show consents and blocks with their history."""
    patient = open_kept_patient(request, actor, pk)
    audit.record(actor, "consent_read", door=DOOR, patient_id=pk, detail={"resource": "consents and blocks"})
    context = {
        "heading": read_heading(actor, patient),
        "decided": read_decided(actor, pk),
        "may": actor.permissions,
        "section": "decisions",
    }
    return render(request, "frontend/decisions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def add_consent(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Register a consent, or that the patient lastingly cannot decide."""
    require_any(actor, "grant_consent")
    patient = open_kept_patient(request, actor, pk)
    form = ConsentForm(actor, _places_of(actor), posted(request))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        is_registered = attempt(
            form,
            lambda: register_consent(
                actor,
                patient,
                form.recipients[values["recipient"]],
                valid_to=form.valid_to,
                kind=values["kind"],
                basis=form.basis,
                text_version=CURRENT if values["kind"] != "incapacity" else "",
                door=DOOR,
            ),
        )
        if is_registered:
            tell(request, _("The consent is registered."))
            return redirect(_page_after(actor), pk)
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "consent_text": read_consent_text(),
        "text_version": CURRENT,
        "section": "patient",
    }
    return render(request, "frontend/consent_form.html", context)


@require_POST
@portal_page
def end_consent(request: HttpRequest, actor: Actor, pk: int, consent_id: int) -> HttpResponse:
    """Withdraw a consent."""
    require_any(actor, "grant_consent")
    open_kept_patient(request, actor, pk)
    row = _kept_row(actor, Consent.objects.filter(patient=pk), consent_id)
    attempt_plain(request, lambda: withdraw_consent(actor, row, door=DOOR), _("The consent is withdrawn."))
    return redirect("decisions", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def add_block(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Register a block."""
    require_any(actor, "register_block")
    patient = open_kept_patient(request, actor, pk)
    form = BlockForm(actor, _places_of(actor), posted(request))

    def register() -> None:
        values = form.cleaned_data
        is_outer = values["holder"] == "provider"
        holder = Holder(actor.scope.provider_id) if is_outer else Holder(unit_id=int(values["holder"]))
        register_block(
            actor,
            patient,
            holder,
            data_from=_as_dicom(values["data_from"]),
            data_to=_as_dicom(values["data_to"]),
            is_silent=values["is_silent"],
            is_absolute=values["is_absolute"],
            asked_by=values["asked_by"],
            door=DOOR,
        )

    return _act_on_patient(
        request, actor, patient, form, register, _("Register block"), _("The block is registered.")
    )


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def end_block(request: HttpRequest, actor: Actor, pk: int, block_id: int) -> HttpResponse:
    """Cancel a block for good."""
    require_any(actor, "register_block")
    patient = open_kept_patient(request, actor, pk)
    row = kept_block(actor, pk, block_id)
    form = CancelBlockForm(posted(request))

    def cancel() -> None:
        cancel_block(actor, row, reason=form.cleaned_data["reason"], door=DOOR)

    return _act_on_patient(
        request, actor, patient, form, cancel, _("Cancel block"), _("The block is cancelled.")
    )


def open_kept_patient(request: HttpRequest, actor: Actor, pk: int) -> Patient:
    """Return a patient whose decisions the actor keeps and who was found or is in the unit's care; else 404."""
    require_any(actor, *KEEPERS)
    is_open = may_read_consents(actor, pk) and (was_found(request, actor, pk) or is_in_relation(actor, pk))
    patient = Patient.objects.filter(pk=pk).first() if is_open and not is_own_record(actor, pk) else None
    if patient is None:
        raise Http404("no such patient")
    return patient


def kept_block(actor: Actor, pk: int, block_id: int) -> Block:
    """Return a block of the patient that the actor may see; else 404."""
    row = get_object_or_404(Block.objects.select_related("unit"), pk=block_id, patient=pk)
    if not may_see(actor, row):
        raise Http404("no such block")
    return row


def _kept_row(actor: Actor, rows: QuerySet[Consent], key: int) -> Consent:
    row = get_object_or_404(rows, pk=key)
    if not may_see(actor, row):
        raise Http404("no such consent")
    return row


def _act_on_patient(
    request: HttpRequest,
    actor: Actor,
    patient: Patient,
    form: ConsentForm | BlockForm | CancelBlockForm,
    act: Callable[[], None],
    title: str,
    done: str,
) -> HttpResponse:
    if request.method == "POST" and form.is_valid() and attempt(form, act):
        tell(request, done)
        return redirect("decisions", patient.pk)
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "title": title,
        "button": title,
        "section": "decisions",
        "back": "decisions",
    }
    return render(request, "frontend/patient_form.html", context)


def _places_of(actor: Actor) -> dict[str, str]:
    unit = CareUnit.objects.select_related("provider").filter(pk=actor.scope.unit_id or 0).first()
    return {"unit": unit.name, "provider": unit.provider.name} if unit else {"unit": "", "provider": ""}


def _page_after(actor: Actor) -> str:
    return "patient" if actor.may("read") and actor.purpose == "care" else "decisions"


def _as_dicom(day: object) -> str:
    return f"{day:%Y%m%d}" if day else ""
