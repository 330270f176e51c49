"""Delete and reject: what a study, series or instance holds goes out of sight, recoverable for a time.

PS3.18 has no transaction for this; path and statuses are those that clients use with every server that has it.
"""

from django.http import HttpRequest, HttpResponse

from access.actor import Actor
from registry.remove import Target, delete, reject
from registry.removed import REJECTIONS, find_rejection

DOOR = "delete"


class UnknownRejectionCode(ValueError):
    """The code in the path is no reason for rejection."""


def delete_instances(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponse:
    """Delete a study, a series or an instance; 204 when it is done.

    Raises
    ------
    RemovalNotPermitted, RemovedStudy, UnknownStudy
    """
    delete(actor, Target(study, series, instance), door=DOOR, reason=_reason_of(request))
    return HttpResponse(status=204)


def reject_instances(
    request: HttpRequest,
    actor: Actor,
    study: str,
    code: str,
    series: str | None = None,
    instance: str | None = None,
) -> HttpResponse:
    """Reject a study, a series or an instance for the reason in the path, as `113001^DCM`; 204 when it is done.

    Raises
    ------
    UnknownRejectionCode, RemovalNotPermitted, RemovedStudy, UnknownStudy
    """
    value, _, scheme = code.partition("^")
    rejection = find_rejection(value, scheme)
    if rejection is None:
        known = ", ".join(f"{c.code_value}^{c.coding_scheme_designator}" for c in REJECTIONS)
        raise UnknownRejectionCode(f"{code[:80]} is no reason for rejection; use one of {known}")
    reject(actor, Target(study, series, instance), rejection, door=DOOR, reason=_reason_of(request))
    return HttpResponse(status=204)


def _reason_of(request: HttpRequest) -> str:
    """Return what the caller says about why, in the query: an extension that other servers pass over."""
    return request.GET.get("reason", "").replace("\0", "").strip()
