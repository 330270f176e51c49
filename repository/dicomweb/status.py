"""The only table from errors to HTTP statuses on the DICOMweb doors, and the edge that uses it.

Standard: PS3.18 8.5
"""

import errno
import functools
import logging
import random
from collections.abc import Callable
from typing import Any

import orjson
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access.actor import Actor
from access.audit import UnrecordedAccess
from access.authentication import Unauthenticated, authenticate
from registry.hops import MalformedPath
from registry.matching import InvalidSearch
from registry.remove import RemovalNotPermitted
from registry.search import SearchTooBroad
from registry.visibility import RemovedStudy, UnknownStudy
from registry.wire.dicom_xml import MalformedDicomXml
from registry.wire.media_types import MalformedAccept, MalformedMediaType, NotAcceptable
from registry.wire.multipart_related import MalformedMultipart, MissingBoundary
from registry.wire.request_body import BodyTooLarge, InvalidContentLength, TruncatedBody
from repository.admission import AllPlacesTaken, ShareUsedUp
from repository.clinical_document import UnreadableDocument
from repository.commitment import DuplicateTransaction, TooManyRequests, UnknownTransaction
from repository.conditions import PreconditionFailed, UnsatisfiableRange
from repository.decode import UndecodableFrame
from repository.dicomweb import capabilities
from repository.dicomweb.charsets import UnencodableText
from repository.dicomweb.commitment_module import InvalidCommitmentRequest
from repository.dicomweb.delete import UnknownRejectionCode
from repository.dicomweb.wado_uri_parameters import InvalidUriRequest
from repository.explicit import MalformedDataSet
from repository.file_meta import UnreadableFileMeta
from repository.films import FilmTooLarge, UnencodableFilm
from repository.frames import FrameOutOfRange
from repository.guarded_codecs import CodecsBusy
from repository.metadata import SegmentsMoved
from repository.objects.base import UnknownObject
from repository.pixels import FrameTooLarge, InvalidImageDescription, NotAnImage
from repository.render import InvalidRenderingParameter
from repository.retrieve import UnknownBulkData
from repository.store_commit import StorageBusy
from repository.stored_bulk import BrokenEncapsulation
from repository.stored_frames import MalformedFrameList
from repository.transcode import InflatedTooLarge, NativeTooLarge, UnsupportedConversion

log = logging.getLogger(__name__)


class MalformedStoreBody(ValueError):
    """The body of a Store request is of a type that is taken, and cannot be read as that."""


class UnsupportedMediaType(ValueError):
    """The request body is of a type that this door does not take."""


class Forbidden(PermissionError):
    """The caller is known and lacks the permission for this door."""


STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (RemovalNotPermitted, 403),
    (UnknownRejectionCode, 400),
    (InvalidCommitmentRequest, 400),
    (UnknownTransaction, 404),
    (DuplicateTransaction, 409),
    (TooManyRequests, 429),
    (RemovedStudy, 410),
    (UnknownStudy, 404),
    (FrameOutOfRange, 404),
    (UnknownBulkData, 404),
    (MalformedFrameList, 400),
    (MalformedAccept, 400),
    (NotAcceptable, 406),
    (UnsupportedConversion, 406),
    (UndecodableFrame, 406),
    (MalformedDataSet, 406),
    (UnreadableFileMeta, 406),
    (NativeTooLarge, 406),
    (InflatedTooLarge, 406),
    (NotAnImage, 406),
    (InvalidImageDescription, 406),
    (FrameTooLarge, 406),
    (FilmTooLarge, 406),
    (UnencodableFilm, 406),
    (UnreadableDocument, 406),
    (UnencodableText, 406),
    (BrokenEncapsulation, 406),
    (PreconditionFailed, 412),
    (UnsatisfiableRange, 416),
    (InvalidRenderingParameter, 400),
    (InvalidUriRequest, 400),
    (InvalidSearch, 400),
    (SearchTooBroad, 413),
    (MissingBoundary, 400),
    (MalformedMultipart, 400),
    (MalformedDicomXml, 400),
    (MalformedMediaType, 400),
    (MalformedStoreBody, 400),
    (MalformedPath, 400),
    (TruncatedBody, 400),
    (InvalidContentLength, 400),
    (BodyTooLarge, 413),
    (UnsupportedMediaType, 415),
    (ShareUsedUp, 429),
    (AllPlacesTaken, 503),
    (CodecsBusy, 503),
    (StorageBusy, 503),
    (UnrecordedAccess, 503),
    (SegmentsMoved, 503),
)
RETRY_AFTER_S = (2, 8)

View = Callable[..., HttpResponseBase]


def dicomweb_view(**methods: View) -> View:
    """Make one Django view of a function for each HTTP method, called as `(request, actor, **uids)`.

    Authenticates before anything of the body is read and turns errors into statuses. HEAD is GET; OPTIONS describes
    the resource to anybody.
    """
    methods.setdefault("HEAD", methods["GET"]) if "GET" in methods else None
    allow = ", ".join([*sorted(methods), "OPTIONS"])

    def view(request: HttpRequest, **uids: Any) -> HttpResponseBase:
        function = methods.get(request.method or "")
        try:
            if function is not None:
                _refuse_control_characters(uids)
                response = _call(function, request, authenticate(request), uids)
            elif request.method == "OPTIONS":
                response = capabilities.describe(request)
                response.headers["Allow"] = allow
            else:
                response = problem(405, f"{request.method} is not possible here; possible are {allow}")
                response.headers["Allow"] = allow
        except Exception as error:  # noqa: BLE001 (the HTTP edge)
            response = _answer(error)
        return _without_body(response) if request.method == "HEAD" else response

    functools.update_wrapper(view, next(iter(methods.values())))
    view.csrf_exempt = True  # type: ignore[attr-defined]
    view.methods = methods  # type: ignore[attr-defined]
    return view


def _refuse_control_characters(uids: dict[str, str]) -> None:
    """Tell that nothing has such a name; PostgreSQL would not even take it as a value."""
    if any("\0" in value for value in uids.values()):
        raise UnknownStudy("no such resource: there is a NUL in its name")


def _call(function: View, request: HttpRequest, actor: Actor, uids: dict[str, str]) -> HttpResponseBase:
    """Call a view; once more if what it planned to read was moved by a compaction before its first byte."""
    try:
        return function(request, actor, **uids)
    except (SegmentsMoved, UnknownObject):
        if request.method not in ("GET", "HEAD"):
            raise
        return function(request, actor, **uids)


def answer_unknown_path(request: HttpRequest, path: str) -> HttpResponse:
    """Say that there is no such resource: in JSON, as every error here, whoever asks."""
    return problem(404, f"no such resource: {path[:200]}")


answer_unknown_path.csrf_exempt = True  # type: ignore[attr-defined]


def require(actor: Actor, permission: str) -> None:
    """Raise `Forbidden` unless the actor holds the permission word."""
    if not actor.may(permission):
        raise Forbidden(f"{actor.subject} may not {permission} here: the token's scopes do not include it")


def problem(status: int, message: str) -> HttpResponse:
    """Make an error answer: JSON with the status and one readable sentence."""
    body = orjson.dumps({"status": status, "error": message})
    response = HttpResponse(body, status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="samsyn"'
    if status in (429, 503):
        response["Retry-After"] = str(random.randint(*RETRY_AFTER_S))  # noqa: S311 (spreads the retries)
    return response


def _without_body(response: HttpResponseBase) -> HttpResponseBase:
    """Keep the headers of an answer only; what it would have streamed stays unread.

    Standard: RFC 9110 9.3.2
    """
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse):
        if response.status_code not in (204, 304):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
    return response


def _answer(error: Exception) -> HttpResponse:
    for kind, status in STATUS_OF:
        if isinstance(error, kind):
            response = problem(status, str(error))
            if isinstance(error, UnsatisfiableRange):
                response["Content-Range"] = f"bytes */{error.length_bytes}"
            return response
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return problem(507, "the storage is full; nothing of the request was kept")
    if isinstance(error, OperationalError):
        log.warning("database busy: %s", error)
        return problem(503, "the database is busy; nothing of the request was kept, try again")
    log.exception("unexpected error")
    return problem(500, "unexpected error; send the request again: what was stored already is recognised")
