"""Emergency openings: two active steps, one patient, one person, one assignment, a few hours; every one reviewed.

Step one names the care providers that hold more than the person may see. Step two opens the data. Each step is a
row of its own in the access log; the second tells the head of the unit at once. While the log cannot be written
both steps go to its spool, and open what the own unit keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import CareProvider, User
from registry.models import EmergencyOpening, EmergencyReview, Patient, Study
from registry.noted import (
    EndedEntry,
    InvalidEntry,
    UnknownEntry,
    note,
    refuse,
    require_person,
    require_right,
    require_text,
)
from registry.notices import EMERGENCY_OPENING, tell_head
from registry.visibility import decide_studies

REASON_CODES = ("danger_to_life", "serious_risk", "unconscious", "confused", "other")
LEAST_REASON_CHARACTERS = 10
HOURS = (1, 2, 4, 8)
STEP_TWO_WITHIN = timedelta(minutes=30)
REVIEW_WITHIN = timedelta(days=7)
VERDICTS = ("justified", "question", "misuse")


class StaleSecondFactor(PermissionError):
    """The second factor was not shown just now; a check passed to `open_patient` raises it."""


class OwnOpening(PermissionError):
    """Nobody reviews an opening of their own."""


@dataclass(frozen=True, slots=True)
class Located:
    """What step one found: the opening to go on with, and the providers that hold more, by name."""

    opening: EmergencyOpening
    providers: tuple[CareProvider, ...]


def locate(actor: Actor, patient: Patient, *, reason_code: str, reason: str, door: str = "") -> Located:
    """Take step one: name the care providers that hold more of the patient than the person may see.

    Blocks are not spoken of: a provider is named whether a block, a missing consent or a missing relation closes
    what it holds. What an emergency does not open (an absolute block, an opt-out) is not named. While the access log
    cannot be written the own provider is named for what the own unit keeps: only an opening shows that then.

    Raises
    ------
    MissingRight
        The actor is no person in care, or lacks `break_glass`.
    InvalidEntry
        The code is unknown, or the reason has fewer than ten characters.
    """
    user_id, assignment_id = require_person(actor, "emergency_locate", patient.pk, door=door)
    require_right(actor, "break_glass", "emergency_locate", patient.pk, door=door)
    if reason_code not in REASON_CODES:
        raise InvalidEntry(f"unknown reason {reason_code[:20]!r}; known are {', '.join(REASON_CODES)}")
    stated = require_text(reason, "reason", least=LEAST_REASON_CHARACTERS)
    providers = _holders_of_more(actor, patient)
    now = timezone.now()

    def work() -> EmergencyOpening:
        row = EmergencyOpening.objects.create(
            patient=patient,
            user_id=user_id,
            assignment_id=assignment_id,
            reason_code=reason_code,
            reason=stated,
            located_at=now,
            ends_at=now + STEP_TWO_WITHIN,
        )
        note(
            actor,
            "emergency_locate",
            patient.pk,
            "opening",
            row,
            door=door,
            may_spool=True,
            reason_code=reason_code,
            stated_reason=stated,
            providers=[provider.hsa_id for provider in providers],
        )
        return row

    return Located(run_write(work), providers)


def open_patient(
    actor: Actor,
    opening: EmergencyOpening,
    *,
    check_second_factor: Callable[[], None],
    hours: int | None = None,
    door: str = "",
) -> EmergencyOpening:
    """Take step two: open the patient's data to this person under this assignment.

    Parameters
    ----------
    check_second_factor
        Raises `StaleSecondFactor` unless the person showed a second factor just now.
    hours
        1, 2, 4 or 8; what the region has set when None.

    Raises
    ------
    MissingRight
        The opening is another person's or assignment's, or the actor lacks `break_glass`.
    StaleSecondFactor
    EndedEntry
        Step one is too long ago, or step two was taken before.
    InvalidEntry
        Other hours.
    """
    patient_id = opening.patient_id
    pair = require_person(actor, "emergency_open", patient_id, door=door)
    require_right(actor, "break_glass", "emergency_open", patient_id, door=door)
    if pair != (opening.user_id, opening.assignment_id):
        refuse(actor, "emergency_open", patient_id, "the opening is another person's", door=door)
    length = settings.EMERGENCY_HOURS if hours is None else hours
    if length not in HOURS:
        raise InvalidEntry(f"an opening lasts {', '.join(map(str, HOURS))} hours, not {length}")
    check_second_factor()
    now = timezone.now()

    def work() -> EmergencyOpening:
        rows = EmergencyOpening.objects.filter(
            pk=opening.pk, opened_at__isnull=True, closed_at__isnull=True, ends_at__gt=now
        )
        if not rows.update(opened_at=now, ends_at=now + timedelta(hours=length)):
            raise EndedEntry("step one is too long ago, or the opening was made before: begin again")
        note(actor, "emergency_open", patient_id, "opening", opening, door=door, may_spool=True, hours=length)
        if actor.scope.unit_id is not None:
            tell_head(EMERGENCY_OPENING, actor.scope.unit_id, patient_id, f"opening:{opening.pk}", now)
        return EmergencyOpening.objects.get(pk=opening.pk)

    return run_write(work)


def close_now(actor: Actor, opening: EmergencyOpening, *, door: str = "") -> EmergencyOpening:
    """Close an opening before its time is over: by the person, or by the head of the person's unit.

    Raises
    ------
    MissingRight
        It is another person's, and the actor does not review that unit.
    EndedEntry
    """
    patient_id = opening.patient_id
    is_own = actor.kind == "person" and actor.subject_id == opening.user_id
    if not is_own and not _reviews_unit_of(actor, opening):
        refuse(actor, "emergency_close", patient_id, "the opening is another person's", door=door)

    def work() -> EmergencyOpening:
        now = timezone.now()
        rows = EmergencyOpening.objects.filter(pk=opening.pk, closed_at__isnull=True, ends_at__gt=now)
        if not rows.update(closed_at=now):
            raise EndedEntry("the opening has ended")
        note(actor, "emergency_close", patient_id, "opening", opening, door=door, may_spool=True)
        return EmergencyOpening.objects.get(pk=opening.pk)

    return run_write(work)


def active_opening(actor: Actor, patient: Patient) -> EmergencyOpening | None:
    """Return the opening under which the actor reads a patient now; a banner says until when."""
    if actor.kind != "person":
        return None
    rows = EmergencyOpening.objects.filter(
        patient=patient,
        user=actor.subject_id,
        assignment=actor.assignment_id,
        opened_at__isnull=False,
        closed_at__isnull=True,
        ends_at__gt=timezone.now(),
    )
    return rows.order_by("-ends_at").first()


def list_unreviewed(actor: Actor, *, overdue_only: bool = False) -> list[EmergencyOpening]:
    """Return the openings of the actor's unit that nobody has reviewed, oldest first; nothing without the right.

    All of them, also those of which only step one was taken: that named where the patient was in care.
    """
    rows = _of_unit(actor).filter(~Exists(EmergencyReview.objects.filter(opening=OuterRef("pk"))))
    if overdue_only:
        rows = rows.filter(located_at__lt=timezone.now() - REVIEW_WITHIN)
    return list(rows.order_by("located_at"))


def find_opening(actor: Actor, opening_id: int) -> EmergencyOpening:
    """Return an opening that is the actor's own or of a unit that the actor reviews.

    Raises
    ------
    UnknownEntry
    """
    opening = EmergencyOpening.objects.select_related(*_RELATED).filter(pk=opening_id).first()
    if opening is not None:
        if actor.kind == "person" and opening.user_id == actor.subject_id:
            return opening
        if _reviews_unit_of(actor, opening):
            return opening
    raise UnknownEntry("no such opening")


def review_opening(
    actor: Actor, opening: EmergencyOpening, *, verdict: str, text: str = "", door: str = ""
) -> EmergencyReview:
    """Write what was found about an opening; the newest review counts.

    Raises
    ------
    OwnOpening
        The reviewer made it.
    MissingRight
        Without `review_access` in the unit of the assignment under which it was made.
    InvalidEntry
        Unknown verdict; `question` and `misuse` without a text.
    """
    patient_id = opening.patient_id
    require_right(actor, "review_access", "emergency_review", patient_id, door=door)
    if actor.kind != "person" or actor.subject_id is None or not _reviews_unit_of(actor, opening):
        refuse(actor, "emergency_review", patient_id, "the opening was made in another care unit", door=door)
    if _is_same_person(actor, opening):
        raise OwnOpening("an opening is reviewed by somebody else than the person who made it")
    if verdict not in VERDICTS:
        raise InvalidEntry(f"unknown verdict {verdict[:20]!r}; known are {', '.join(VERDICTS)}")
    stated = require_text(text, "text", least=0 if verdict == "justified" else 10)

    def work() -> EmergencyReview:
        row = EmergencyReview.objects.create(
            opening=opening,
            verdict=verdict,
            text=stated,
            reviewer_id=actor.subject_id or 0,
            reviewed_at=timezone.now(),
        )
        note(
            actor,
            "emergency_review",
            patient_id,
            "opening_review",
            row,
            door=door,
            opening=f"opening:{opening.pk}",
            verdict=verdict,
        )
        return row

    return run_write(work)


_RELATED = ("user", "assignment__department__unit", "patient")


def _holders_of_more(actor: Actor, patient: Patient) -> tuple[CareProvider, ...]:
    studies = list(
        Study.objects.filter(person=patient, number_of_study_related_instances__gt=0).select_related(
            "custodian__unit__provider"
        )
    )
    decisions = decide_studies(actor, studies)
    shut_unit = None if audit.can_record() else actor.scope.unit_id
    found = {
        study.custodian.unit.provider
        for study in studies
        if study.custodian is not None
        and (
            decisions[study.pk].effect == "needs"
            or (decisions[study.pk].permits and study.custodian.unit_id == shut_unit)
        )
    }
    return tuple(sorted(found, key=lambda provider: provider.name))


def _of_unit(actor: Actor) -> QuerySet[EmergencyOpening]:
    rows = EmergencyOpening.objects.select_related(*_RELATED)
    if not actor.may("review_access") or actor.scope.unit_id is None:
        return rows.none()
    return rows.filter(assignment__department__unit=actor.scope.unit_id)


def _reviews_unit_of(actor: Actor, opening: EmergencyOpening) -> bool:
    unit_id = opening.assignment.department.unit_id
    return actor.may("review_access") and actor.scope.unit_id == unit_id


def _is_same_person(actor: Actor, opening: EmergencyOpening) -> bool:
    """Tell whether reviewer and opener are one person, also with two accounts."""
    if actor.subject_id == opening.user_id:
        return True
    number = opening.user.national_number
    reviewer = User.objects.filter(pk=actor.subject_id or 0).first()
    return bool(number) and reviewer is not None and reviewer.national_number == number
