"""Requests of systems do without what only pages need: session, language, CSRF, messages, page policy.

A request with an Authorization header on an API path is answered by its view at once. Who comes with a
session cookie takes the long way, to the same view.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import resolve

API_PATHS = ("/dicom-web/", "/wado", "/fhir/", "/ihe/")
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

Handler = Callable[[HttpRequest], HttpResponseBase]


def answer_api_requests(get_response: Handler) -> Handler:
    """Make the middleware; everything below it in the list is left out for API requests."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.META.get("HTTP_AUTHORIZATION") or not request.path_info.startswith(API_PATHS):
            return get_response(request)
        request.get_host()  # a host that is not ours is refused before anything is done
        match = resolve(request.path_info)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        response.headers["Content-Security-Policy"] = POLICY
        if not response.streaming and response.status_code not in (204, 304):
            response.headers.setdefault("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]
        return response

    return middleware
