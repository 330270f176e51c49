"""Reports and requests of a study as the pages show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext as _

from frontend.people import format_name
from registry.models import Report, ReportVersion, Study

Tone = Literal["ok", "warn", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class ReportState:
    """The state of a study's report: words and the tone that goes with them."""

    words: str
    tone: Tone
    is_addendum: bool = False


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a report; `has_file` if it came as a file, which is fetched by itself."""

    pk: int
    number: int
    state: ReportState
    author: str
    authored_at: datetime
    text: str
    language: str
    has_file: bool = False


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report: its latest version, the earlier ones readable below; open at once if the latest adds to them."""

    study_instance_uid: str
    title: str
    latest: VersionView
    earlier: tuple[VersionView, ...]

    @property
    def is_addendum(self) -> bool:
        """Whether the latest version is to be read together with the one before."""
        return self.latest.state.is_addendum


@dataclass(frozen=True, slots=True)
class RequestView:
    """What was asked, by whom, how urgently."""

    accession_number: str
    procedure: str
    question: str
    history: str
    urgency: str
    requester: str
    department: str
    ordered_at: datetime | None


def read_state(study: Study) -> ReportState:
    """Tell the state of a study's report from the newest version of any of its reports."""
    latest = [versions[0] for versions in (_newest_first(row) for row in study.reports.all()) if versions]
    if not latest:
        return ReportState(_("No report"), "quiet")
    return describe_status(max(latest, key=lambda row: (row.authored_at, row.pk)).status)


def describe_status(status: str) -> ReportState:
    """Put the status of a version into words."""
    states: dict[str, ReportState] = {
        "preliminary": ReportState(_("Preliminary report"), "warn"),
        "final": ReportState(_("Final report"), "ok"),
        "addendum": ReportState(_("Final report with addendum"), "ok", is_addendum=True),
        "corrected": ReportState(_("Corrected report"), "warn"),
        "cancelled": ReportState(_("Report withdrawn"), "bad"),
    }
    return states.get(status, ReportState(status, "quiet"))


def read_reports(study: Study) -> tuple[ReportView, ...]:
    """Read the reports of a study, the newest first."""
    views = []
    for report in study.reports.all():
        versions = [_view_version(row) for row in _newest_first(report)]
        if versions:
            views.append(ReportView(study.study_instance_uid, report.title, versions[0], tuple(versions[1:])))
    return tuple(sorted(views, key=lambda view: view.latest.authored_at, reverse=True))


def read_requests(study: Study) -> tuple[RequestView, ...]:
    """Read the requests that led to a study."""
    rows = study.orders.select_related("ordering_department__unit").order_by("ordered_at", "pk")
    return tuple(
        RequestView(
            accession_number=row.accession_number,
            procedure=row.procedure_text,
            question=row.question,
            history=row.history,
            urgency=_describe_urgency(row.urgency),
            requester=format_name(row.requester),
            department=str(row.ordering_department or ""),
            ordered_at=row.ordered_at,
        )
        for row in rows
    )


def _newest_first(report: Report) -> list[ReportVersion]:
    return sorted(report.versions.all(), key=lambda row: -row.number)


def _view_version(row: ReportVersion) -> VersionView:
    return VersionView(
        pk=row.pk,
        number=row.number,
        state=describe_status(row.status),
        author=format_name(row.author),
        authored_at=row.authored_at,
        text=row.text,
        language=row.language,
        has_file=bool(row.document_unique_id),
    )


def _describe_urgency(urgency: str) -> str:
    words = {"urgent": _("Urgent"), "normal": _("Normal"), "prior": _("Prior"), "bulk": _("Bulk")}
    return words.get(urgency, urgency)
