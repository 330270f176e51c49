"""Delete, reject and restore: who may, what is moved out of sight, and what is told about it.

Removing hides: bytes and rows stay for `REMOVAL_RETENTION_DAYS`, until then `restore` brings everything back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from registry import changes
from registry.models import Instance, Removal, Study
from registry.reading import permit_reading
from registry.recount import recount
from registry.rejection_note import RejectionNote
from registry.removed import RETENTION_EXPIRED, Code, bring_back, hide
from registry.visibility import explain_absence, explain_absence_in

UIDS_AT_ONCE = 500
STUDIES_OF_A_NOTE = 100


class RemovalNotPermitted(PermissionError):
    """The actor sees the study and may not remove anything from it."""


class UnrecoverableRemoval(LookupError):
    """Nothing of it can be brought back; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be removed: a study, a series of it, or one instance of that."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None


def delete(actor: Actor, target: Target, *, door: str, reason: str = "") -> Removal:
    """Delete what is there of a target.

    Raises
    ------
    RemovalNotPermitted
        It is not the actor's to remove; the attempt is in the access log.
    RemovedStudy
        It was removed before.
    UnknownStudy
        There is none, or the actor may not see it.
    """
    return _remove(actor, target, Removal.DELETE, None, door, reason)


def reject(actor: Actor, target: Target, code: Code, *, door: str, reason: str = "") -> Removal:
    """Reject what is there of a target for a coded reason; raises as `delete` does.

    Standard: IHE RAD TF-1 33 (Imaging Object Change Management)
    """
    return _remove(actor, target, Removal.REJECT, code, door, reason)


def apply_note(actor: Actor, note: RejectionNote, *, door: str) -> list[Removal]:
    """Reject what a stored rejection note refers to, in the transaction that stores the note.

    It counts for studies whose custodian sends it; what it says about others is recorded as refused, and all of
    it if it speaks of more than a hundred studies: a store holds everybody's lock. A note about expired retention
    goes out of sight with what it refers to, the others stay.

    Standard: IHE RAD TF-3 4.66
    """
    references: dict[str, list[str]] = {}
    for reference in note.references:
        references.setdefault(reference.study_instance_uid, []).append(reference.sop_instance_uid)
    if note.code.code_value == RETENTION_EXPIRED and note.study_instance_uid in references:
        references[note.study_instance_uid].append(note.sop_instance_uid)
    known = _find_known(sorted(references))
    if len(known) > STUDIES_OF_A_NOTE:
        detail = {"note": note.sop_instance_uid, "studies": len(known)}
        audit.record(actor, "reject", outcome="refused", door=door, detail=detail)
        return []
    removals = (_apply_to(actor, note, uid, references[uid], door) for uid in known)
    return [removal for removal in removals if removal is not None]


def _apply_to(
    actor: Actor, note: RejectionNote, study_instance_uid: str, sop_instance_uids: list[str], door: str
) -> Removal | None:
    study = Study.objects.select_for_update().get(study_instance_uid=study_instance_uid)
    if not _is_custodian(actor, study):
        _record(actor, study, "reject", door, {"note": note.sop_instance_uid}, outcome="refused")
        return None
    removal = _start(actor, study, Target(study_instance_uid), Removal.REJECT, note.code, "")
    removal.note_sop_instance_uid = note.sop_instance_uid
    removal.save()
    if _finish(actor, study, removal, _referenced(study, sop_instance_uids), door):
        return removal
    removal.delete()
    return None


def restore(actor: Actor, removal_id: int, *, door: str) -> Removal:
    """Bring back what a removal hides.

    Raises
    ------
    UnrecoverableRemoval
        There is no such removal, it was restored before, its time is over, its study belongs to another
        patient by now, or everything it hid was stored anew.
    """

    def work() -> Removal:
        found = Removal.objects.filter(pk=removal_id).values_list("study_id", flat=True).first()
        if found is None:
            raise UnrecoverableRemoval(f"there is no removal {removal_id}")
        study = Study.objects.select_for_update().get(pk=found)
        removal = Removal.objects.get(pk=removal_id)
        _check_recoverable(removal, study)
        count = bring_back(removal)
        if not count:
            raise UnrecoverableRemoval(f"all that removal {removal_id} hid was stored anew or is gone")
        now = timezone.now()
        removal.restored_by, removal.restored_at = actor.subject, now
        removal.save(update_fields=["restored_by", "restored_at"])
        recount(study)
        Study.objects.filter(pk=study.pk).update(quiet_due_at=now + timedelta(seconds=settings.QUIET_S))
        _tell(actor, study, removal, "instances_restored", "restore", door, count)
        return removal

    return run_write(work)


def _remove(actor: Actor, target: Target, kind: str, code: Code | None, door: str, reason: str) -> Removal:
    _check_permitted(actor, target, kind, door)

    def work() -> Removal:
        study = _lock(target.study_instance_uid)
        if study is None or not study.number_of_study_related_instances:
            raise explain_absence(actor, target.study_instance_uid)
        removal = _start(actor, study, target, kind, code, reason)
        removal.save()
        if not _finish(actor, study, removal, [_chosen(study, target)], door):
            raise explain_absence_in(study.pk, target.series_instance_uid, target.sop_instance_uid)
        return removal

    return run_write(work)


def _check_permitted(actor: Actor, target: Target, kind: str, door: str) -> None:
    if actor.may("delete") and _keeps(actor, target.study_instance_uid):
        return
    if not actor.may("delete") and not actor.may("read"):
        raise RemovalNotPermitted(
            f"{actor.subject} may not delete here: the token's scopes do not include it"
        )
    # For somebody who may not see it, a study that is there is as unknown as one that is not.
    study = Study.objects.get(pk=permit_reading(actor, target.study_instance_uid, door=door).pk)
    run_write(lambda: _record(actor, study, kind, door, {}, outcome="refused"))
    if not actor.may("delete"):
        raise RemovalNotPermitted(
            f"{actor.subject} may not delete here: the token's scopes do not include it"
        )
    raise RemovalNotPermitted(
        "this study is kept by another department; only its own systems may remove from it"
    )


def _keeps(actor: Actor, study_instance_uid: str) -> bool:
    """Tell whether the study is there and the actor's department its custodian."""
    rows = Study.objects.filter(study_instance_uid=study_instance_uid)
    if not actor.scope.region_wide:
        rows = rows.filter(custodian=actor.scope.department_id, custodian__isnull=False)
    return rows.exists()


def _is_custodian(actor: Actor, study: Study) -> bool:
    scope = actor.scope
    if scope.region_wide:
        return True
    return scope.department_id is not None and scope.department_id == study.custodian_id


def _lock(study_instance_uid: str) -> Study | None:
    return Study.objects.select_for_update().filter(study_instance_uid=study_instance_uid).first()


def _chosen(study: Study, target: Target) -> QuerySet[Instance]:
    rows = Instance.objects.filter(series__study=study)
    if target.series_instance_uid is not None:
        rows = rows.filter(series__series_instance_uid=target.series_instance_uid)
    if target.sop_instance_uid is not None:
        rows = rows.filter(sop_instance_uid=target.sop_instance_uid)
    return rows


def _referenced(study: Study, sop_instance_uids: list[str]) -> Iterable[QuerySet[Instance]]:
    for uids in _split(sorted(set(sop_instance_uids))):
        yield Instance.objects.filter(series__study=study, sop_instance_uid__in=uids)


def _find_known(study_instance_uids: list[str]) -> list[str]:
    """Return those of some studies that are there, in the order in which their rows are locked."""
    found: list[str] = []
    for uids in _split(study_instance_uids):
        rows = Study.objects.filter(study_instance_uid__in=uids)
        found += rows.values_list("study_instance_uid", flat=True)
    return sorted(found)


def _split(uids: list[str]) -> Iterable[list[str]]:
    return (uids[start : start + UIDS_AT_ONCE] for start in range(0, len(uids), UIDS_AT_ONCE))


def _start(actor: Actor, study: Study, target: Target, kind: str, code: Code | None, reason: str) -> Removal:
    now = timezone.now()
    return Removal(
        study=study,
        person_id=study.person_id,
        kind=kind,
        series_instance_uid=target.series_instance_uid or "",
        sop_instance_uid=target.sop_instance_uid or "",
        code_value=code.code_value if code else "",
        coding_scheme_designator=code.coding_scheme_designator if code else "",
        code_meaning=code.code_meaning if code else "",
        reason=reason[:400],
        instances=0,
        removed_by=actor.subject,
        removed_at=now,
        recoverable_until=now + timedelta(days=settings.REMOVAL_RETENTION_DAYS),
    )


def _finish(
    actor: Actor, study: Study, removal: Removal, chosen: Iterable[QuerySet[Instance]], door: str
) -> int:
    """Hide the chosen rows and tell about it; returns how many there were."""
    removal.instances = sum(hide(removal, rows) for rows in chosen)
    if removal.instances:
        removal.save(update_fields=["instances"])
        recount(study)
        _tell(actor, study, removal, "instances_removed", removal.kind, door, removal.instances)
    return removal.instances


def _check_recoverable(removal: Removal, study: Study) -> None:
    obstacle = ""
    if removal.restored_at is not None:
        obstacle = "was restored before"
    elif removal.recoverable_until <= timezone.now():
        obstacle = "is too old: its time to recover is over"
    elif removal.person_id != study.person_id:
        obstacle = "is of another patient than the study is of now"
    if obstacle:
        raise UnrecoverableRemoval(f"removal {removal.pk} {obstacle}")


def _tell(
    actor: Actor, study: Study, removal: Removal, change: str, action: str, door: str, count: int
) -> None:
    """Append to the change feed and the access log; the UIDs are the removal's items."""
    detail: dict[str, object] = {
        "removal": removal.pk,
        "kind": removal.kind,
        "code": removal.code_value,
        "series": removal.series_instance_uid,
        "instance": removal.sop_instance_uid,
        "note": removal.note_sop_instance_uid,
        "instances": count,
    }
    changes.append(change, study.study_instance_uid, detail)
    _record(actor, study, action, door, detail)


def _record(
    actor: Actor, study: Study, action: str, door: str, detail: dict[str, object], outcome: str = "success"
) -> None:
    audit.record(
        actor,
        action,
        outcome=outcome,
        door=door,
        study_instance_uid=study.study_instance_uid,
        patient_id=study.person_id,
        detail=detail,
    )
