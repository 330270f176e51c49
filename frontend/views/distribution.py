"""The live part of the study page: where the study is on its way."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.actor import Actor
from access.models import Department
from frontend.care_state import read_heading
from frontend.masking import is_masked, make_row_under
from frontend.opening import NotOpened, open_study, record_opening
from frontend.page import clinical_page
from frontend.route import read_route
from frontend.sending import may_send
from registry.models import Destination
from repository.delivery.operating.why import explain_why_at


@require_safe
@clinical_page
def show_distribution(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Answer with the fragment, or 204 when the page already shows this version of it.

    A page whose study has been closed meanwhile is loaded anew, and is then a 404.
    """
    try:
        opened = open_study(actor, study_instance_uid)
    except NotOpened:
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        raise
    if is_masked(opened.visible.decision):
        return HttpResponse(status=204)
    record_opening(actor, opened.visible)
    route = read_route(opened.study)
    if request.GET.get("seen") == route.version:
        return HttpResponse(status=204)
    context = {
        "route": route,
        "study_instance_uid": study_instance_uid,
        "may_send": may_send(actor, opened.study),
    }
    return render(request, "frontend/parts/route.html", context)


@require_safe
@clinical_page
def explain_distribution(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Say why a study was or was not sent to the systems of a department that is chosen."""
    opened = open_study(actor, study_instance_uid)
    if is_masked(opened.visible.decision):
        raise Http404("the places of this patient are not said")
    record_opening(actor, opened.visible)
    receiving = Department.objects.filter(pk__in=Destination.objects.values("department"))
    departments = list(receiving.select_related("unit").order_by("unit__name", "name", "pk"))
    key = request.GET.get("department", "")
    chosen = next((row for row in departments if str(row.pk) == key), None)
    context = {
        "heading": read_heading(actor, opened.study.person),
        "row": make_row_under(opened.visible.decision, opened.study),
        "departments": departments,
        "chosen": chosen,
        "answers": explain_why_at(opened.study, chosen) if chosen else [],
        "section": "patient",
    }
    return render(request, "frontend/why_sent.html", context)
