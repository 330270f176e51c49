"""Acknowledge that a report was corrected; fetch the file that a version of a report came as."""

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from access.actor import Actor
from frontend.opening import DOOR, open_study, record_opening
from frontend.page import clinical_page, portal_page
from frontend.report_opening import record_versions
from frontend.views.preferences import safe_next
from registry.models import ReportVersion
from registry.noted import UnknownEntry
from registry.report_readings import acknowledge
from repository.document_store import UnknownContent, open_document


@require_POST
@portal_page
def acknowledge_correction(request: HttpRequest, actor: Actor, reading_id: int) -> HttpResponse:
    """Note that the reader has seen the correction."""
    try:
        acknowledge(actor, reading_id, door=DOOR)
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    return redirect(safe_next(request))


@require_safe
@clinical_page
def fetch_report_file(
    request: HttpRequest, actor: Actor, study_instance_uid: str, version_id: int
) -> StreamingHttpResponse:
    """Send the file as an attachment: what somebody sent never runs as a page of ours."""
    opened = open_study(actor, study_instance_uid)
    rows = ReportVersion.objects.filter(report__studies=opened.study).exclude(document_unique_id="")
    version = rows.filter(pk=version_id).first()
    if version is None:
        raise Http404("no such version of a report")
    record_opening(actor, opened.visible)
    record_versions(actor, opened.visible.decision, opened.study, [version.pk])
    try:
        row, blocks = open_document(version.document_unique_id)
    except UnknownContent as error:
        raise Http404(str(error)) from error
    extension = "pdf" if row.mime_type == "application/pdf" else "bin"
    name = f"report-{version.report_id}-{version.number}.{extension}"
    return StreamingHttpResponse(
        blocks,
        content_type=row.mime_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
