"""The door of every portal page: a person with one active assignment, or the way to become one."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_cache_control

from access.actor import Actor
from access.authentication import Unauthenticated, authenticate
from registry.models import Study
from registry.visibility import UnknownStudy, study_for

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Actor, P], HttpResponseBase]


def portal_page(view: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Give a view its actor; others are sent to log in or to choose an assignment.

    Answers are private to the session and never kept by a cache.
    """

    @wraps(view)
    def open_page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            actor = authenticate(request)
        except Unauthenticated:
            return _send_to_sign_in(request)
        if actor.kind != "person":
            raise PermissionDenied("the portal is for people; systems use the API")
        response = view(request, actor, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response

    return open_page


def open_study(actor: Actor, study_instance_uid: str) -> Study:
    """Return one study, or the same 404 for unknown and invisible."""
    try:
        return study_for(actor, study_instance_uid)
    except UnknownStudy as error:
        raise Http404(str(error)) from error


def _send_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        # A fragment cannot show a login form: the browser goes there with the whole page.
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("account_login")})
    if request.user.is_authenticated:
        query = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse('choose_assignment')}?{query}")
    return redirect_to_login(request.get_full_path(), reverse("account_login"))
