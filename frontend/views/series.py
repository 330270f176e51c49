"""A plain stepper through the pictures of a series, an earlier study beside it: links that work without any script."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.care_state import read_heading
from frontend.documents import DocumentView, read_documents
from frontend.earlier import list_earlier
from frontend.masking import make_row_under, read_requests_under
from frontend.modalities import make_badge
from frontend.opening import OpenedStudy, open_study, record_opening
from frontend.page import clinical_page
from frontend.steps import (
    Stack,
    Step,
    Window,
    find_step,
    list_windows,
    page_values,
    read_stack,
    rendered_url,
    step_at,
)
from frontend.studies import StudyRow, make_row
from frontend.views.study import SeriesCard, list_cards
from registry.models import Series, Study
from registry.visibility import series_of

UID = r"[0-9.]{1,64}"
STEP = ("instance", "frame", "window")
BESIDE = "beside_"
"""What the step of an earlier study begins with in the address, where one stands beside."""
STEP_BESIDE = tuple(f"{BESIDE}{name}" for name in STEP)
PRIOR = ("beside", f"{BESIDE}series", *STEP_BESIDE)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the stepper; `query` is empty at the end of the stack."""

    query: str
    chosen: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pane:
    """One series on the page; `prefix` is what its parameters in the address begin with.

    `pictures` is what there is of a series with pictures, else empty; `choices` are the other series beside.
    """

    prefix: str
    row: StudyRow
    card: SeriesCard
    pictures: dict[str, Any]
    documents: tuple[DocumentView, ...] = ()
    choices: tuple[Link, ...] = ()
    close: str = ""


@require_safe
@clinical_page
def show_series(
    request: HttpRequest, actor: Actor, study_instance_uid: str, series_instance_uid: str
) -> HttpResponse:
    """Show one picture of a series and the ways to the others; with `beside`, an earlier study at its side."""
    opened = open_study(actor, study_instance_uid)
    study = opened.study
    beside = _open_beside(request, actor, study)
    series = series_of(study.pk, series_instance_uid).select_related("study").first()
    if series is None:
        raise Http404("no such series")
    record_opening(actor, opened.visible)
    siblings = list_cards(study)
    card = next(card for card in siblings if card.series_instance_uid == series_instance_uid)
    pane = _make_pane(request, opened, series, card)
    panes = [pane]
    if beside is not None and (chosen := _choose_series(request, beside.study, series.modality)):
        record_opening(actor, beside.visible)
        panes.append(_make_pane_beside(request, beside, *chosen))
    context: dict[str, Any] = {
        "heading": read_heading(actor, study.person),
        "row": pane.row,
        "card": card,
        "panes": panes,
        "siblings": siblings,
        "kept": _query_of(request, STEP, {}) if len(panes) > 1 else "",
        "earlier": [
            Link(
                _query_of(request, PRIOR, {"beside": row.study_instance_uid}),
                row.study_instance_uid == request.GET.get("beside"),
                f"{row.date} {row.description}",
            )
            for row in list_earlier(actor, study)
        ],
        "requests": tuple(read_requests_under(opened.visible.decision, study)),
        "section": "patient",
    }
    return render(request, "frontend/series.html", context)


def _open_beside(request: HttpRequest, actor: Actor, study: Study) -> OpenedStudy | None:
    """Open the study that is asked for beside: decided as any other, and of the same patient or none."""
    uid = request.GET.get("beside", "")
    if not uid:
        return None
    if not re.fullmatch(UID, uid) or uid == study.study_instance_uid:
        raise Http404("no such study")
    opened = open_study(actor, uid)
    if opened.study.person_id != study.person_id:
        raise Http404("no such study")  # two patients are never side by side
    return opened


def _choose_series(
    request: HttpRequest, study: Study, modality: str
) -> tuple[Series, tuple[SeriesCard, ...]] | None:
    """Return the series that is asked for beside, else the first with pictures, of the same modality if any is."""
    cards = tuple(list_cards(study))
    if not cards:
        return None
    uid = request.GET.get(f"{BESIDE}series", "")
    if not uid:
        pictured = [card for card in cards if card.thumbnail] or list(cards)
        alike = [card for card in pictured if card.badge == make_badge(modality)]
        uid = (alike or pictured)[0].series_instance_uid
    rows = {row.series_instance_uid: row for row in series_of(study.pk).select_related("study")}
    if uid not in rows:
        raise Http404("no such series")
    return rows[uid], cards


def _make_pane(request: HttpRequest, opened: OpenedStudy, series: Series, card: SeriesCard) -> Pane:
    row = make_row_under(opened.visible.decision, opened.study)
    stack = read_stack(series)
    if not stack.instances:
        return Pane("", row, card, {}, tuple(read_documents(series)))
    return Pane("", row, card, _describe_step(request, "", opened.study, series, stack))


def _make_pane_beside(
    request: HttpRequest, opened: OpenedStudy, series: Series, cards: tuple[SeriesCard, ...]
) -> Pane:
    uid = series.series_instance_uid
    stack = read_stack(series)
    has_pictures = bool(stack.instances)
    return Pane(
        BESIDE,
        make_row_under(opened.visible.decision, opened.study),
        next(card for card in cards if card.series_instance_uid == uid),
        _describe_step(request, BESIDE, opened.study, series, stack) if has_pictures else {},
        () if has_pictures else tuple(read_documents(series)),
        tuple(
            Link(
                _query_of(request, PRIOR[1:], {f"{BESIDE}series": card.series_instance_uid}),
                card.series_instance_uid == uid,
                card.description or card.badge.title,
            )
            for card in cards
        ),
        _query_of(request, PRIOR, {}),
    )


def _describe_step(
    request: HttpRequest, prefix: str, study: Study, series: Series, stack: Stack
) -> dict[str, Any]:
    step = find_step(
        stack, _read_number(request, f"{prefix}instance"), _read_number(request, f"{prefix}frame")
    )
    windows = list_windows(series.modality)
    window = next((item for item in windows if item.key == request.GET.get(f"{prefix}window")), windows[0])
    title = make_row(study).description

    def query(at: Step, shown: Window) -> str:
        own = STEP_BESIDE if prefix else STEP
        return _query_of(request, own, page_values(at, shown, stack, prefix))

    def link(place: int) -> Link:
        is_outside = place < 1 or place > stack.step_count or place == step.place
        return Link("" if is_outside else query(step_at(stack, place), window))

    return {
        "step": step,
        "step_count": stack.step_count,
        "picture": rendered_url(stack, step, window),
        "alt": _describe_picture(title, step, stack),
        "first": link(1),
        "previous": link(step.place - 1),
        "next": link(step.place + 1),
        "last": link(stack.step_count),
        "windows": [Link(query(step, item), item.key == window.key, item.name) for item in windows],
        "stepper": _describe_for_script(stack, step, window, windows, title) | {"prefix": prefix},
    }


def _query_of(request: HttpRequest, dropped: Iterable[str], values: dict[str, str]) -> str:
    """Return the query of this page with other values, and what else it shows as it is."""
    kept = {name: request.GET[name] for name in (*STEP, *PRIOR) if name in request.GET}
    for name in dropped:
        kept.pop(name, None)
    return "?" + urlencode(kept | values)


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


def _read_number(request: HttpRequest, name: str) -> int:
    """Read a place from the address; what is no number is the first place."""
    text = request.GET.get(name, "1")
    return int(text) if text.isdecimal() and len(text) < 9 else 1
