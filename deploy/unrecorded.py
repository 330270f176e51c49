"""What cannot be recorded is not answered: 503 at every door that has no table of its own for it."""

import random

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from access.audit import UnrecordedAccess
from deploy.middleware import Handler

RETRY_AFTER_S = (2, 8)


def refuse_unrecorded(get_response: Handler) -> Handler:
    """Make the middleware: it turns `UnrecordedAccess` into a page for browsers, else into JSON."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    middleware.process_exception = _answer  # type: ignore[attr-defined]
    return middleware


def _answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    if not isinstance(error, UnrecordedAccess):
        return None
    if request.accepts("text/html") and "text/html" in request.headers.get("Accept", ""):
        response = render(request, "503.html", status=503)
    else:
        response = JsonResponse({"status": 503, "error": str(error)}, status=503)
    response["Retry-After"] = str(random.randint(*RETRY_AFTER_S))  # noqa: S311 (spreads the retries)
    response["Cache-Control"] = "no-store"
    return response
