"""Fetch a document that an instance encloses, as a file."""

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.documents import UnknownDocument, open_enclosed
from frontend.opening import open_study, record_opening
from frontend.page import clinical_page
from registry.visibility import series_of


@require_safe
@clinical_page
def fetch_document(
    request: HttpRequest,
    actor: Actor,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
) -> StreamingHttpResponse:
    """Send the document as an attachment: what somebody enclosed never runs as a page of ours."""
    opened = open_study(actor, study_instance_uid)
    series = series_of(opened.study.pk, series_instance_uid).select_related("study").first()
    if series is None:
        raise Http404("no such series")
    record_opening(actor, opened.visible)
    try:
        document = open_enclosed(series, sop_instance_uid)
    except UnknownDocument as error:
        raise Http404(str(error)) from error
    name = f"document-{series.series_number or 0}.{document.extension}"
    return StreamingHttpResponse(
        document.pieces,
        content_type=document.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
