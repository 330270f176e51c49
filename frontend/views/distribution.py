"""The live part of the study page: where the study is on its way."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.page import open_study, portal_page
from frontend.route import read_route


@require_safe
@portal_page
def show_distribution(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Answer with the fragment, or 204 when the page already shows this version of it."""
    study = open_study(actor, study_instance_uid)
    route = read_route(study)
    if request.GET.get("seen") == route.version:
        return HttpResponse(status=204)
    context = {"route": route, "study_instance_uid": study.study_instance_uid}
    return render(request, "frontend/parts/route.html", context)
