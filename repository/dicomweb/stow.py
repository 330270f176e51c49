"""STOW-RS: permission and place before the first byte, then parts as a stream into `store()`.

Standard: PS3.18 10.5
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from access.actor import Actor
from registry.hops import NAME_HEADER, PATH_HEADER, LoopDetected, installation_name, read_path
from registry.wire.media_types import Choice, negotiate
from registry.wire.request_body import RequestBody
from repository.admission import admitted_upload
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.status import problem, require
from repository.dicomweb.store_bodies import kind_of, read_parts
from repository.dicomweb.store_response import (
    ANSWERS,
    build_store_response,
    status_of,
    write_store_response,
    write_warning,
)
from repository.store import Part, store
from repository.store_result import PartResult


def store_instances(request: HttpRequest, actor: Actor, study: str | None = None) -> HttpResponse:
    """Store the instances in the body, of the one study in the path where it is given."""
    require(actor, "store")
    choice = negotiate(request.GET.get("accept"), request.headers.get("Accept"), ANSWERS)
    content_type = request.META.get("CONTENT_TYPE", "")
    kind = kind_of(content_type, request.headers.get("Content-Encoding", ""))
    try:
        path = read_path(request.headers.get(PATH_HEADER, ""))
    except LoopDetected as error:
        response = problem(508, str(error))
        response[NAME_HEADER] = installation_name()
        return response
    base = dicomweb_base(request)
    file_names: list[str] = []
    with admitted_upload(actor):
        parts = read_parts(kind, RequestBody(request.META), content_type, f"{base}/studies/{study or ''}")
        results = store(_note_names(parts, file_names), actor, door="stow", study_in_path=study, path=path)
    if not results:
        return problem(400, "the body holds no part; send at least one instance")
    named = [replace(r, file_name=n) for r, n in zip(results, file_names, strict=True)]
    return _answer(named, base, choice)


def _note_names(parts: Iterator[Part], file_names: list[str]) -> Iterator[Part]:
    """Pass the parts on and remember what the sender called them, "" for those without a name."""
    for part in parts:
        file_names.append(getattr(part, "file_name", ""))
        yield part


def _answer(results: Sequence[PartResult], base: str, choice: Choice) -> HttpResponse:
    body, content_type = write_store_response(build_store_response(results, base), choice)
    response = HttpResponse(body, status=status_of(results), content_type=content_type)
    response["Cache-Control"] = "no-store"
    warning = write_warning(results)
    if warning:
        response["Warning"] = warning
    return response
