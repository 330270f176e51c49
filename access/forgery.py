"""Requests that a browser sends for somebody else's page: refused where the credential travels by itself.

Session cookies and client certificates are sent by the browser whoever makes it ask. A request that changes
something and carries no token must therefore come from our own pages: by its Origin, or by the CSRF token that
only our pages can read. Views of pages have Django's own check; those of the APIs have this one.

Standard: RFC 6454 7, Fetch Metadata 2.1
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from access.credentials import CERTIFICATE_HEADER, Unauthenticated

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def refuse_forged(request: HttpRequest) -> None:
    """Refuse a request without a token of its own that may come from another site's page.

    Raises
    ------
    Unauthenticated
        It changes something, and neither its origin nor a CSRF token says that it is ours.
    """
    if request.method in SAFE_METHODS or getattr(request, "csrf_processing_done", False):
        return
    if getattr(request, "_dont_enforce_csrf_checks", False):  # Django's test client, as in Django's own check
        return
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None:
        if not _is_ours(origin, request):
            raise Unauthenticated("the request comes from a page of another site")
    elif request.META.get(CERTIFICATE_HEADER):
        if request.META.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
            raise Unauthenticated("the request comes from a page of another site")
    elif not _has_token(request):
        raise Unauthenticated(
            "a session that changes something needs the header X-CSRFToken, or our own Origin"
        )


def _is_ours(origin: str, request: HttpRequest) -> bool:
    return (
        origin == f"{request.scheme}://{request.get_host()}"
        or origin in settings.CSRF_TRUSTED_ORIGINS
        or origin in settings.CORS_ORIGINS
    )


class _HeaderCheck(CsrfViewMiddleware):
    """Django's check, answering with its reason."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return HttpResponse(reason, status=403)


def _answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _has_token(request: HttpRequest) -> bool:
    """Let Django compare the header with the cookie; as for a PUT, because of a POST it would read the body."""
    check = _HeaderCheck(_answer)
    check.process_request(request)
    method, request.method = request.method, "PUT"
    try:
        return check.process_view(request, _answer, (), {}) is None
    finally:
        request.method = method
