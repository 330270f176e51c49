"""STOW-RS: permission and place before the first byte, then parts as a stream into `store()`.

Standard: PS3.18 10.5
"""

from collections.abc import Iterator, Sequence

from django.http import HttpRequest, HttpResponse

from access.actor import Actor
from registry.wire.media_types import Choice, negotiate, parse_media_type
from registry.wire.multipart_related import MultipartReader, boundary_of
from registry.wire.request_body import RequestBody, TruncatedBody
from repository.dicomweb.admission import admitted_upload
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.status import UnsupportedMediaType, problem, require
from repository.dicomweb.store_response import (
    ANSWERS,
    build_store_response,
    status_of,
    write_store_response,
    write_warning,
)
from repository.store import Part, store
from repository.store_result import PartResult

DICOM = "application/dicom"
READ_BYTES = 256 * 1024


class SinglePart:
    """A body that is one PS3.10 file."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    def chunks(self) -> Iterator[bytes]:
        """Yield the body; what arrived is checked against what was announced."""
        while piece := self._body.read(READ_BYTES):
            yield piece
        self._body.verify_length()
        if not self._body.received_bytes:
            raise TruncatedBody("the body is empty; send one PS3.10 file")


def store_instances(request: HttpRequest, actor: Actor, study: str | None = None) -> HttpResponse:
    """Store the instances in the body, of the one study in the path where it is given."""
    require(actor, "store")
    choice: Choice = negotiate(request.GET.get("accept"), request.headers.get("Accept"), ANSWERS)
    content_type = request.META.get("CONTENT_TYPE", "")
    kind = _kind_of(content_type)
    with admitted_upload(actor):
        body = RequestBody(request.META)
        parts = _multipart(body, content_type) if kind == "multipart" else iter([SinglePart(body)])
        results = store(parts, actor, door="stow", study_in_path=study)
    if not results:
        return problem(400, "the body holds no part; send at least one instance")
    return _answer(results, dicomweb_base(request), choice)


def _answer(results: Sequence[PartResult], base: str, choice: Choice) -> HttpResponse:
    body, content_type = write_store_response(build_store_response(results, base), choice)
    response = HttpResponse(body, status=status_of(results), content_type=content_type)
    response["Cache-Control"] = "no-store"
    warning = write_warning(results)
    if warning:
        response["Warning"] = warning
    return response


def _kind_of(content_type: str) -> str:
    if not content_type:
        raise UnsupportedMediaType(f'no Content-Type; send multipart/related; type="{DICOM}" or {DICOM}')
    media_type = parse_media_type(content_type)
    if media_type.name == DICOM:
        return "single"
    types = media_type.values_of("type")
    if media_type.name == "multipart/related" and (not types or types[0].lower() == DICOM):
        return "multipart"
    raise UnsupportedMediaType(
        f'Content-Type {content_type[:100]} is not taken; send multipart/related; type="{DICOM}" or {DICOM}'
    )


def _multipart(body: RequestBody, content_type: str) -> Iterator[Part]:
    reader = MultipartReader(body.read, boundary_of(content_type))
    yield from reader
    if not reader.complete:
        raise TruncatedBody("the body ended before its closing delimiter; nothing was kept")
    body.verify_length()
