"""A plain stepper through the pictures of a series: links that work without any script."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.care_state import read_heading
from frontend.documents import read_documents
from frontend.masking import make_row_under, read_requests_under
from frontend.opening import open_study, record_opening
from frontend.page import clinical_page
from frontend.steps import (
    Stack,
    Step,
    Window,
    find_step,
    list_windows,
    page_query,
    read_stack,
    rendered_url,
    step_at,
)
from frontend.studies import make_row
from frontend.views.study import list_cards
from registry.models import Series, Study
from registry.visibility import series_of


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the stepper; `query` is empty at the end of the stack."""

    query: str
    chosen: bool = False
    name: str = ""


@require_safe
@clinical_page
def show_series(
    request: HttpRequest, actor: Actor, study_instance_uid: str, series_instance_uid: str
) -> HttpResponse:
    """Show one picture of a series and the ways to the others."""
    opened = open_study(actor, study_instance_uid)
    study = opened.study
    series = series_of(study.pk, series_instance_uid).select_related("study").first()
    if series is None:
        raise Http404("no such series")
    record_opening(actor, opened.visible)
    siblings = list_cards(study)
    context: dict[str, Any] = {
        "heading": read_heading(actor, study.person),
        "row": make_row_under(opened.visible.decision, study),
        "card": next(card for card in siblings if card.series_instance_uid == series_instance_uid),
        "siblings": siblings,
        "requests": tuple(read_requests_under(opened.visible.decision, study)),
        "section": "patient",
    }
    stack = read_stack(series)
    if stack.instances:
        context |= _describe_step(request, study, series, stack)
    else:
        context["documents"] = read_documents(series)
    return render(request, "frontend/series.html", context)


def _describe_step(request: HttpRequest, study: Study, series: Series, stack: Stack) -> dict[str, Any]:
    step = find_step(stack, _read_number(request, "instance"), _read_number(request, "frame"))
    windows = list_windows(series.modality)
    window = next((item for item in windows if item.key == request.GET.get("window")), windows[0])
    title = make_row(study).description
    return {
        "step": step,
        "step_count": stack.step_count,
        "picture": rendered_url(stack, step, window),
        "alt": _describe_picture(title, step, stack),
        "first": _link(stack, 1, step, window),
        "previous": _link(stack, step.place - 1, step, window),
        "next": _link(stack, step.place + 1, step, window),
        "last": _link(stack, stack.step_count, step, window),
        "windows": [
            Link(page_query(step, item, stack), item.key == window.key, item.name) for item in windows
        ],
        "stepper": _describe_for_script(stack, step, window, windows, title),
    }


def _describe_for_script(
    stack: Stack, step: Step, window: Window, windows: tuple[Window, ...], title: str
) -> dict[str, object]:
    """Collect what the script needs to step without asking the server for a page."""
    path = rendered_url(stack, Step(1, 1, 1)).split("/instances/", 1)[0] + "/instances/"
    return {
        "path": path,
        "instances": stack.instances,
        "place": step.place,
        "window": window.key,
        "windows": [[item.key, item.value] for item in windows],
        "alt": _("%(study)s, image %(place)s of %(count)s")
        % {
            "study": title,
            "place": "{place}",
            "count": stack.step_count,
        },
    }


def _describe_picture(title: str, step: Step, stack: Stack) -> str:
    values = {"study": title, "place": step.place, "count": stack.step_count}
    return _("%(study)s, image %(place)s of %(count)s") % values


def _link(stack: Stack, place: int, here: Step, window: Window) -> Link:
    if place < 1 or place > stack.step_count or place == here.place:
        return Link("")
    return Link(page_query(step_at(stack, place), window, stack))


def _read_number(request: HttpRequest, name: str) -> int:
    """Read a place from the address; what is no number is the first place."""
    text = request.GET.get(name, "1")
    return int(text) if text.isdecimal() and len(text) < 9 else 1
