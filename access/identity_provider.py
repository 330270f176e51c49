"""People who come from the region's identity provider: known by their HSA-id, never made into an account here.

Nothing of the provider is kept: who somebody is, is asked of its claims at every login.

Standard: OpenID Connect Core 3.1, 5.3.2
"""

import time
from typing import Any

import requests
from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.shortcuts import render

from access import login_log
from access.address import ForbiddenAddress, UnknownHost, resolve
from access.authentication import SESSION_ASSIGNMENT, valid_assignments
from access.models import User

TIMEOUT_S = 10.0


class HsaIdAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Whoever the provider vouches for is the active account with that HSA-id, or nobody."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Refuse to make accounts of unknown people."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the account, or say that there is none."""
        claims = read_claims(sociallogin)
        user = _find_user(claims) if sociallogin.state.get("process") in (None, "login") else None
        if user is None:
            login_log.record_failure(request, None, "identity_provider")
            raise ImmediateHttpResponse(render(request, "socialaccount/unknown_person.html", status=403))
        sociallogin.user = user

    def get_requests_session(self) -> requests.Session:
        """Return a session that asks checked addresses only and follows nothing."""
        return _GuardedSession()


class NoPasswordBackend(ModelBackend):
    """Permissions and sessions as everywhere, and no password that opens anything."""

    def authenticate(self, request: HttpRequest | None, *_: Any, **__: Any) -> None:
        """Know nobody by a password."""


class _GuardedSession(requests.Session):
    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        allow_private = settings.ALLOW_PRIVATE_ISSUERS
        try:
            address = resolve(str(url), allow_private=allow_private, setting="SAMSYN_ALLOW_PRIVATE_ISSUERS")
        except (ForbiddenAddress, UnknownHost) as error:
            raise requests.RequestException(f"the identity provider cannot be asked: {error}") from error
        if address.scheme != "https" and not allow_private:
            raise requests.RequestException("the identity provider must be asked over https")
        return super().request(
            method, url, *args, **{"timeout": TIMEOUT_S} | kwargs | {"allow_redirects": False}
        )


def read_claims(sociallogin: SocialLogin) -> dict[str, Any]:
    """Return what the provider says of the person; nothing if its two answers are about two people."""
    answers = sociallogin.account.extra_data
    token, profile = answers.get("id_token") or {}, answers.get("userinfo") or {}
    if token.get("sub") != profile.get("sub", token.get("sub")):
        return {}
    return {**token, **profile}


def enter(request: HttpRequest, user: User, sociallogin: SocialLogin) -> None:
    """Take over what the provider says of the new session: the commission, and how strong the login was."""
    claims = read_claims(sociallogin)
    named = claims.get(settings.COMMISSION_CLAIM)
    rows = [row for row in valid_assignments(user) if named and row.commission_hsa_id == named]
    if len(rows) == 1:
        request.session[SESSION_ASSIGNMENT] = rows[0].pk
    shown_at = claims.get("auth_time")
    if str(claims.get("acr")) in settings.OIDC_STRONG_ACR and isinstance(shown_at, int | float):
        record_authentication(
            request, user, "mfa", at=min(float(shown_at), time.time()), type="identity_provider"
        )


def _find_user(claims: dict[str, Any]) -> User | None:
    """Find the active account of the HSA-id, or of the subject where the provider gives no HSA-id."""
    name = claims.get(settings.PERSON_CLAIM) or claims.get("sub")
    if not isinstance(name, str) or not name or not name.isprintable():
        return None
    found = list(User.objects.filter(hsa_id=name, is_active=True)[:2])
    return found[0] if len(found) == 1 else None
