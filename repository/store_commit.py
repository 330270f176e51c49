"""The one transaction of a store: rows, pack keys and the audit, or nothing."""

from collections.abc import Sequence, Set
from datetime import datetime
from functools import lru_cache

from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import CareUnit, Department
from access.rows import add
from access.source_policy import keeps_first
from registry import changes
from registry.conflicts import note_other_bytes
from registry.hops import note_hops
from registry.received import Outcome
from registry.register import Registration, register
from repository.models import Pack
from repository.open_packs import WrittenPack
from repository.rejection_notes import apply_rejection_notes, find_rejection_notes
from repository.store_result import PartResult


class StorageBusy(Exception):
    """The sweep was faster than this store: nothing is kept, the sender tries again."""


def commit_packs(
    written: list[WrittenPack],
    results: Sequence[PartResult],
    actor: Actor,
    door: str,
    path: Sequence[str] = (),
) -> dict[str, Registration]:
    """Register durable packs, their keys and the audit rows in one transaction.

    Parameters
    ----------
    results
        What is known of every part so far, for the audit.
    path
        Installations that the instances have passed before this one.

    Returns
    -------
    dict
        Registration by Study Instance UID; several packs of a study are merged.

    Raises
    ------
    StorageBusy
        The sweep condemned a pack first; nothing was registered.
    """
    written.sort(key=lambda pack: pack.received.study.study_instance_uid)
    department = source_department(actor)
    coerced = {r.sop_instance_uid for r in results if r.original_attributes and not r.is_duplicate}
    others = [(r.sop_instance_uid, r.other_sha256) for r in results if r.other_sha256]
    notes = find_rejection_notes(written)

    def work() -> dict[str, Registration]:
        by_study: dict[str, Registration] = {}
        for pack in written:
            registration = register(pack.received, department)
            _refuse_racing_coercions(registration, coerced)
            _keep_first(registration, actor)
            _write_pack_row(pack, registration)
            uid = pack.received.study.study_instance_uid
            earlier = by_study.get(uid)
            if earlier is not None:
                registration.outcomes.update(earlier.outcomes)
            by_study[uid] = registration
        if others:
            note_other_bytes(others, department.pk if department else None)
        apply_rejection_notes(notes, by_study, actor, door)
        note_hops({r.study_id for r in by_study.values() if r.study_id is not None and r.stored_any}, path)
        _audit(actor, results, by_study, door, path)
        return by_study

    return run_write(work)


def _refuse_racing_coercions(registration: Registration, coerced: Set[str]) -> None:
    """Have a coerced instance sent again that a racing store was faster with: only then it is known whether it is the
    same, for it was changed at another moment.
    """
    others = {uid for uid, outcome in registration.outcomes.items() if outcome is Outcome.OTHER_BYTES}
    if others & coerced:
        raise StorageBusy("an instance was stored by another request meanwhile; send the request again")


def _keep_first(registration: Registration, actor: Actor) -> None:
    """Let what a racing store was faster with be a warning, for a source that wants to be told so."""
    others = [uid for uid, outcome in registration.outcomes.items() if outcome is Outcome.OTHER_BYTES]
    if others and keeps_first(actor):
        registration.outcomes.update(dict.fromkeys(others, Outcome.FIRST_KEPT))


def source_department(actor: Actor) -> Department | None:
    """Return the source department with its keys only, as authentication has just read them."""
    scope = actor.scope
    if scope.department_id is None or scope.unit_id is None or scope.provider_id is None:
        return None
    return _department_with(scope.department_id, scope.unit_id, scope.provider_id)


@lru_cache(maxsize=1024)
def _department_with(department_id: int, unit_id: int, provider_id: int) -> Department:
    return Department(pk=department_id, unit=CareUnit(pk=unit_id, provider_id=provider_id))


def _write_pack_row(pack: WrittenPack, registration: Registration) -> None:
    now: datetime = timezone.now()
    state = Pack.LIVE if registration.stored_any else Pack.CONDEMNED
    key, study_instance_uid = pack.received.key, pack.received.study.study_instance_uid
    is_new = add(
        Pack,
        unless_known=True,
        key=key,
        state=state,
        size_bytes=pack.size_bytes,
        study_instance_uid=study_instance_uid,
        written_at=pack.received.received_at,
        condemned_at=None if state == Pack.LIVE else now,
    )
    if is_new:
        if state == Pack.CONDEMNED:
            changes.append("packs_condemned", study_instance_uid, {"keys": [key]})
        return
    if Pack.objects.values_list("state", flat=True).get(key=key) != state:
        # The sweep condemned it first: its bytes may be gone.
        raise StorageBusy("the pack was condemned while it was being stored; send the request again")


def _audit(
    actor: Actor,
    results: Sequence[PartResult],
    by_study: dict[str, Registration],
    door: str,
    path: Sequence[str],
) -> None:
    failed = sum(result.failure_reason is not None for result in results)
    for uid, registration in by_study.items():
        counts = {outcome.value: 0 for outcome in registration.outcomes.values()}
        for outcome in registration.outcomes.values():
            counts[outcome.value] += 1
        audit.record(
            actor,
            "store",
            outcome="success" if registration.accepted_any else "refused",
            door=door,
            study_instance_uid=uid,
            patient_id=registration.person_id,
            detail={
                "instances": counts,
                **_count_coerced(results, uid),
                **({"passed": list(path)} if path else {}),
            },
        )
    kept = [{"part": r.part_number, "uid": r.sop_instance_uid} for r in results if r.is_first_kept]
    if failed or kept or not by_study:
        refused = [
            {"part": r.part_number, "uid": r.sop_instance_uid, "reason": r.failure_reason}
            for r in results
            if r.failure_reason is not None
        ]
        duplicates = sum(result.is_duplicate for result in results)
        audit.record(
            actor,
            "store",
            outcome="refused" if failed else "success",
            door=door,
            detail={
                "refused": refused[:100],
                "refused_count": failed,
                "duplicates": duplicates,
                **({"first_kept": kept[:100], "first_kept_count": len(kept)} if kept else {}),
            },
        )


def _count_coerced(results: Sequence[PartResult], study_instance_uid: str) -> dict[str, int]:
    coerced = sum(
        r.original_attributes is not None for r in results if r.study_instance_uid == study_instance_uid
    )
    return {"coerced": coerced} if coerced else {}
