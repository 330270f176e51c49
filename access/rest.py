"""Who asks and what they may, for views of Django REST framework: the same answer as everywhere else.

One class for every credential: the framework takes the status and the WWW-Authenticate of a refusal from the
first one in the list.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from access.actor import Actor
from access.authentication import Unauthenticated, authenticate

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module, because the settings name it


@dataclass(frozen=True, slots=True)
class ActorUser:
    """What the framework calls the user of a request."""

    actor: Actor
    is_authenticated: bool = True


class ActorAuthentication(BaseAuthentication):
    """`request.auth` is the Actor."""

    def authenticate(self, request: Request) -> tuple[ActorUser, Actor]:
        """Return who asks; there is no anonymous asking."""
        try:
            actor = authenticate(request._request)
        except Unauthenticated as error:
            raise AuthenticationFailed(str(error)) from error
        return ActorUser(actor), actor

    def authenticate_header(self, request: Request) -> str:
        """Say how to authenticate, which makes a refusal 401."""
        return 'Bearer realm="samsyn"'


class DeclaredPermission(BasePermission):
    """A view names the permission word for each method in `required_permissions`; what it does not name is refused."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether the actor holds the word that the view names."""
        needed: str = getattr(view, "required_permissions", {}).get(request.method or "", "")
        return isinstance(request.auth, Actor) and bool(needed) and request.auth.may(needed)
