"""The door of every portal page: a person with one active assignment, or the way to become one."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control

from access.actor import Actor
from access.authentication import Unauthenticated, authenticate
from frontend.why import say_reason
from registry.noted import MissingRight

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Actor, P], HttpResponseBase]
Opened = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
CARE = "care"


def portal_page(view: Page[P]) -> Opened[P]:
    """Give a view its actor; others are sent to log in or to choose an assignment.

    Answers are private to the session and never kept by a cache. What the registry refuses for want of a right
    (and has recorded) is answered 403.
    """

    @wraps(view)
    def open_page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            actor = authenticate(request)
        except Unauthenticated:
            return _send_to_sign_in(request)
        if actor.kind != "person":
            raise PermissionDenied("the portal is for people; systems use the API")
        try:
            response = view(request, actor, *args, **kwargs)
        except MissingRight as error:
            raise PermissionDenied(str(error)) from error
        patch_cache_control(response, private=True, no_store=True)
        return response

    return open_page


def clinical_page(view: Page[P]) -> Opened[P]:
    """Do as `portal_page`, for pages that show patients' data: an assignment that reads none is told so, in words.

    It is told before anything is looked up: the answer says nothing about what is asked for.
    """

    @portal_page
    @wraps(view)
    def open_clinical(
        request: HttpRequest, actor: Actor, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        reason = why_nothing_is_read(actor)
        if reason:
            return refuse_page(request, say_reason("deny", reason))
        return view(request, actor, *args, **kwargs)

    return open_clinical


def why_nothing_is_read(actor: Actor) -> str:
    """Return why an assignment reads no patient's data at all, as a word of `access.sentences`; empty if it does."""
    if not actor.may("read"):
        return "no_right"
    return "" if actor.purpose == CARE else "other_purpose"


def refuse_page(request: HttpRequest, sentence: str, **context: object) -> HttpResponse:
    """Answer that there is no access, with the sentence that says by which rule and who can change it."""
    return render(request, "frontend/no_access.html", {"sentence": sentence, **context}, status=403)


def require_any(actor: Actor, *permissions: str) -> None:
    """Answer 403 unless the assignment includes one of the permissions."""
    if not any(actor.may(permission) for permission in permissions):
        raise PermissionDenied(f"the assignment includes none of {', '.join(permissions)}")


def _send_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        # A fragment cannot show a login form: the browser goes there with the whole page.
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("account_login")})
    if request.user.is_authenticated:
        query = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse('choose_assignment')}?{query}")
    return redirect_to_login(request.get_full_path(), reverse("account_login"))
