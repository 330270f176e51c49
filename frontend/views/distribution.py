"""The live part of the study page: where the study is on its way."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.masking import is_masked
from frontend.opening import NotOpened, open_study, record_opening
from frontend.page import clinical_page
from frontend.route import read_route
from frontend.sending import may_send


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
