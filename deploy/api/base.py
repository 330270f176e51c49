"""What every view of the management API is: JSON, one actor, rights declared for each method, errors as statuses."""

import logging
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from access.actor import Actor
from access.audit import UnrecordedAccess
from access.rest import ActorAuthentication
from access.step_up import is_fresh
from registry.emergency import OwnOpening, StaleSecondFactor
from registry.fhir.consents.registering import keeper_of
from registry.merges import ImpossibleMerge, MergeStands, UnknownMerge
from registry.noted import EndedEntry, InvalidEntry, MissingRight, UnknownEntry
from registry.review.findings import OwnAccess
from registry.visibility import UnknownStudy
from repository.dicomweb.status import problem

log = logging.getLogger(__name__)
M = TypeVar("M")

DOOR = "api"
PERSON = "read"
"""The word for what any clinician may do; a system that reads for itself may not: it would learn who is a patient."""

STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (MissingRight, 403),
    (OwnOpening, 403),
    (OwnAccess, 403),
    (StaleSecondFactor, 403),
    (InvalidEntry, 400),
    (EndedEntry, 409),
    (ImpossibleMerge, 409),
    (MergeStands, 409),
    (UnknownEntry, 404),
    (UnknownStudy, 404),
    (UnknownMerge, 404),
    (UnrecordedAccess, 503),
)


class DeclaredWords(BasePermission):
    """A view names for each method the permission words of which one is needed; what it does not name is refused."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the actor holds one of the words."""
        words: tuple[str, ...] = getattr(view, "words", {}).get(request.method or "", ())
        actor = request.auth
        if not isinstance(actor, Actor):
            return False
        return any(actor.may(word) for word in words if word != PERSON or actor.kind == "person")


class ApiView(APIView):
    """A view of the management API; `words` are the permission words by method."""

    authentication_classes = (ActorAuthentication,)
    permission_classes = (DeclaredWords,)
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    words: ClassVar[dict[str, tuple[str, ...]]] = {}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Keep the person of the session: the framework puts who asks in its place."""
        self.session_user = getattr(request, "user", None)
        return super().initialize_request(request, *args, **kwargs)

    @property
    def actor(self) -> Actor:
        """Who asks; a system that keeps consents with the rights of its scope."""
        actor = self.request.auth
        if not isinstance(actor, Actor):
            raise exceptions.NotAuthenticated
        return keeper_of(actor)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], HttpResponseBase]:
        """Answer errors as every other API of the system does."""
        return answer_error

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Let nobody keep an answer."""
        answered = super().finalize_response(request, response, *args, **kwargs)
        answered.headers["Cache-Control"] = "private, no-store"
        return answered

    def check_second_factor(self) -> None:
        """Raise `StaleSecondFactor` unless the person showed a second factor just now; systems have none."""
        request = self.request._request
        shown, request.user = request.user, self.session_user  # type: ignore[assignment]
        is_shown = self.actor.kind != "person" or is_fresh(request)
        request.user = shown
        if not is_shown:
            raise StaleSecondFactor("show your second factor again, then repeat the request")


def answer_error(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Turn an error into a status and one sentence."""
    for kind, status in STATUS_OF:
        if isinstance(error, kind):
            return problem(status, str(error))
    if isinstance(error, exceptions.ValidationError):
        return problem(400, _first_sentence(error.detail))
    if isinstance(error, exceptions.APIException):
        return problem(error.status_code, str(error.detail))
    if isinstance(error, Http404):
        return problem(404, "no such resource")
    if isinstance(error, OperationalError):
        log.warning("database busy: %s", error)
        return problem(503, "the database is busy; nothing of the request was kept, try again")
    log.exception("unexpected error", exc_info=error)
    return problem(500, "unexpected error; nothing of the request was kept")


def read_body(form: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """Return what a body says, by a form that knows every field; a field that it does not know is refused."""
    return read_values(form, request.data)


def read_values(form: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
    """Return what a body or a query says, as `read_body` does."""
    filled = form(data=data)
    known = set(filled.fields)  # type: ignore[attr-defined]
    unknown = sorted(set(data) - known) if isinstance(data, dict) else []
    if unknown:
        raise InvalidEntry(f"unknown field {unknown[0][:40]!r}; known are {', '.join(sorted(known))}")
    filled.is_valid(raise_exception=True)
    values: dict[str, Any] = filled.validated_data
    return values


def answer(form: type[BaseSerializer[Any]], row: Any, actor: Actor, status: int = 200) -> Response:
    """Answer with one row."""
    return Response(form(row, context={"actor": actor}).data, status)


def answer_list(form: type[BaseSerializer[Any]], rows: Any, actor: Actor) -> Response:
    """Answer with rows, as `results`."""
    return Response({"results": form(rows, many=True, context={"actor": actor}).data})


def find(rows: "QuerySet[Any, M]", key: int) -> M:
    """Return one of the rows that the actor may act on; for all others, there or not, raise `UnknownEntry`."""
    row = rows.filter(pk=key).first() if key < 1 << 63 else None
    if row is None:
        raise UnknownEntry("no such resource")
    return row


def _first_sentence(detail: Any, path: str = "") -> str:
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return _first_sentence(inner, "" if name == "non_field_errors" else f"{path}{name}: ")
    if isinstance(detail, list):
        return _first_sentence(detail[0], path)
    return f"{path}{detail}"
