"""A patient: the studies of all hospitals, newest first, with report and distribution of the selected one."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from access import audit
from access.actor import Actor
from frontend.modalities import make_badge
from frontend.page import portal_page
from frontend.people import read_banner
from frontend.reports import read_reports, read_requests
from frontend.route import read_route
from frontend.studies import StudyRow, make_row, with_row_facts
from registry.explained import Explained, explain_patient
from registry.models import Study


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is a link: it adds or removes one condition of the address."""

    name: str
    query: str
    chosen: bool
    title: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for: a hospital (its key), a modality badge, a selected study."""

    unit: str = ""
    modality: str = ""
    study: str = ""

    def query(self, **changes: str) -> str:
        """Return the query string of this filter with some values changed."""
        values = {"unit": self.unit, "modality": self.modality, "study": self.study, **changes}
        return "?" + urlencode({key: value for key, value in values.items() if value})


@require_safe
@portal_page
def show_patient(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show the patient page; 404 when the actor may know nothing of the patient."""
    explained = explain_patient(actor, pk)
    if not explained.permitted:
        raise Http404("no such patient")
    studies = list(_with_facts(explained))
    wanted = Filter(*(request.GET.get(key, "")[:80] for key in ("unit", "modality", "study")))
    rows = [make_row(study) for study in studies]
    shown = [row for row in rows if _matches(row, wanted)]
    selected = next(
        (row for row in shown if row.study_instance_uid == wanted.study), shown[0] if shown else None
    )
    context: dict[str, object] = {
        "banner": read_banner(studies[0].person),
        "rows": [(row, wanted.query(study=row.study_instance_uid)) for row in shown],
        "total": len(rows),
        "hospital_chips": _hospital_chips(rows, wanted),
        "modality_chips": _modality_chips(rows, wanted),
        "selected": selected,
        "section": "patient",
    }
    if selected is not None:
        study = next(study for study in studies if study.pk == selected.pk)
        audit.touch(actor, study.study_instance_uid, study.person_id, door="portal")
        context |= {
            "reports": read_reports(study),
            "requests": read_requests(study),
            "route": read_route(study),
        }
    return render(request, "frontend/patient.html", context)


def _with_facts(explained: Explained) -> QuerySet[Study]:
    keys = [study.pk for study, _decision in explained.permitted]
    return with_row_facts(Study.objects.filter(pk__in=keys)).order_by("-study_date", "-study_time", "-pk")


def _matches(row: StudyRow, wanted: Filter) -> bool:
    at_unit = not wanted.unit or str(row.unit_id) == wanted.unit
    return at_unit and (not wanted.modality or row.badge.letters == make_badge(wanted.modality).letters)


def _hospital_chips(rows: list[StudyRow], wanted: Filter) -> list[Chip]:
    units = {str(row.unit_id): row.hospital for row in rows}
    chips = [
        Chip(name, wanted.query(unit=unit, study=""), wanted.unit == unit)
        for unit, name in sorted(units.items(), key=lambda item: item[1])
    ]
    everything = Chip(_("All hospitals"), wanted.query(unit="", study=""), not wanted.unit)
    return [everything, *chips] if len(chips) > 1 or wanted.unit else []


def _modality_chips(rows: list[StudyRow], wanted: Filter) -> list[Chip]:
    # CR and DX share their letters and therefore one chip.
    badges = {row.badge.letters: row.badge for row in rows}
    chosen = make_badge(wanted.modality).letters if wanted.modality else ""
    chips = [
        Chip(
            letters,
            wanted.query(modality=badge.code, study=""),
            chosen == letters,
            make_badge(badge.code).title,
        )
        for letters, badge in sorted(badges.items())
    ]
    everything = Chip(_("All kinds"), wanted.query(modality="", study=""), not wanted.modality)
    return [everything, *chips] if len(chips) > 1 or wanted.modality else []
