"""A fresh second factor before the few acts that open much: emergency opening, lifting a block, export, administration.

Fresh is what was shown in this session within the last five minutes. An installation without second factors
(the embedded one) switches it off with SAMSYN_STEP_UP.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from access.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
FRESH_S = 300.0


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the person has shown a second factor within five minutes, or need not."""
    return not settings.STEP_UP or has_fresh_second_factor(request)


def has_fresh_second_factor(request: HttpRequest) -> bool:
    """Tell whether the person has shown a second factor in this session within five minutes."""
    if not isinstance(request.user, User):
        return False
    shown = [
        float(record["at"])
        for record in get_authentication_records(request, request.user)
        if record["method"] == "mfa"
    ]
    return bool(shown) and 0 <= time.time() - max(shown) <= FRESH_S


def require_fresh(view: View[P]) -> View[P]:
    """Let a view be opened with a fresh second factor only; others are sent to show theirs and come back."""

    @wraps(view)
    def open_view(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return view(request, *args, **kwargs) if is_fresh(request) else ask_for_second_factor(request)

    return open_view


def ask_for_second_factor(request: HttpRequest) -> HttpResponse:
    """Send the person to show a second factor, or to set one up; then back to the page they came from."""
    page, query = _page_to_show(request)
    address = f"{page}?{urlencode({**query, 'next': _page_to_return_to(request)})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def _page_to_show(request: HttpRequest) -> tuple[str, dict[str, str]]:
    kinds = set(Authenticator.objects.filter(user_id=request.user.pk).values_list("type", flat=True))
    if Authenticator.Type.TOTP in kinds:
        return reverse("mfa_reauthenticate"), {}
    if kinds:
        return reverse("mfa_reauthenticate_webauthn"), {}
    if settings.OIDC_STRONG_ACR:  # the provider asks again, however long its own session lasts
        return reverse("openid_connect_login", args=[settings.OIDC_PROVIDER_ID]), {
            "auth_params": "prompt=login"
        }
    return reverse("mfa_index"), {}


def _page_to_return_to(request: HttpRequest) -> str:
    """Return the page itself; after a form the page that the form was on, because a form is not sent twice."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    referer, origin = request.META.get("HTTP_REFERER", ""), f"{request.scheme}://{request.get_host()}/"
    return "/" + referer.removeprefix(origin).lstrip("/\\") if referer.startswith(origin) else "/"
