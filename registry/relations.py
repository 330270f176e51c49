"""Care relations: why a unit, or one person, takes part in a patient's care; and the choices that people make.

What follows from orders, encounters, referrals and examinations is written where these are registered, in that
transaction; what a person declares or chooses is a transaction of its own.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from access.actor import Actor, Scope
from access.database import run_write
from access.models import CareUnit, User
from registry import changes
from registry.epochs import raise_patient_epoch
from registry.models import ActiveChoice, CareRelation, Encounter, Order, Participation, Patient, Study
from registry.noted import (
    EndedEntry,
    InvalidEntry,
    note,
    refuse,
    require_end,
    require_person,
    require_right,
    require_text,
)

PART_KINDS = ("ordered", "performed", "reported", "worklist")
ORDER_DAYS = 180
ENCOUNTER_DAYS = 30
REGISTRATION = Actor("duty", "registration", Scope(), frozenset())


def declare_relation(actor: Actor, patient: Patient, *, reason: str, door: str = "") -> CareRelation:
    """Let a person declare to take part in a patient's care: for that person, a day long, sampled for review.

    Raises
    ------
    MissingRight
        The actor is no person in care.
    InvalidEntry
        Without a reason, or where the person declared it already.
    """
    user_id, _ = require_person(actor, "relation_declare", patient.pk, door=door)
    require_right(actor, "read", "relation_declare", patient.pk, door=door)
    stated = require_text(reason, "reason", least=5, most=400)
    unit_id = _unit_of(actor)
    now = timezone.now()

    def work() -> CareRelation:
        row = CareRelation.objects.create(
            patient=patient,
            unit_id=unit_id,
            user_id=user_id,
            source="self_declared",
            reason=stated,
            valid_from=now,
            valid_to=now + timedelta(hours=settings.DECLARED_RELATION_HOURS),
            registered_by=actor.subject,
        )
        note(actor, "relation_declare", patient.pk, "relation", row, door=door, stated_reason=stated)
        return row

    return run_write(work)


def register_relation(
    actor: Actor,
    patient: Patient,
    unit: CareUnit,
    *,
    reason: str,
    valid_to: datetime,
    source: str = "referral",
    door: str = "",
) -> CareRelation:
    """Register by hand that the actor's own unit takes part in a patient's care: after a referral or at admission.

    Raises
    ------
    MissingRight
        Without `grant_consent`, or for another unit.
    InvalidEntry
    """
    require_right(actor, "grant_consent", "relation_register", patient.pk, door=door)
    if source not in ("referral", "admission"):
        raise InvalidEntry(
            f"a relation is registered by hand for a referral or an admission, not {source[:20]!r}"
        )
    if unit.pk != actor.scope.unit_id and not actor.scope.region_wide:
        refuse(actor, "relation_register", patient.pk, "the relation is of another care unit", door=door)
    now = timezone.now()
    row = CareRelation(
        patient=patient,
        unit=unit,
        source=source,
        reason=require_text(reason, "reason", least=5, most=400),
        valid_from=now,
        valid_to=require_end(valid_to, now, most=timedelta(days=settings.EXAMINATION_RELATION_DAYS)),
        registered_by=actor.subject,
    )

    def work() -> CareRelation:
        row.pk = None
        row.save(force_insert=True)
        note(
            actor,
            "relation_register",
            patient.pk,
            "relation",
            row,
            door=door,
            source=source,
            stated_reason=row.reason,
        )
        return row

    return run_write(work)


def end_relation(actor: Actor, relation: CareRelation, *, door: str = "") -> CareRelation:
    """End a relation of the actor's own unit, or the actor's own declaration.

    A later examination, order or encounter of the unit begins a new one.

    Raises
    ------
    MissingRight
        Of another unit; without `grant_consent` anything but the actor's own declaration.
    EndedEntry
    """
    is_own = actor.kind == "person" and relation.user_id is not None and relation.user_id == actor.subject_id
    if not is_own:
        require_right(actor, "grant_consent", "relation_end", relation.patient_id, door=door)
        if relation.unit_id != actor.scope.unit_id and not actor.scope.region_wide:
            refuse(
                actor, "relation_end", relation.patient_id, "the relation is of another care unit", door=door
            )

    def work() -> CareRelation:
        now = timezone.now()
        rows = CareRelation.objects.filter(pk=relation.pk, ended_at__isnull=True, valid_to__gt=now)
        if not rows.update(ended_at=now):
            raise EndedEntry("the relation has ended")
        note(actor, "relation_end", relation.patient_id, "relation", relation, door=door)
        return CareRelation.objects.get(pk=relation.pk)

    return run_write(work)


def choose_unit(
    actor: Actor, patient: Patient, unit: CareUnit, *, reason: str = "", door: str = ""
) -> ActiveChoice:
    """Let a person choose to read what another unit of the same provider holds of a patient, for a day.

    A system never chooses: that a person did is the point.

    Raises
    ------
    MissingRight
        The actor is no person in care, or the unit is another provider's.
    InvalidEntry
    """
    require_person(actor, "choice", patient.pk, door=door)
    if unit.provider_id != actor.scope.provider_id:
        message = "the unit belongs to another care provider: its data are read with consent, not by choice"
        refuse(actor, "choice", patient.pk, message, door=door)
    stated = require_text(reason, "reason", least=0, most=400)
    return _choose(actor, patient, unit, stated, "choice", door)


def give_reason(actor: Actor, patient: Patient, *, reason: str, door: str = "") -> ActiveChoice:
    """State why the data of a patient are read who asks for a reason: public person, colleague, relative.

    Raises
    ------
    MissingRight
        The actor is no person in care.
    InvalidEntry
        Without a reason.
    """
    require_person(actor, "reason_given", patient.pk, door=door)
    stated = require_text(reason, "reason", least=10, most=400)
    return _choose(actor, patient, None, stated, "reason_given", door)


def relate_from_order(order: Order, at: datetime | None = None) -> CareRelation | None:
    """Let the ordering unit take part in the patient's care; call it in the transaction that writes the order."""
    department = order.ordering_department
    if department is None:
        return None
    reason = f"order {order.accession_number or order.placer_order_number}"
    return _relate(order.patient_id, department.unit_id, "order", reason, ORDER_DAYS, at)


def relate_from_encounter(encounter: Encounter, at: datetime | None = None) -> CareRelation | None:
    """Let the admitting unit take part in the patient's care; call it in the transaction of the encounter.

    When the encounter has ended, what follows from it lasts as long again from there.
    """
    department = encounter.department
    if department is None:
        return None
    reason = f"encounter {encounter.number}"
    return _relate(encounter.patient_id, department.unit_id, "admission", reason, ENCOUNTER_DAYS, at)


def relate_from_referral(
    patient_id: int, unit_id: int, referral: str, at: datetime | None = None
) -> CareRelation:
    """Let the unit that received a referral take part in the care; call it in the transaction of the referral."""
    return _relate(patient_id, unit_id, "referral", f"referral {referral}", ORDER_DAYS, at)


def end_relation_of_order(order: Order) -> None:
    """End what followed from an order that was withdrawn; call it in the transaction of the order."""
    name = order.accession_number or order.placer_order_number
    _end_following(order.patient_id, "order", f"order {name}")
    _end_following(order.patient_id, "referral", f"referral {name}")


def end_relation_of_encounter(encounter: Encounter) -> None:
    """End what followed from an encounter that was cancelled; call it in the transaction of the encounter."""
    _end_following(encounter.patient_id, "admission", f"encounter {encounter.number}")


def note_participation(study: Study, user: User, kind: str) -> bool:
    """Note that a person took part in a study; False if it was known. Call it in the transaction of the event."""
    if kind not in PART_KINDS:
        raise InvalidEntry(f"unknown kind of participation {kind[:20]!r}; known are {', '.join(PART_KINDS)}")
    row, is_new = Participation.objects.get_or_create(
        study=study, user=user, kind=kind, defaults={"registered_at": timezone.now()}
    )
    if is_new:
        raise_patient_epoch(study.person_id)
        changes.append("participation", study.study_instance_uid, {"row": row.pk})
    return is_new


def _relate(
    patient_id: int, unit_id: int, source: str, reason: str, days: int, at: datetime | None
) -> CareRelation:
    """Write a relation that follows from something registered, or move the end of the one it began; no log row.

    What it follows from is in the log; that a unit takes part changes what it may see, so the epoch is raised.
    """
    now = at or timezone.now()
    valid_to = now + timedelta(days=days)
    same = CareRelation.objects.filter(
        patient=patient_id, unit=unit_id, source=source, reason=reason[:400], ended_at__isnull=True
    )
    row = same.order_by("-valid_to").first()
    if row is not None and row.valid_to > now:
        if valid_to - row.valid_to >= timedelta(days=1):
            CareRelation.objects.filter(pk=row.pk, valid_to__lt=valid_to).update(valid_to=valid_to)
            changes.append("relation", "", {"row": row.pk})
            row.refresh_from_db()
        return row
    row = CareRelation.objects.create(
        patient_id=patient_id,
        unit_id=unit_id,
        source=source,
        reason=reason[:400],
        valid_from=now,
        valid_to=valid_to,
        registered_by=REGISTRATION.subject,
    )
    raise_patient_epoch(patient_id)
    changes.append("relation", "", {"row": row.pk})
    return row


def _end_following(patient_id: int, source: str, reason: str) -> None:
    now = timezone.now()
    rows = CareRelation.objects.filter(
        patient=patient_id, source=source, reason=reason[:400], ended_at__isnull=True, valid_to__gt=now
    )
    for pk in list(rows.values_list("pk", flat=True)):
        CareRelation.objects.filter(pk=pk).update(ended_at=now)
        raise_patient_epoch(patient_id)
        changes.append("relation", "", {"row": pk})


def _choose(
    actor: Actor, patient: Patient, unit: CareUnit | None, stated: str, action: str, door: str
) -> ActiveChoice:
    now = timezone.now()

    def work() -> ActiveChoice:
        row = ActiveChoice.objects.create(
            patient=patient,
            assignment_id=actor.assignment_id or 0,
            unit=unit,
            reason=stated,
            valid_from=now,
            valid_to=now + timedelta(hours=settings.CHOICE_HOURS),
        )
        chosen = unit.hsa_id if unit else ""
        note(actor, action, patient.pk, "choice", row, door=door, unit=chosen, stated_reason=stated)
        return row

    return run_write(work)


def _unit_of(actor: Actor) -> int:
    if actor.scope.unit_id is None:
        raise InvalidEntry("the assignment is in no care unit")
    return actor.scope.unit_id
