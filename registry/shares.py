"""Shares: a study is granted to a department for a time; homes carry it into the lists of that department.

Basis `delivery` opens what was sent to a department to that department's systems, not to people. `reading` crosses to
another provider under an agreement to read on behalf, and ends with the report (`registry.commissions`).
"""

from datetime import datetime
from functools import cache

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from access.actor import Actor, Scope
from access.database import run_write
from access.models import Department
from access.prepared import Prepared, Slot, prepare
from access.rows import insert_many
from registry import changes
from registry.access_facts import DELIVERY, PRIOR, READING
from registry.commissions import days_after_final, end_of_reading
from registry.epochs import raise_patient_epoch
from registry.models import Home, Share, Study
from registry.noted import EndedEntry, InvalidEntry, note, refuse, require_end, require_right

BASES = ("referral", "consultation", "second_opinion", "transfer", READING, PRIOR)
HOME_COLUMNS = ("study", "department", "unit", "modality", "study_date", "study_time")
PLANNER = Actor("duty", "delivery planner", Scope(), frozenset())
EXPIRED_AT_ONCE = 500


class StudyInConflict(EndedEntry):
    """The study waits until a question about its patient is settled; it is not shared before."""


def share_study(
    actor: Actor,
    study: Study,
    department: Department,
    *,
    basis: str,
    valid_to: datetime | None = None,
    door: str = "",
) -> Share:
    """Share a study of the actor's own care unit with a department.

    Parameters
    ----------
    basis
        One of `BASES`: why the other department needs it.
    valid_to
        None for no end.

    Raises
    ------
    MissingRight
        Without `push`, or for a study that another unit keeps.
    StudyInConflict, InvalidEntry
    """
    require_shareable(actor, study, department, basis=basis, door=door)
    ends_at = None if valid_to is None else require_end(valid_to, timezone.now())
    return run_write(lambda: grant_share(actor, study, department, basis=basis, valid_to=ends_at, door=door))


def require_shareable(
    actor: Actor, study: Study, department: Department, *, basis: str, door: str = ""
) -> None:
    """Ask what has to be true before a study is shared; outside the transaction, so that a refusal is in the log.

    Raises
    ------
    MissingRight, InvalidEntry
        As `share_study` does.
    """
    require_right(actor, "push", "share", study.person_id, door=door)
    if basis not in BASES:
        raise InvalidEntry(f"unknown basis {basis[:20]!r}; known are {', '.join(BASES)}")
    _require_custodian(actor, study, "share", door)
    if study.custodian_id == department.pk:
        raise InvalidEntry("the study is at home in that department already")
    if basis == READING and not _may_read_for(study, department):
        raise InvalidEntry(
            "no agreement lets that department read on behalf of the provider that keeps the study"
        )


def grant_share(
    actor: Actor,
    study: Study,
    department: Department,
    *,
    basis: str,
    valid_to: datetime | None = None,
    door: str = "",
) -> Share:
    """Write a share that was found allowed; in a transaction.

    Raises
    ------
    StudyInConflict
    """
    current = Study.objects.get(pk=study.pk)
    if current.in_conflict:
        raise StudyInConflict("the study waits until a question about its patient is settled")
    now = timezone.now()
    ends = [valid_to, end_of_reading(current, department, now) if basis == READING else None]
    row = Share.objects.create(
        study=current,
        department=department,
        basis=basis,
        valid_from=now,
        valid_to=min((end for end in ends if end is not None), default=None),
        registered_by=actor.subject,
        registered_at=now,
    )
    _write_homes(current, [department.pk])
    note(
        actor,
        "share",
        current.person_id,
        "share",
        row,
        door=door,
        study_instance_uid=current.study_instance_uid,
        department=department.hsa_id,
        basis_of_share=basis,
    )
    return row


def withdraw_share(actor: Actor, share: Share, *, door: str = "") -> Share:
    """End a share; the department's lists lose the study unless something else gives it to them.

    Raises
    ------
    MissingRight
        Without `push`, or of a study that another unit keeps.
    EndedEntry
    """
    study = share.study
    require_right(actor, "push", "share_withdraw", study.person_id, door=door)
    _require_custodian(actor, study, "share_withdraw", door)

    def work() -> Share:
        now = timezone.now()
        if not Share.objects.filter(pk=share.pk, withdrawn_at__isnull=True).update(withdrawn_at=now):
            raise EndedEntry("the share was withdrawn before")
        _forget_homes(share, now)
        note(
            actor,
            "share_withdraw",
            study.person_id,
            "share",
            share,
            door=door,
            study_instance_uid=study.study_instance_uid,
        )
        return Share.objects.get(pk=share.pk)

    return run_write(work)


def share_by_delivery(study: Study, department: Department) -> bool:
    """Let a department's systems find what is being sent there; in the transaction that lets the delivery go.

    Returns
    -------
    bool
        False where there is such a share already, or the systems stand in the custodian's unit anyway.
    """
    custodian = study.custodian
    if custodian is not None and custodian.unit_id == department.unit_id:
        return False
    now = timezone.now()
    known = Share.objects.filter(
        study=study, department=department, basis=DELIVERY, withdrawn_at__isnull=True
    )
    if known.exists():
        return False
    row = Share.objects.create(
        study=study,
        department=department,
        basis=DELIVERY,
        valid_from=now,
        registered_by=PLANNER.subject,
        registered_at=now,
    )
    if not study.in_conflict:
        _write_homes(study, [department.pk])
    raise_patient_epoch(study.person_id)
    changes.append("share", study.study_instance_uid, {"row": row.pk})
    return True


def write_shared_homes(study: Study) -> None:
    """Let the lists of every department that a study is shared with say what the study says; in a transaction.

    Call it where modalities may have come, and where a study begins or ends to be in conflict: one in conflict is
    at home with its custodian alone.
    """
    departments = [key for (key,) in _shared_with().fetch(study=study.pk, now=timezone.now())]
    if not departments:
        return
    if study.in_conflict:
        Home.objects.filter(study=study, department__in=departments, unit=None).exclude(
            department=study.custodian_id
        ).delete()
    else:
        _write_homes(study, sorted(set(departments)))


def forget_expired_homes() -> int:
    """Take the homes of shares that have ended out of the lists; a duty. Returns how many rows went.

    They open nothing: lists hold every row against the share. It keeps the lists short.
    """
    now = timezone.now()
    lasting = Share.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        study=OuterRef("study"),
        department=OuterRef("department"),
        withdrawn_at__isnull=True,
    )
    ended = Share.objects.filter(
        study=OuterRef("study"), department=OuterRef("department"), valid_to__lte=now
    )
    custodians = Study.objects.filter(pk=OuterRef("study"), custodian=OuterRef("department"))
    rows = Home.objects.filter(Exists(ended), ~Exists(lasting), ~Exists(custodians), unit=None)
    keys = list(rows.values_list("pk", flat=True)[:EXPIRED_AT_ONCE])
    if not keys:
        return 0
    return run_write(lambda: Home.objects.filter(pk__in=keys).delete()[0])


@cache
def _shared_with() -> Prepared:
    lasts = Q(valid_to__isnull=True) | Q(valid_to__gt=Slot("now"))
    rows = Share.objects.filter(lasts, study=Slot("study"), withdrawn_at__isnull=True)
    return prepare(rows.values_list("department_id"))


def _write_homes(study: Study, department_ids: list[int]) -> None:
    rows = [
        (study.pk, department_id, None, modality, study.study_date, study.study_time)
        for department_id in department_ids
        for modality in study.modalities_in_study or [""]
    ]
    insert_many(Home, HOME_COLUMNS, rows)


def _forget_homes(share: Share, now: datetime) -> None:
    lasts = Q(valid_to__isnull=True) | Q(valid_to__gt=now)
    others = Share.objects.filter(
        lasts, study=share.study_id, department=share.department_id, withdrawn_at__isnull=True
    )
    if share.study.custodian_id != share.department_id and not others.exists():
        Home.objects.filter(study=share.study_id, department=share.department_id, unit=None).delete()


def _may_read_for(study: Study, department: Department) -> bool:
    custodian = study.custodian.unit if study.custodian else None
    if custodian is not None and custodian.provider_id == department.unit.provider_id:
        return True
    return days_after_final(custodian, department.unit) is not None


def _require_custodian(actor: Actor, study: Study, action: str, door: str) -> None:
    custodian = study.custodian
    is_own = custodian is not None and custodian.unit_id == actor.scope.unit_id
    if not is_own and not actor.scope.region_wide:
        refuse(actor, action, study.person_id, "the study is kept by another care unit", door=door)
