"""The queue of what could not be taken as it came: for the department that keeps the study."""

from django.db.models import Q, QuerySet

from access.actor import Actor
from registry.models import Conflict

KINDS = ("demographics", "no_identity", "other_bytes", "other_patient", "rebuilt")


class UnknownConflict(LookupError):
    """No such conflict, or none of a study that the actor's department keeps."""


def list_conflicts(
    actor: Actor, *, limit: int, before: int | None = None, kind: str = "", is_open: bool | None = None
) -> list[Conflict]:
    """Return the conflicts that the actor's department has to settle, newest first.

    Parameters
    ----------
    before : int, optional
        Only those with a smaller key: where the page before ended.
    is_open : bool, optional
        Only those that nobody has resolved, or only those that somebody has.
    """
    wanted = Q()
    if before is not None:
        wanted &= Q(pk__lt=before)
    if kind:
        wanted &= Q(kind=kind)
    if is_open is not None:
        wanted &= Q(resolved_at__isnull=is_open)
    return list(_own(actor).filter(wanted).order_by("-pk")[:limit])


def find_conflict(actor: Actor, pk: int) -> Conflict:
    """Return one conflict.

    Raises
    ------
    UnknownConflict
        There is none, or it is not the department's to settle.
    """
    conflict = _own(actor).filter(pk=pk).first()
    if conflict is None:
        raise UnknownConflict("no such conflict")
    return conflict


def _own(actor: Actor) -> QuerySet[Conflict]:
    rows = Conflict.objects.select_related("study", "department")
    if not actor.may("read"):
        return rows.none()
    if actor.scope.region_wide:
        return rows
    if actor.scope.department_id is None:
        return rows.none()
    return rows.filter(study__custodian=actor.scope.department_id)
