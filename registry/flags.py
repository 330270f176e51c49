"""Marks on patients: protected identity, public person, colleague, opted out; and who is close to whom."""

from django.db import IntegrityError
from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from access.models import User
from registry.models import Patient, PatientFlag, Relative
from registry.noted import EndedEntry, InvalidEntry, note, require_right, require_text

KINDS = ("protected_1", "protected_2", "protected_3", "vip", "staff", "opted_out")
"""`protected_1` secrecy marking, `protected_2` protected registration, `protected_3` assumed identity."""
RIGHT_FOR = {"opted_out": "register_block"}
"""What a mark is set with; `review_access` for those not named."""


def set_flag(actor: Actor, patient: Patient, kind: str, *, source: str = "", door: str = "") -> PatientFlag:
    """Mark a patient.

    Parameters
    ----------
    source
        Who says so: a register, the patient, a department.

    Raises
    ------
    MissingRight
        Without `register_block` for `opted_out`, `review_access` for the others.
    EndedEntry
        The patient is marked so already.
    InvalidEntry
    """
    _require_flag_right(actor, patient.pk, kind, "flag_set", door)
    stated = require_text(source, "source", least=0, most=100)
    row = PatientFlag(
        patient=patient,
        kind=kind,
        source=stated,
        registered_by=actor.subject,
        registered_at=timezone.now(),
    )

    def work() -> PatientFlag:
        row.pk = None
        if PatientFlag.objects.filter(patient=patient, kind=kind, ended_at__isnull=True).exists():
            raise EndedEntry("the patient is marked so already")
        row.save(force_insert=True)
        note(actor, "flag_set", patient.pk, "flag", row, door=door, kind_of_flag=kind)
        return row

    try:
        return run_write(work)
    except IntegrityError as error:  # somebody else did it at the same moment
        raise EndedEntry("the patient is marked so already") from error


def end_flag(actor: Actor, flag: PatientFlag, *, door: str = "") -> PatientFlag:
    """Take a mark off.

    Raises
    ------
    MissingRight, EndedEntry
        As `set_flag`.
    """
    _require_flag_right(actor, flag.patient_id, flag.kind, "flag_end", door)

    def work() -> PatientFlag:
        rows = PatientFlag.objects.filter(pk=flag.pk, ended_at__isnull=True)
        if not rows.update(ended_at=timezone.now()):
            raise EndedEntry("the mark was taken off before")
        note(actor, "flag_end", flag.patient_id, "flag", flag, door=door, kind_of_flag=flag.kind)
        return PatientFlag.objects.get(pk=flag.pk)

    return run_write(work)


def add_relative(actor: Actor, patient: Patient, user: User, *, door: str = "") -> Relative:
    """Register that a person who works in the region is close to a patient: by the person, or by a head of unit.

    Raises
    ------
    MissingRight
        It is about somebody else, and the actor lacks `review_access`.
    EndedEntry
        It is registered already.
    """
    _require_relative_right(actor, patient.pk, user.pk, "relative_add", door)
    row = Relative(patient=patient, user=user, registered_at=timezone.now())

    def work() -> Relative:
        row.pk = None
        if Relative.objects.filter(patient=patient, user=user, ended_at__isnull=True).exists():
            raise EndedEntry("the two are registered as close already")
        row.save(force_insert=True)
        note(actor, "relative_add", patient.pk, "relative", row, door=door, user=user.username)
        return row

    try:
        return run_write(work)
    except IntegrityError as error:
        raise EndedEntry("the two are registered as close already") from error


def end_relative(actor: Actor, relative: Relative, *, door: str = "") -> Relative:
    """End what `add_relative` registered; only a head of unit does.

    Raises
    ------
    MissingRight, EndedEntry
    """
    require_right(actor, "review_access", "relative_end", relative.patient_id, door=door)

    def work() -> Relative:
        rows = Relative.objects.filter(pk=relative.pk, ended_at__isnull=True)
        if not rows.update(ended_at=timezone.now()):
            raise EndedEntry("it was ended before")
        note(actor, "relative_end", relative.patient_id, "relative", relative, door=door)
        return Relative.objects.get(pk=relative.pk)

    return run_write(work)


def _require_flag_right(actor: Actor, patient_id: int, kind: str, action: str, door: str) -> None:
    if kind not in KINDS:
        raise InvalidEntry(f"unknown mark {kind[:20]!r}; known are {', '.join(KINDS)}")
    require_right(actor, RIGHT_FOR.get(kind, "review_access"), action, patient_id, door=door)


def _require_relative_right(actor: Actor, patient_id: int, user_id: int, action: str, door: str) -> None:
    if actor.kind != "person" or actor.subject_id != user_id:
        require_right(actor, "review_access", action, patient_id, door=door)
