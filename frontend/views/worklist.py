"""The department's worklist: what came to it, from which one click leads to the images, until it is worked off."""

from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from access import audit
from access.actor import Actor
from access.models import Department
from frontend.acts import attempt_plain
from frontend.opening import DOOR, open_study
from frontend.page import clinical_page
from frontend.worklist import LISTS, WorklistView, show_list
from registry.models import Instance, WorklistItem
from registry.noted import UnknownEntry
from registry.visibility import series_of
from registry.worklist import mark_done


@require_safe
@clinical_page
def show_worklist(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the list: what waits, or what was worked off."""
    shown = _read_shown(request)
    department, found = _read_list(actor, shown)
    audit.record(actor, "search", door=DOOR, detail={"list": "worklist", "rows": len(found.lines)})
    context = {"worklist": found, "shown": shown, "department": department, "section": "worklist"}
    return render(request, "frontend/worklist.html", context)


@require_safe
@clinical_page
def refresh_worklist(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Answer with the list itself, or 204 when the page already shows this version of it."""
    shown = _read_shown(request)
    _department, found = _read_list(actor, shown)
    if request.GET.get("seen") == found.version:
        return HttpResponse(status=204)
    return render(request, "frontend/parts/worklist.html", {"worklist": found, "shown": shown})


@require_safe
@clinical_page
def open_images(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Lead to the first pictures of a study of the list; where there are none, to the study."""
    rows = WorklistItem.objects.filter(pk=pk, department=actor.scope.department_id)
    item = rows.select_related("study").first()
    if item is None:
        raise Http404("no such item")
    study = open_study(actor, item.study.study_instance_uid).study
    with_pictures = Instance.objects.filter(series=OuterRef("pk"), rows__gt=0)
    series = series_of(study.pk).filter(Exists(with_pictures)).first()
    if series is None:
        return redirect("study", study.study_instance_uid)
    return redirect("series", study.study_instance_uid, series.series_instance_uid)


@require_POST
@clinical_page
def finish_item(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Say that an item is worked off."""
    try:
        attempt_plain(request, lambda: mark_done(actor, pk, door=DOOR), _("The study is worked off."))
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    return redirect(reverse("worklist"))


def _read_shown(request: HttpRequest) -> str:
    shown = request.GET.get("list", "waiting")
    return shown if shown in LISTS else "waiting"


def _read_list(actor: Actor, shown: str) -> tuple[Department, WorklistView]:
    department = Department.objects.select_related("unit").get(pk=actor.scope.department_id or 0)
    return department, show_list(actor, department, shown)
