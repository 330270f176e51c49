"""The HTTP edge of SOAP: credential, permission, the message, then the transaction; every error is a fault.

Standard: IHE ITI TF-2x appendix V, W3C SOAP 1.2 part 2 7
"""

import errno
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access.actor import Actor
from access.audit import UnrecordedAccess
from access.authentication import Unauthenticated, authenticate
from registry.ihe.envelope import Envelope
from registry.ihe.faults import SoapFault, receiver_fault, sender_fault, unsupported_action
from registry.ihe.mtom import Attachment, Buffer, Keep, discard
from registry.ihe.soap import (
    RequestReader,
    SoapAnswer,
    SoapRequest,
    answer_fault,
    answer_package,
    answer_simple,
)
from registry.ihe.xml import Element
from registry.wire.request_body import RequestBody

log = logging.getLogger(__name__)

METADATA_BYTES = 16 << 20
RETRY_AFTER_S = (2, 8)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a transaction: who asks, what was sent, and where bytes go that are sent inline."""

    actor: Actor
    request: SoapRequest
    keep: Keep

    @property
    def body(self) -> Element:
        """The root element of the transaction."""
        return self.request.envelope.body

    @property
    def message_id(self) -> str:
        """What the answer relates to."""
        return self.request.envelope.message_id


@dataclass(frozen=True, slots=True)
class Operation:
    """One transaction at an address: its action, the element that it takes, and the permission that it needs."""

    action: str
    root: str
    permission: str
    handle: Callable[[Call], SoapAnswer]


@dataclass(frozen=True, slots=True)
class Attachments:
    """What a door does with documents: write them down, and take back what became nobody's."""

    keep: Keep
    take_back: Callable[[Attachment], None]


@dataclass(frozen=True, slots=True)
class Edge:
    """What a door adds: documents, the longest request, a place for an upload, and its own errors as statuses."""

    attachments: Attachments = Attachments(discard, lambda _: None)
    max_bytes: int = METADATA_BYTES
    place: Callable[[Actor], AbstractContextManager[None]] = lambda _: nullcontext()
    busy: tuple[tuple[type[Exception], int], ...] = ()


class NotPermitted(PermissionError):
    """The caller is known and lacks the permission for this transaction."""


def simple(handle: Callable[[Element, Actor], Element], action: str) -> Callable[[Call], SoapAnswer]:
    """Make an operation's handler of a function from body to body; the answer is one document."""

    def answer(call: Call) -> SoapAnswer:
        return answer_simple(action, call.message_id, handle(call.body, call.actor))

    return answer


def package(handle: Callable[[Call], Element], action: str) -> Callable[[Call], SoapAnswer]:
    """Make an operation's handler whose answer is MTOM without attachments."""

    def answer(call: Call) -> SoapAnswer:
        return answer_package(action, call.message_id, handle(call))

    return answer


def soap_view(operations: Sequence[Operation], edge: Edge | None = None) -> Any:
    """Make the view of one address."""
    by_action = {operation.action: operation for operation in operations}
    chosen = edge or Edge()

    def view(request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST":
            response = _respond(answer_fault(sender_fault("a SOAP message is sent by POST", status=405)))
            response.headers["Allow"] = "POST"
            return response
        return _Exchange(request, by_action, chosen).answer()

    view.csrf_exempt = True  # type: ignore[attr-defined]  # a page cannot send a SOAP message
    return view


class _Exchange:
    """One request and its answer, with what was kept of it so far."""

    def __init__(self, request: HttpRequest, operations: dict[str, Operation], edge: Edge) -> None:
        self._request = request
        self._operations = operations
        self._edge = edge
        self._kept: list[Attachment] = []
        self._reader: RequestReader | None = None

    def answer(self) -> HttpResponseBase:
        try:
            answer = self._call(authenticate(self._request))
        except Exception as error:  # noqa: BLE001 (the HTTP edge)
            message_id = self._reader.message_id if self._reader else ""
            answer = answer_fault(_make_fault(error, self._edge.busy), message_id)
        finally:
            for attachment in self._kept:
                self._edge.attachments.take_back(attachment)
        return _respond(answer)

    def _call(self, actor: Actor) -> SoapAnswer:
        words = {operation.permission for operation in self._operations.values()}
        if not any(actor.may(word) for word in words):
            raise NotPermitted(_say_missing(actor, " or ".join(sorted(words))))
        keep = self._keep if actor.may("store") else discard
        with self._edge.place(actor):
            body = RequestBody(self._request.META, max_bytes=self._edge.max_bytes)
            content_type = self._request.META.get("CONTENT_TYPE", "")
            self._reader = RequestReader(content_type, body, keep, lambda e: self._admit(actor, e))
            request = self._reader.read()
        return self._operations[request.envelope.action].handle(Call(actor, request, keep))

    def _admit(self, actor: Actor, envelope: Envelope) -> None:
        operation = self._operations.get(envelope.action)
        if operation is None:
            raise unsupported_action(envelope.action)
        if not actor.may(operation.permission):
            raise NotPermitted(_say_missing(actor, operation.permission))
        if envelope.body.tag != operation.root:
            raise sender_fault(f"the body holds {envelope.body.tag[:200]}, not {operation.root}")

    def _keep(self, pieces: Iterable[Buffer]) -> Attachment:
        attachment = self._edge.attachments.keep(pieces)
        self._kept.append(attachment)
        return attachment


def _say_missing(actor: Actor, permission: str) -> str:
    return f"{actor.subject} may not {permission} here: the token's scopes do not include it"


def _make_fault(error: Exception, busy: tuple[tuple[type[Exception], int], ...]) -> SoapFault:
    if isinstance(error, SoapFault):
        return error
    if isinstance(error, Unauthenticated):
        return sender_fault(str(error), status=401)
    if isinstance(error, NotPermitted):
        return sender_fault(str(error), status=403)
    for kind, status in busy:
        if isinstance(error, kind):
            return receiver_fault(str(error), status)
    if isinstance(error, UnrecordedAccess | OperationalError):
        log.warning("busy: %s", type(error).__name__)
        return receiver_fault("the server is busy; nothing of the request was kept, try again", 503)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return receiver_fault("the storage is full; nothing of the request was kept", 507)
    log.exception("unexpected error", exc_info=error)
    return receiver_fault("unexpected error; nothing of the request was kept")


def _respond(answer: SoapAnswer) -> HttpResponseBase:
    response: HttpResponseBase
    if answer.is_package:
        response = StreamingHttpResponse(
            answer.pieces, content_type=answer.content_type, status=answer.status
        )
    else:
        response = HttpResponse(
            b"".join(answer.pieces), content_type=answer.content_type, status=answer.status
        )
    response["Cache-Control"] = "no-store"
    if answer.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="samsyn"'
    if answer.status in (429, 503):
        response["Retry-After"] = str(random.randint(*RETRY_AFTER_S))  # noqa: S311 (spreads the retries)
    return response
