"""Faults of a request as a page."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 without asking the request for anything: its very host may be what is wrong."""
    return HttpResponse(render_to_string("400.html"), status=400)
