"""The HTTP edge of FHIR: format, credential, method, then the resource; every answer and every error is a resource.

Standard: FHIR R4 http.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from access.authentication import authenticate
from registry.fhir.bundle import make_bundle, make_history, open_page
from registry.fhir.door import Asked, Operation, ResourceDoor
from registry.fhir.errors import (
    ImpossibleInteraction,
    InvalidParameter,
    Rule,
    UnknownResource,
    UnsupportedFormat,
)
from registry.fhir.formats import Format, check_content_type, choose_format, read_resource, write_resource
from registry.fhir.outcome import make_outcome
from registry.fhir.parameters import parse_query
from registry.fhir.status import describe
from registry.fhir.structure import Resource
from registry.wire.base_url import origin_of
from registry.wire.request_body import RequestBody

FHIR_PATH = "/fhir"
MAX_BODY_BYTES, MAX_FORM_BYTES = 1 << 20, 1 << 16
FORM = "application/x-www-form-urlencoded"
HEADERS = {"Cache-Control": "private, no-store", "Vary": "Accept, Authorization, Cookie"}
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_TAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers: a resource, or nothing but headers; `format` where the body of the request chose it."""

    resource: Resource | None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    format: Format | None = None


Handler = Callable[..., Answer]


def fhir_view(methods: Mapping[str, Handler], errors: tuple[Rule, ...] = (), *, is_open: bool = False) -> Any:
    """Make one Django view of a handler for each HTTP method, called as `(request, asked, **path)`.

    HEAD is GET. An open view asks for no credential and is called without `asked`.
    """
    handlers = dict(methods)
    if "GET" in handlers:
        handlers.setdefault("HEAD", handlers["GET"])
    allow = ", ".join(sorted(handlers))

    def view(request: HttpRequest, **path: str) -> HttpResponse:
        chosen = Format()
        try:
            chosen = choose_format(
                request.GET.get("_format"), request.headers.get("Accept"), request.GET.get("_pretty")
            )
            handler = handlers.get(request.method or "")
            if handler is None:
                raise ImpossibleInteraction(
                    f"{request.method} is not possible here; possible are {allow or 'none'}"
                )
            answer = handler(request, **path) if is_open else handler(request, _read_headers(request), **path)
        except Exception as error:  # noqa: BLE001 (the HTTP edge)
            problem = describe(error, errors)
            answer = Answer(problem.outcome, problem.status, problem.headers)
        response = _respond(answer, answer.format or chosen)
        if response.status_code == 405:
            response.headers["Allow"] = allow
        if request.method == "HEAD":
            response.headers["Content-Length"] = str(len(response.content))
            response.content = b""
        return response

    view.csrf_exempt = True  # type: ignore[attr-defined]  # what changes something is no form that a page can send
    return view


def read_one(door: ResourceDoor) -> Handler:
    """Make the handler of a read. Standard: FHIR R4 http.html#read"""

    def handle(request: HttpRequest, asked: Asked, key: str) -> Answer:
        if door.read is None or not _ID.fullmatch(key):
            raise UnknownResource(f"no such {door.type}")
        return _unless_known(request, door.read(asked, key))

    return handle


def read_version(door: ResourceDoor) -> Handler:
    """Make the handler of a read of one version. Standard: FHIR R4 http.html#vread"""

    def handle(request: HttpRequest, asked: Asked, key: str, version: str) -> Answer:
        if door.read_version is None or not _ID.fullmatch(key) or not _ID.fullmatch(version):
            raise UnknownResource(f"no such version of {door.type}")
        return _unless_known(request, door.read_version(asked, key, version))

    return handle


def read_history(door: ResourceDoor) -> Handler:
    """Make the handler of the history of one resource. Standard: FHIR R4 http.html#history"""

    def handle(_: HttpRequest, asked: Asked, key: str) -> Answer:
        if door.history is None or not _ID.fullmatch(key):
            raise UnknownResource(f"no such {door.type}")
        return Answer(make_history(asked.base, door.type, key, door.history(asked, key)))

    return handle


def delete(door: ResourceDoor) -> Handler:
    """Make the handler of a delete: what is not there is as good as deleted. Standard: FHIR R4 http.html#delete"""

    def handle(_: HttpRequest, asked: Asked, key: str) -> Answer:
        if door.delete is None or not _ID.fullmatch(key):
            raise UnknownResource(f"no such {door.type}")
        door.delete(asked, key)
        return Answer(None, 204)

    return handle


def delete_where(door: ResourceDoor) -> Handler:
    """Make the handler of a conditional delete. Standard: FHIR R4 http.html#3.1.0.7.1"""

    def handle(request: HttpRequest, asked: Asked) -> Answer:
        if door.delete_where is None:
            raise ImpossibleInteraction(f"{door.type} is not deleted by a condition here")
        door.delete_where(asked, _decode(request.META.get("QUERY_STRING", "")))
        return Answer(None, 204)

    return handle


def operate(operation: Operation) -> Handler:
    """Make the handler of an operation, by address or with a Parameters body. Standard: FHIR R4 operations.html"""

    def handle(request: HttpRequest, asked: Asked, key: str = "") -> Answer:
        if key and not _ID.fullmatch(key):
            raise UnknownResource("no such resource")
        pairs = _decode(request.META.get("QUERY_STRING", ""))
        if request.method == "POST" and (request.META.get("CONTENT_LENGTH") or "0") != "0":
            kind = check_content_type(request.META.get("CONTENT_TYPE", ""))
            pairs += _pairs_of(read_resource(_read_body(request, MAX_BODY_BYTES), kind, "Parameters"))
        return Answer(operation.run(asked, key, pairs))

    return handle


def _pairs_of(parameters: Resource) -> list[tuple[str, str]]:
    """Return the primitive parameters of a Parameters resource."""
    return [
        (parameter.get("name", ""), str(value).lower() if isinstance(value, bool) else str(value))
        for parameter in parameters.get("parameter", [])
        for element, value in parameter.items()
        if element.startswith("value") and isinstance(value, str | int | float)
    ]


def _unless_known(request: HttpRequest, resource: Resource) -> Answer:
    headers = _headers_of(resource)
    if _is_known(request, dict(headers)["ETag"]):
        return Answer(None, 304, headers)
    return Answer(resource, 200, headers)


def search_by_address(door: ResourceDoor) -> Handler:
    """Make the handler of a search with its parameters in the address."""

    def handle(request: HttpRequest, asked: Asked) -> Answer:
        return _search(door, asked, _decode(request.META.get("QUERY_STRING", "")))

    return handle


def search_by_form(door: ResourceDoor) -> Handler:
    """Make the handler of a search with its parameters in a form, where no log sees them."""

    def handle(request: HttpRequest, asked: Asked) -> Answer:
        sent = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if sent not in ("", FORM):
            raise UnsupportedFormat(f"_search takes {FORM}, not {sent[:60]}")
        form = _decode(_read_body(request, MAX_FORM_BYTES).decode("latin-1"))
        answer = _search(door, asked, [*_decode(request.META.get("QUERY_STRING", "")), *form])
        shaped = dict(form)
        if "_format" not in shaped:
            return answer
        return replace(answer, format=choose_format(shaped["_format"], None, shaped.get("_pretty")))

    return handle


def create(door: ResourceDoor) -> Handler:
    """Make the handler of a create. Standard: FHIR R4 http.html#create"""

    def handle(request: HttpRequest, asked: Asked) -> Answer:
        if door.create is None:
            raise ImpossibleInteraction(f"{door.type} is not created here")
        if "If-None-Exist" in request.headers:
            raise InvalidParameter("a conditional create (If-None-Exist) is not offered", "If-None-Exist")
        kept = door.create(asked, _read_sent(request, door))
        location = ("Location", f"{asked.base}/{door.type}/{kept['id']}")
        return Answer(_as_preferred(request, kept), 201, (*_headers_of(kept), location))

    return handle


def update(door: ResourceDoor) -> Handler:
    """Make the handler of an update. Standard: FHIR R4 http.html#update"""

    def handle(request: HttpRequest, asked: Asked, key: str) -> Answer:
        if door.update is None or not _ID.fullmatch(key):
            raise UnknownResource(f"no such {door.type}")
        sent = _read_sent(request, door)
        if sent.get("id") != key:
            raise InvalidParameter(
                f"the id of the resource and of the address differ: {key}", f"{door.type}.id"
            )
        kept = door.update(asked, key, sent)
        return Answer(_as_preferred(request, kept), 200, _headers_of(kept))

    return handle


def update_where(door: ResourceDoor) -> Handler:
    """Make the handler of a conditional update. Standard: FHIR R4 http.html#cond-update"""

    def handle(request: HttpRequest, asked: Asked) -> Answer:
        if door.update_where is None:
            raise ImpossibleInteraction(f"{door.type} is not updated by a condition here")
        pairs = _decode(request.META.get("QUERY_STRING", ""))
        kept, is_new = door.update_where(asked, pairs, _read_sent(request, door))
        location = ("Location", f"{asked.base}/{door.type}/{kept['id']}")
        headers = (*_headers_of(kept), location)
        return Answer(_as_preferred(request, kept), 201 if is_new else 200, headers)

    return handle


def _search(door: ResourceDoor, asked: Asked, pairs: list[tuple[str, str]]) -> Answer:
    if door.search is None:
        raise ImpossibleInteraction(f"{door.type} is not searched here")
    words = [value for name, value in pairs if name == "_page"]
    position: tuple[str | int, ...] = ()
    if words:
        pairs, position = open_page(asked.actor, door.type, words[0])
    includes = (*door.includes, *door.reverse_includes)
    query = parse_query(pairs, door.parameters, door.sorts, includes, position=position, strict=asked.strict)
    return Answer(make_bundle(asked, door.type, query, door.search(asked, query)))


def _decode(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:  # not UTF-8, or too many
        raise InvalidParameter("the parameters are not percent-encoded UTF-8, or too many") from error


def _read_headers(request: HttpRequest) -> Asked:
    preferences = request.headers.get("Prefer", "").replace(" ", "").lower()
    wanted = _TAG.match(request.headers.get("If-Match", ""))
    return Asked(
        actor=authenticate(request),
        base=fhir_base(request),
        strict="handling=strict" in preferences,
        if_match=wanted[1] if wanted else "",
    )


def fhir_base(request: HttpRequest) -> str:
    """Return the base address of the FHIR service."""
    return origin_of(request) + FHIR_PATH


def _read_sent(request: HttpRequest, door: ResourceDoor) -> Resource:
    kind = check_content_type(request.META.get("CONTENT_TYPE", ""))
    return read_resource(_read_body(request, MAX_BODY_BYTES), kind, door.type)


def _read_body(request: HttpRequest, max_bytes: int) -> bytes:
    body = RequestBody(request.META, max_bytes=max_bytes)
    pieces = []
    while piece := body.read(1 << 16):
        pieces.append(piece)
    body.verify_length()
    return b"".join(pieces)


def _as_preferred(request: HttpRequest, resource: Resource) -> Resource | None:
    """Give back what the client wants to see of what it wrote. Standard: RFC 7240 4.2, FHIR R4 http.html#ops"""
    preferences = request.headers.get("Prefer", "").replace(" ", "").lower()
    if "return=minimal" in preferences:
        return None
    if "return=operationoutcome" in preferences:
        return make_outcome("information", "informational", "kept")
    return resource


def _headers_of(resource: Resource) -> tuple[tuple[str, str], ...]:
    """Return ETag and Last-Modified; what has no version of its own is tagged by its content."""
    meta = resource.get("meta", {})
    version = meta.get("versionId") or sha256(orjson.dumps(resource)).hexdigest()[:32]
    headers = [("ETag", f'W/"{version}"')]
    if "lastUpdated" in meta:
        headers.append(("Last-Modified", http_date(datetime.fromisoformat(meta["lastUpdated"]).timestamp())))
    return tuple(headers)


def _is_known(request: HttpRequest, tag: str) -> bool:
    """Tell whether the client has this version. Standard: FHIR R4 http.html#cread"""
    wanted = request.headers.get("If-None-Match", "")
    return wanted.strip() == "*" or tag[3:-1] in _TAG.findall(wanted)


def _respond(answer: Answer, chosen: Format) -> HttpResponse:
    body = b"" if answer.resource is None else write_resource(answer.resource, chosen)
    response = HttpResponse(body, status=answer.status, headers=HEADERS | dict(answer.headers))
    if answer.resource is None:
        del response.headers["Content-Type"]
    else:
        response.headers["Content-Type"] = chosen.content_type
    return response
