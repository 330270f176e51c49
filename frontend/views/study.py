"""A study: its series with thumbnails, its reports, where it came from and where it went."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.modalities import Badge, make_badge
from frontend.opening import record_opening
from frontend.page import open_study, portal_page
from frontend.people import read_banner
from frontend.reports import read_reports, read_requests
from frontend.route import read_route
from frontend.steps import find_thumbnail
from frontend.studies import make_row
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
@portal_page
def show_study(request: HttpRequest, actor: Actor, study_instance_uid: str) -> HttpResponse:
    """Show the study page."""
    study = open_study(actor, study_instance_uid)
    record_opening(actor, study)
    cards = list_cards(study)
    context = {
        "banner": read_banner(study.person),
        "row": make_row(study),
        "cards": cards,
        "reports": read_reports(study),
        "requests": read_requests(study),
        "route": read_route(study),
        "section": "patient",
    }
    return render(request, "frontend/study.html", context)


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
