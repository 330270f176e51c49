"""A study: its series with thumbnails, its reports, where it came from and where it went."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.care_state import read_heading
from frontend.earlier import list_earlier
from frontend.masking import is_masked, make_row_under, read_requests_under
from frontend.modalities import Badge, make_badge
from frontend.opening import NotOpened, open_study, record_opening
from frontend.page import clinical_page, refuse_page
from frontend.report_opening import list_correction_lines, open_reports
from frontend.route import read_route
from frontend.sending import may_send
from frontend.steps import find_thumbnail
from frontend.why import describe_decision, say_reason
from registry.models import Series, Study
from registry.visibility import series_of


@dataclass(frozen=True, slots=True)
class SeriesCard:
    """One series on the study page; `thumbnail` is empty when it has no pictures."""

    series_instance_uid: str
    number: str
    description: str
    badge: Badge
    body_part: str
    picture_count: int
    thumbnail: str


@require_safe
@clinical_page
def show_study(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Show the study page."""
    try:
        opened = open_study(actor, study_instance_uid)
    except NotOpened as refused:
        return _offer_choice(request, actor, study_instance_uid, refused)
    study, decision = opened.study, opened.visible.decision
    record_opening(actor, opened.visible)
    cards = list_cards(study)
    context = {
        "heading": read_heading(actor, study.person),
        "why": describe_decision(decision),
        "row": make_row_under(decision, study),
        "cards": cards,
        "reports": open_reports(actor, decision, study),
        "corrections": list_correction_lines(actor, study.person_id),
        "requests": read_requests_under(decision, study),
        "earlier": list_earlier(actor, study),
        "stepper_url": _first_pictures(study, cards),
        "route": None if is_masked(decision) else read_route(study),
        "may_send": may_send(actor, study),
        "section": "patient",
    }
    return render(request, "frontend/study.html", context)


def _first_pictures(study: Study, cards: list[SeriesCard]) -> str:
    """Return the address of the first series with pictures, empty if none has."""
    uids = [card.series_instance_uid for card in cards if card.thumbnail]
    return reverse("series", args=[study.study_instance_uid, uids[0]]) if uids else ""


def _offer_choice(
    request: HttpRequest, actor: Actor, study_instance_uid: str, refused: NotOpened
) -> HttpResponse:
    """Offer to choose another unit's data, which the patient page shows as rows too; all else stays a 404."""
    decision = refused.error.decision
    if decision.need != "choice" or decision.is_silent:
        raise refused
    study = Study.objects.select_related("person", "custodian__unit").get(
        study_instance_uid=study_instance_uid
    )
    return refuse_page(
        request,
        say_reason(decision.effect, decision.reason),
        heading=read_heading(actor, study.person),
        rule=decision.rule,
        choosable=study,
        section="patient",
    )


def list_cards(study: Study) -> list[SeriesCard]:
    """List the series of a study that was permitted, without reading every instance of it."""
    has_pixels = Q(instances__rows__gt=0)
    rows = (
        series_of(study.pk)
        .select_related("study")
        .annotate(
            images=Count("instances", filter=has_pixels),
            pictures=Sum(Greatest(Coalesce("instances__number_of_frames", 1), 1), filter=has_pixels),
        )
    )
    return [_make_card(series, series.images, series.pictures or 0) for series in rows]


def _make_card(series: Series, image_count: int, picture_count: int) -> SeriesCard:
    return SeriesCard(
        series_instance_uid=series.series_instance_uid,
        number="" if series.series_number is None else str(series.series_number),
        description=series.series_description,
        badge=make_badge(series.modality),
        body_part=series.body_part_examined,
        picture_count=picture_count,
        thumbnail=find_thumbnail(series, image_count) if image_count else "",
    )
