"""The patient's extract of the access log: to read and print here, or as a file."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from access import audit
from access.actor import Actor
from access.audit_export.extract import Extract, Subject, make_extract
from access.audit_export.extract_files import cells_of, describe_subject, notes_of, write_csv, write_html
from access.audit_export.extract_pdf import write_pdf
from access.step_up import require_fresh
from frontend.care_state import Heading
from frontend.forms.log import LogFilterForm
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from frontend.people import format_date
from frontend.views.log import RIGHT, open_log
from registry.models import Study


@dataclass(frozen=True, slots=True)
class FileKind:
    """A form of the extract as a file."""

    write: Callable[[Extract], bytes]
    media_type: str


FILES = {
    "pdf": FileKind(write_pdf, "application/pdf"),
    "csv": FileKind(write_csv, "text/csv; charset=utf-8"),
    "html": FileKind(write_html, "text/html; charset=utf-8"),
}


@require_safe
@portal_page
@require_fresh
def show_extract(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show the extract as a page to print."""
    require_any(actor, RIGHT)
    heading = open_log(request, actor, pk)
    extract = _make(request, actor, pk, heading, "page")
    context = {
        "heading": heading,
        "facts": describe_subject(extract),
        "notes": notes_of(extract),
        "rows": [cells_of(line) for line in extract.lines],
        "files": [kind for kind in FILES if _is_offered(kind, heading)],
        "query": request.GET.urlencode(),
        "section": "log",
    }
    return render(request, "frontend/log_extract.html", context)


@require_safe
@portal_page
@require_fresh
def fetch_extract(request: HttpRequest, actor: Actor, pk: int, kind: str) -> HttpResponse:
    """Send the extract as a file; of a protected identity no table leaves for a spreadsheet."""
    require_any(actor, RIGHT)
    heading = open_log(request, actor, pk)
    if kind not in FILES or not _is_offered(kind, heading):
        raise Http404("no such form of the extract")
    extract = _make(request, actor, pk, heading, kind)
    name = _("log-extract")
    return HttpResponse(
        FILES[kind].write(extract),
        content_type=FILES[kind].media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"'},
    )


def _is_offered(kind: str, heading: Heading) -> bool:
    return kind != "csv" or not heading.care.is_protected


def _make(request: HttpRequest, actor: Actor, pk: int, heading: Heading, form: str) -> Extract:
    period = LogFilterForm(request.GET).as_filter()
    subject = Subject(
        heading.banner.name,
        heading.banner.number,
        period.get("recorded_from"),
        period.get("recorded_before"),
    )
    language = get_language() or "sv"
    extract = make_extract([pk], subject, language=language, describe_studies=_describe_studies)
    detail = {"log": "extract", "form": form, "rows": len(extract.lines)}
    audit.record(actor, "audit_read", door=DOOR, patient_id=pk, detail=detail)
    return extract


def _describe_studies(uids: Collection[str]) -> Mapping[str, str]:
    rows = Study.objects.filter(study_instance_uid__in=list(uids))
    values = rows.values_list("study_instance_uid", "study_date", "study_description")
    return {uid: f"{format_date(date)} {text}".strip() for uid, date, text in values}
