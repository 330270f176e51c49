"""Cross-origin requests: scripts of the configured origins may call the APIs and read every answer, errors too.

Standard: Fetch 3.2
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from deploy.middleware import API_PATHS, Handler

METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
HEADERS = (
    "Accept, Accept-Language, Authorization, Cache-Control, Content-Type, If-Match, If-None-Match, If-Range, Range,"
    " X-Requested-With"
)
EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Length, Content-Location, Content-Range, ETag,"
    " Link, Retry-After, Warning, WWW-Authenticate"
)
MAX_AGE_S = 7200


def allow_configured_origins(get_response: Handler) -> Handler:
    """Make the middleware; it stands before those that may answer or refuse."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not settings.CORS_ORIGINS or not request.path_info.startswith(API_PATHS):
            return get_response(request)
        origin = request.META.get("HTTP_ORIGIN", "")
        is_allowed = origin in settings.CORS_ORIGINS
        if (
            is_allowed
            and request.method == "OPTIONS"
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META
        ):
            response: HttpResponseBase = _answer_preflight()
        else:
            response = get_response(request)
        patch_vary_headers(response, ("Origin",))
        if is_allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response

    return middleware


def _answer_preflight() -> HttpResponse:
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": str(MAX_AGE_S),
        },
    )
