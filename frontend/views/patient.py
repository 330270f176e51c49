"""A patient: the studies of all hospitals, newest first, with report and distribution of the selected one.

Of what is not permitted there is one line at most, the same for one hidden study and for ten.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.care_state import read_heading
from frontend.found import open_patient
from frontend.masking import is_masked, read_requests_under
from frontend.opening import record_opening
from frontend.page import clinical_page
from frontend.report_opening import list_correction_lines, open_reports
from frontend.route import read_route
from frontend.timeline import Filter, make_timeline
from frontend.why import describe_decision, say_reason
from registry.explained import Explained
from registry.merges import current_patient_id


@require_safe
@clinical_page
def show_patient(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show the patient page; 404 when the actor may know nothing of the patient.

    An address from before a merge leads to the page of the person that the rows are now of.
    """
    current = current_patient_id(pk)
    patient, explained = open_patient(request, actor, current)
    if current != pk:
        return redirect("patient", current)
    wanted = Filter(*(request.GET.get(key, "")[:80] for key in ("unit", "modality", "study", "region")))
    timeline = make_timeline(explained, wanted)
    context: dict[str, object] = {
        "heading": read_heading(actor, patient),
        "timeline": timeline,
        "explained": explained,
        "sentences": _say_what_is_missing(explained),
        "may": actor.permissions,
        "corrections": list_correction_lines(actor, patient.pk),
        "section": "patient",
    }
    if timeline.selected is not None:
        record_opening(actor, timeline.selected.visible)
        study = timeline.selected.study
        context |= {
            "selected": timeline.selected.row,
            "why": describe_decision(timeline.selected.decision),
            "reports": open_reports(actor, timeline.selected.decision, study),
            "requests": read_requests_under(timeline.selected.decision, study),
            "route": None if is_masked(timeline.selected.decision) else read_route(study),
        }
    return render(request, "frontend/patient.html", context)


def _say_what_is_missing(explained: Explained) -> dict[str, str]:
    """Say in one line each what would open more; none says how much or where."""
    lines = {
        "relation": (explained.needs_relation, say_reason("needs", "relation_missing")),
        "reason": (bool(explained.needs_reason), say_reason("needs", explained.needs_reason)),
        "blocked": (explained.is_blocked, _("Blocked information exists.")),
        "consent": (explained.needs_consent, _("Other care providers may hold information.")),
    }
    return {name: words for name, (is_so, words) in lines.items() if is_so}
