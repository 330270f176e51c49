"""The description of what is served here, made of the routes themselves.

Standard: PS3.18 8.9, H
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver

from access.actor import Actor
from registry.wire.base_url import DICOMWEB_PATH
from registry.wire.media_types import SYNTAXES_OF_MEDIA_TYPE, Offer, negotiate
from repository.dicomweb.base_url import dicomweb_base

WADL = "application/vnd.sun.wadl+xml"
OFFERS = (Offer(WADL), Offer("application/json"))
_LEVELS = {
    "studies": ("Studies", "Study"),
    "series": ("Series", "Series"),
    "instances": ("Instances", "Instance"),
    "frames": ("Frames", "Frames"),
}
"""What is named several, and one."""
NAMESPACE = "http://wadl.dev.java.net/2009/02"
ROUTES = "repository.dicomweb.urls"

_JSON = ("application/dicom+json", "application/json")
_XML = 'multipart/related; type="application/dicom+xml"'
_BULK = ("application/octet-stream", *SYNTAXES_OF_MEDIA_TYPE)
_PARTS = tuple(dict.fromkeys(f'multipart/related; type="{name}"' for name in _BULK))
_FILES = ('multipart/related; type="application/dicom"', _PARTS[0], "application/zip")
_PICTURES = ("image/jpeg", "image/png", "image/gif")
_SHOWN = (*_PICTURES, "video/mp4", "video/mpeg", "text/html", "text/plain", "text/xml", "application/pdf")
_RENDERED = (*_SHOWN, *(f'multipart/related; type="{name}"' for name in _SHOWN))


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one method of a resource does: its name in the standard, what it answers, what may be asked.

    In the name stand the level, or all levels of the path.
    """

    name: str
    media_types: tuple[str, ...]
    parameters: tuple[str, ...] = ("accept",)
    taken: tuple[str, ...] = ()


_SEARCH = (
    "accept",
    "limit",
    "offset",
    "includefield",
    "fuzzymatching",
    "emptyvaluematching",
    "multiplevaluematching",
)
_RENDERING = ("accept", "charset", "annotation", "quality", "viewport", "window", "iccprofile")
TRANSACTIONS: Mapping[str, Transaction] = {
    "search": Transaction("SearchFor{path}", (*_JSON, _XML, "text/csv"), _SEARCH),
    "count": Transaction("Count{path}", ("application/json",), _SEARCH),
    "store_instances": Transaction(
        "StoreInstances",
        (*_JSON, "application/dicom+xml"),
        taken=(
            'multipart/related; type="application/dicom"',
            'multipart/related; type="application/dicom+json"',
            'multipart/related; type="application/dicom+xml"',
            "application/dicom",
            "application/zip",
        ),
    ),
    "retrieve_instances": Transaction("Retrieve{level}", _FILES),
    "retrieve_metadata": Transaction(
        "Retrieve{level}Metadata", (*_JSON, _XML, "application/zip"), ("accept", "includefield")
    ),
    "retrieve_frames": Transaction("RetrieveFrames", (*_PARTS, *_BULK)),
    "retrieve_bulk_data": Transaction("Retrieve{level}Bulkdata", _PARTS),
    "retrieve_bulk_value": Transaction("RetrieveBulkdata", (*_PARTS, *_BULK)),
    "retrieve_rendered": Transaction("RetrieveRendered{level}", _RENDERED, _RENDERING),
    "retrieve_thumbnail": Transaction("Retrieve{level}Thumbnail", _PICTURES, ("accept", "viewport")),
    "delete_instances": Transaction("Delete{level}", ()),
    "reject_instances": Transaction("Reject{level}", ()),
    "commit_instances": Transaction("RequestStorageCommitment", _JSON, taken=_JSON),
    "check_result": Transaction("RequestStorageCommitmentResult", _JSON),
}
"""By the function that answers; a method whose function is not named here is listed without details."""


@dataclass(slots=True)
class Resource:
    """A resource of the description: its path below the one above, methods by function, resources below."""

    path: str
    methods: dict[str, str] = field(default_factory=dict)
    children: dict[str, "Resource"] = field(default_factory=dict)


def retrieve_capabilities(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Answer a GET of the base as OPTIONS is answered: an extension, for people with a browser."""
    return describe(request)


def describe(request: HttpRequest) -> HttpResponse:
    """Answer with the description of the resource that is asked for and of those below it.

    Raises
    ------
    NotAcceptable, MalformedAccept

    Standard: PS3.18 8.9.2
    """
    choice = negotiate(request.GET.get("accept"), request.headers.get("Accept"), OFFERS)
    route = request.resolver_match.route if request.resolver_match else ""
    below = route.removeprefix(DICOMWEB_PATH.strip("/")).strip("/")
    body = _write(dicomweb_base(request), below, choice.offer.media_type)
    return HttpResponse(body, content_type=choice.offer.media_type, headers={"Vary": "Accept"})


@lru_cache(maxsize=64)
def _write(base: str, route: str, media_type: str) -> bytes:
    top = _read_routes(route)
    if media_type == WADL:
        return "".join(_write_wadl(base, top)).encode()
    return orjson.dumps({"base": base, **_make_json(top, "")})


def _read_routes(wanted: str) -> Resource:
    """Read the routes at and below one into a tree; the one that is asked for stands in it with its whole path."""
    top = Resource("")
    for pattern in get_resolver(ROUTES).url_patterns:
        route = str(pattern.pattern)
        methods: dict[str, Any] = getattr(pattern.callback, "methods", {})
        if not route or not methods or not (f"{route}/".startswith(f"{wanted}/") or not wanted):
            continue
        found = top
        for step in _split(wanted, route):
            found = found.children.setdefault(step, Resource(step))
        found.methods |= {name: _name_of(function) for name, function in methods.items() if name != "HEAD"}
    return top


def _split(wanted: str, route: str) -> Iterator[str]:
    steps = [step for step in route[len(wanted) :].split("/") if step]
    for step in [wanted, *steps] if wanted else steps:
        yield "/".join(_write_template(part) for part in step.split("/"))


def _write_template(part: str) -> str:
    """Turn `<str:study>` into `{study}`."""
    return "{" + part[1:-1].rpartition(":")[2] + "}" if part.startswith("<") else part


def _name_of(function: Any) -> str:
    name: str = (function.func if isinstance(function, partial) else function).__name__
    return name


def _write_wadl(base: str, top: Resource) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="{NAMESPACE}">\n'
    yield f"<resources base={quoteattr(base + '/')}>\n"
    for child in top.children.values():
        yield from _write_resource(child, "")
    yield "</resources>\n</application>\n"


def _write_resource(resource: Resource, above: str) -> Iterator[str]:
    path = f"{above}/{resource.path}"
    yield f"<resource path={quoteattr(resource.path)}>\n"
    for part in resource.path.split("/"):
        if part.startswith("{"):
            yield f'<param name={quoteattr(part[1:-1])} style="template" required="true"/>\n'
    yield from _write_methods(resource, path)
    for child in resource.children.values():
        yield from _write_resource(child, path)
    yield "</resource>\n"


def _write_methods(resource: Resource, path: str) -> Iterator[str]:
    for name, function in resource.methods.items():
        transaction = TRANSACTIONS.get(function) or Transaction(function, ())
        yield f"<method name={quoteattr(name)} id={quoteattr(_make_id(transaction, path))}>\n<request>\n"
        if transaction.media_types:
            yield '<param name="Accept" style="header">\n'
            for media_type in transaction.media_types:
                yield f"<option value={quoteattr(media_type)}/>\n"
            yield "</param>\n"
        for parameter in transaction.parameters:
            yield f'<param name={quoteattr(parameter)} style="query"/>\n'
        yield from _write_representations(transaction.taken)
        yield "</request>\n<response>\n"
        yield from _write_representations(transaction.media_types)
        yield "</response>\n</method>\n"


def _write_representations(media_types: Sequence[str]) -> Iterator[str]:
    for media_type in media_types:
        yield f"<representation mediaType={quoteattr(media_type)}/>\n"


def _make_json(resource: Resource, above: str) -> dict[str, Any]:
    path = f"{above}/{resource.path}"
    methods = []
    for name, function in resource.methods.items():
        transaction = TRANSACTIONS.get(function) or Transaction(function, ())
        methods.append(
            {
                "name": name,
                "id": _make_id(transaction, path),
                "query": transaction.parameters,
                "accept": transaction.media_types,
                "content": transaction.taken,
            }
        )
    children = [_make_json(child, path) for child in resource.children.values()]
    return {"path": resource.path, "methods": methods, "resources": children}


def _make_id(transaction: Transaction, path: str) -> str:
    """Name a method after what it is done to: the last level of its path; a search after all of them."""
    steps = path.split("/")
    levels = [
        _LEVELS[step][is_one]
        for step, is_one in zip(steps, [after.startswith("{") for after in [*steps[1:], ""]], strict=True)
        if step in _LEVELS
    ]
    return transaction.name.format(level=levels[-1] if levels else "", path="".join(levels))
