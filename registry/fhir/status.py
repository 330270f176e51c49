"""The only table from errors to HTTP statuses and issue codes on the FHIR door.

Standard: FHIR R4 http.html#Status-Codes, valueset-issue-type.html
"""

import logging
from dataclasses import dataclass

from django.db import OperationalError

from access.audit import UnrecordedAccess
from access.authentication import Unauthenticated
from registry.fhir import errors
from registry.fhir.errors import Rule
from registry.fhir.outcome import make_outcome
from registry.fhir.structure import Resource
from registry.matching import InvalidSearch
from registry.search import SearchTooBroad
from registry.visibility import RemovedStudy, UnknownStudy
from registry.wire.media_types import MalformedAccept, NotAcceptable
from registry.wire.request_body import BodyTooLarge, InvalidContentLength, TruncatedBody

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5

STATUS_OF: tuple[Rule, ...] = (
    (Unauthenticated, 401, "login"),
    (errors.Forbidden, 403, "forbidden"),
    (errors.DeletedResource, 410, "deleted"),
    (errors.UnknownResource, 404, "not-found"),
    (errors.ImpossibleInteraction, 405, "not-supported"),
    (errors.VersionConflict, 412, "conflict"),
    (errors.UnsupportedFormat, 415, "not-supported"),
    (errors.UnheldContent, 422, "business-rule"),
    (errors.MalformedResource, 400, "structure"),
    (errors.UnknownParameter, 400, "not-supported"),
    (errors.InvalidParameter, 400, "value"),
    (NotAcceptable, 406, "not-supported"),
    (MalformedAccept, 400, "value"),
    (RemovedStudy, 410, "deleted"),
    (UnknownStudy, 404, "not-found"),
    (InvalidSearch, 400, "value"),
    (SearchTooBroad, 422, "too-costly"),
    (BodyTooLarge, 413, "too-long"),
    (TruncatedBody, 400, "incomplete"),
    (UnrecordedAccess, 503, "transient"),
    (InvalidContentLength, 400, "value"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What to answer to an error."""

    status: int
    outcome: Resource
    headers: tuple[tuple[str, str], ...] = ()


def describe(error: Exception, own: tuple[Rule, ...] = ()) -> Problem:
    """Turn an error into an answer; `own` are the rules of the resource that was asked, tried first."""
    for kind, status, code in (*own, *STATUS_OF):
        if isinstance(error, kind):
            outcome = make_outcome("error", code, str(error), getattr(error, "expression", ""))
            return Problem(status, outcome, _headers_of(status))
    if isinstance(error, OperationalError):
        log.warning("database busy: %s", error)
        outcome = make_outcome("error", "transient", "the database is busy; nothing was kept, try again")
        return Problem(503, outcome, _headers_of(503))
    log.exception("unexpected error", exc_info=error)
    return Problem(500, make_outcome("fatal", "exception", "unexpected error; nothing was kept"))


def _headers_of(status: int) -> tuple[tuple[str, str], ...]:
    if status == 401:
        return (("WWW-Authenticate", 'Bearer realm="samsyn"'),)
    if status in (429, 503):
        return (("Retry-After", str(RETRY_AFTER_S)),)
    return ()
