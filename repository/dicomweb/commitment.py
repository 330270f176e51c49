"""Storage commitment over HTTP: ask, and ask for the result.

Standard: PS3.18 13
"""

from collections.abc import Callable

import orjson
from django.http import HttpRequest, HttpResponse

from access.actor import Actor
from registry.wire.dicom_xml import dicom_json_of_xml
from registry.wire.media_types import Choice, negotiate, parse_media_type
from registry.wire.multipart_related import MultipartReader, boundary_of
from registry.wire.request_body import RequestBody, TruncatedBody
from repository.admission import admitted_upload
from repository.commitment import CommitmentResult, find_commitment, request_commitment
from repository.dicomweb.commitment_module import (
    InvalidCommitmentRequest,
    build_response,
    is_uid,
    read_request,
)
from repository.dicomweb.status import UnsupportedMediaType, require
from repository.dicomweb.store_response import ANSWERS, write_store_response

MAX_BODY_BYTES = 8 << 20
READ_BYTES = 256 * 1024
RETRY_AFTER_S = 5
JSON_TYPES = ("application/dicom+json", "application/json")
XML_TYPE = "application/dicom+xml"


def commit_instances(request: HttpRequest, actor: Actor, transaction: str) -> HttpResponse:
    """Answer a request for commitment: 200 with the result, or 202 when there is much to read.

    Raises
    ------
    InvalidCommitmentRequest, UnsupportedMediaType, BodyTooLarge, DuplicateTransaction, TooManyRequests
    TooManyTransfers
        All places for uploads are taken.

    Standard: PS3.18 13.4
    """
    choice = _prepare(request, actor, transaction)
    with admitted_upload(actor):
        references = read_request(_read_module(request))
    return _answer(request_commitment(actor, transaction, references), choice)


def check_result(request: HttpRequest, actor: Actor, transaction: str) -> HttpResponse:
    """Answer with the result of a request: 200, or 202 as long as it is not settled.

    Raises
    ------
    UnknownTransaction

    Standard: PS3.18 13.5
    """
    choice = _prepare(request, actor, transaction)
    return _answer(find_commitment(actor, transaction), choice)


def _prepare(request: HttpRequest, actor: Actor, transaction: str) -> Choice:
    if not actor.may("store"):
        require(actor, "read")
    if not is_uid(transaction):
        raise InvalidCommitmentRequest("the Transaction UID in the path is no UID")
    return negotiate(request.GET.get("accept"), request.headers.get("Accept"), ANSWERS)


def _answer(result: CommitmentResult, choice: Choice) -> HttpResponse:
    if result.reasons is None:
        return HttpResponse(
            status=202, headers={"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
        )
    body, content_type = write_store_response(build_response(result), choice)
    return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def _read_module(request: HttpRequest) -> object:
    content_type = request.META.get("CONTENT_TYPE", "")
    name, parse = _parser_of(content_type)
    body = RequestBody(request.META, max_bytes=MAX_BODY_BYTES)
    data = _read_part(body, content_type) if name == "multipart/related" else _read_whole(body)
    return parse(data)


def _parser_of(content_type: str) -> tuple[str, Callable[[bytes], object]]:
    media_type = parse_media_type(content_type) if content_type else None
    name = media_type.name if media_type else ""
    types = media_type.values_of("type") if media_type and name == "multipart/related" else (name,)
    kind = types[0].lower() if types else ""
    if kind in JSON_TYPES:
        return name, _parse_json
    if kind == XML_TYPE:
        return name, dicom_json_of_xml
    raise UnsupportedMediaType(
        f"Content-Type {content_type[:100] or 'missing'}: send {JSON_TYPES[0]} or {XML_TYPE}, alone or as"
        " multipart/related with one part"
    )


def _parse_json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidCommitmentRequest(f"the body is no JSON: {error}") from error


def _read_whole(body: RequestBody) -> bytes:
    pieces = []
    while piece := body.read(READ_BYTES):
        pieces.append(piece)
    body.verify_length()
    return b"".join(pieces)


def _read_part(body: RequestBody, content_type: str) -> bytes:
    reader = MultipartReader(body.read, boundary_of(content_type), max_parts=1)
    parts = [b"".join(part.chunks()) for part in reader]
    if not reader.complete:
        raise TruncatedBody("the body ended before its closing delimiter")
    body.verify_length()
    if not parts:
        raise InvalidCommitmentRequest("the body holds no part")
    return parts[0]
