"""Opening a block for a time, and closing it again."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from access.actor import Actor
from access.models import User
from access.step_up import require_fresh
from frontend.acts import attempt, attempt_plain, posted, tell
from frontend.care_state import read_heading
from frontend.forms.decisions import LiftForm
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from frontend.views.decisions import kept_block, open_kept_patient
from registry.consent.lifts import cancel_lift, lift_block
from registry.models import BlockLift


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
@require_fresh
def add_lift(request: HttpRequest, actor: Actor, pk: int, block_id: int) -> HttpResponse:
    """Open a block for a unit or oneself, for at most seven days."""
    require_any(actor, "lift_block")
    patient = open_kept_patient(request, actor, pk)
    block = kept_block(actor, pk, block_id)
    form = LiftForm(posted(request), initial={"unit": actor.scope.unit_id})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        user = User.objects.get(pk=actor.subject_id or 0) if values["reach"] == "person" else None
        is_lifted = attempt(
            form,
            lambda: lift_block(
                actor,
                block,
                values["unit"],
                basis=values["basis"],
                requested_by=values["requested_by"],
                reason=values["reason"],
                valid_to=timezone.now() + timedelta(days=values["days"]),
                user=user,
                door=DOOR,
            ),
        )
        if is_lifted:
            tell(request, _("The block is lifted."))
            return redirect("decisions", pk)
    context = {
        "heading": read_heading(actor, patient),
        "form": form,
        "title": _("Lift block"),
        "button": _("Lift block"),
        "is_dangerous": True,
        "section": "decisions",
        "back": "decisions",
    }
    return render(request, "frontend/patient_form.html", context)


@require_POST
@portal_page
def end_lift(request: HttpRequest, actor: Actor, pk: int, lift_id: int) -> HttpResponse:
    """Close a block again."""
    require_any(actor, "lift_block")
    open_kept_patient(request, actor, pk)
    row = get_object_or_404(BlockLift.objects.select_related("block__unit"), pk=lift_id, block__patient=pk)
    kept_block(actor, pk, row.block_id)
    attempt_plain(request, lambda: cancel_lift(actor, row, door=DOOR), _("The block is closed again."))
    return redirect("decisions", pk)
