"""The queue of what could not be taken as it came: for the department that keeps the study."""

from collections.abc import Sequence

from django.db.models import Q, QuerySet

from access.actor import Actor
from registry.models import Conflict, Instance

_AT_ONCE = 500
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


def note_other_bytes(sent: Sequence[tuple[str, bytes]], department_id: int | None) -> None:
    """Queue what came with another content under a known SOP Instance UID, at the study that holds the first version.

    Call in a write transaction. The same bytes again of the same department while the first entry waits are no
    second conflict: a sender may repeat itself for days.

    Parameters
    ----------
    sent
        SOP Instance UID and SHA-256 of what came.
    department_id : int or None
        The sender's.
    """
    for start in range(0, len(sent), _AT_ONCE):
        _note(dict.fromkeys(sent[start : start + _AT_ONCE]), department_id)


def _note(sent: dict[tuple[str, bytes], None], department_id: int | None) -> None:
    uids = {uid for uid, _ in sent}
    rows = Instance.objects.filter(sop_instance_uid__in=uids)
    holders = dict(rows.values_list("sop_instance_uid", "series__study_id"))
    waiting = Conflict.objects.filter(
        kind="other_bytes", sop_instance_uid__in=uids, department=department_id, resolved_at=None
    )
    known = {(uid, detail.get("sha256")) for uid, detail in waiting.values_list("sop_instance_uid", "detail")}
    Conflict.objects.bulk_create(
        Conflict(
            kind="other_bytes",
            study_id=holders[uid],
            department_id=department_id,
            sop_instance_uid=uid,
            detail={"sha256": sha256.hex()},
        )
        for uid, sha256 in sent
        if uid in holders and (uid, sha256.hex()) not in known
    )
