"""Send now: a person sends a patient's images, reports and relevant priors to a department at once.

It shares what is sent with the people of that department (basis `transfer`), and for some days what still arrives
follows. What becomes of it is planned from the change feed, as every delivery is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import CareProvider, Department
from registry import changes
from registry.models import Patient, SendRequest, Study
from registry.noted import EndedEntry, InvalidEntry, require_right, require_text
from registry.shares import grant_share, require_shareable, withdraw_share

WANTS = ("images", "sr", "key_images", "priors", "request", "report")
PRIORITIES = ("urgent", "normal")
FOLLOW_DAYS = 7
MOST_FOLLOW_DAYS = 90
BASIS = "transfer"


@dataclass(frozen=True, slots=True)
class Sending:
    """What a person asked for; `follow_days` is how long what still arrives goes as well."""

    department: Department
    reason: str
    priority: str = "urgent"
    wants: tuple[str, ...] = WANTS
    follow_days: int = FOLLOW_DAYS


def receiving_departments() -> QuerySet[Department]:
    """Return the departments that get what is sent to their care provider as such."""
    own = CareProvider.objects.filter(received_by=OuterRef("pk"), pk=OuterRef("unit__provider"))
    rows = Department.objects.filter(Exists(own)).select_related("unit__provider")
    return rows.order_by("unit__provider__name", "pk")


def department_of(provider: CareProvider) -> Department:
    """Return the department that gets what is sent to a care provider: the one that it names, or its only one.

    Raises
    ------
    InvalidEntry
        It has several and names none.
    """
    named = receiving_departments().filter(unit__provider=provider.pk).first()
    if named is not None:
        return named
    departments = list(
        Department.objects.filter(unit__provider=provider.pk).select_related("unit__provider")[:2]
    )
    if len(departments) != 1:
        raise InvalidEntry(
            "the care provider has not said which of its departments receives; name a department"
        )
    return departments[0]


def send_study(actor: Actor, study: Study, sending: Sending, *, door: str = "") -> SendRequest:
    """Send one study of the actor's own care unit, with what belongs to it.

    Raises
    ------
    MissingRight
        Without `push`, or for a study that another unit keeps.
    StudyInConflict, InvalidEntry
    """
    checked = _check(sending)
    require_shareable(actor, study, checked.department, basis=BASIS, door=door)
    return run_write(lambda: _send(actor, study.person, [study], checked, study=study, door=door))


def send_patient(actor: Actor, patient: Patient, sending: Sending, *, door: str = "") -> SendRequest:
    """Send all studies of a patient that the actor's own care unit keeps and that can be shared.

    Studies of other units are theirs to share; where they may be shown to the receiver they go as priors.

    Raises
    ------
    MissingRight
        Without `push`.
    InvalidEntry
        Also where the unit keeps no study of the patient.
    """
    checked = _check(sending)
    require_right(actor, "push", "send_now", patient.pk, door=door)
    studies = list(_own_studies(actor, patient).exclude(custodian=checked.department))
    if not studies:
        raise InvalidEntry("the unit keeps no study of this patient that could be sent")
    for study in studies:
        require_shareable(actor, study, checked.department, basis=BASIS, door=door)
    return run_write(lambda: _send(actor, patient, studies, checked, study=None, door=door))


def withdraw_sending(actor: Actor, request: SendRequest, *, door: str = "") -> SendRequest:
    """Stop what has not gone yet, and end the shares; what has arrived stays with its receiver.

    Raises
    ------
    MissingRight
        Without `push`, or of a study that another unit keeps.
    EndedEntry
    """
    require_right(actor, "push", "send_withdraw", request.patient_id, door=door)
    for share in request.shares.filter(withdrawn_at=None).select_related("study__custodian", "department"):
        withdraw_share(actor, share, door=door)

    def work() -> SendRequest:
        now = timezone.now()
        if not SendRequest.objects.filter(pk=request.pk, withdrawn_at=None).update(withdrawn_at=now):
            raise EndedEntry("the sending was withdrawn before")
        changes.append("send", _uid_of(request), {"request": request.pk})
        audit.record(
            actor,
            "send_withdraw",
            door=door,
            patient_id=request.patient_id,
            study_instance_uid=_uid_of(request),
            detail={"row": f"send:{request.pk}"},
        )
        return SendRequest.objects.get(pk=request.pk)

    return run_write(work)


def requests_that_follow(study: Study) -> QuerySet[SendRequest]:
    """Return the sendings that a study belongs to now: its own, and its patient's from the unit that keeps it."""
    unit = study.custodian.unit_id if study.custodian else None
    of_patient = Q(study=None, patient=study.person_id, sent_from__unit=unit)
    rows = SendRequest.objects.filter(Q(study=study.pk) | of_patient, withdrawn_at=None)
    return rows.filter(follows_until__gt=timezone.now()).exclude(department=study.custodian_id).order_by("pk")


def share_what_follows(study: Study, request: SendRequest, actor: Actor) -> None:
    """Share a study that came after its patient was sent; in the transaction that plans it."""
    if study.in_conflict or request.shares.filter(study=study.pk).exists():
        return
    share = grant_share(actor, study, request.department, basis=BASIS)
    request.shares.add(share)


def _check(sending: Sending) -> Sending:
    if sending.priority not in PRIORITIES:
        raise InvalidEntry(
            f"unknown priority {sending.priority[:20]!r}; what is sent now is {' or '.join(PRIORITIES)}"
        )
    unknown = sorted(set(sending.wants) - set(WANTS))
    if unknown:
        raise InvalidEntry(f"unknown content {unknown[0][:20]!r}; known are {', '.join(WANTS)}")
    if not sending.wants:
        raise InvalidEntry("nothing is wanted: name at least one kind of content")
    if not 0 <= sending.follow_days <= MOST_FOLLOW_DAYS:
        raise InvalidEntry(f"what arrives can follow for 0 to {MOST_FOLLOW_DAYS} days")
    reason = require_text(sending.reason, "the reason", least=3, most=400)
    return Sending(
        sending.department, reason, sending.priority, _in_order(sending.wants), sending.follow_days
    )


def _in_order(wants: Collection[str]) -> tuple[str, ...]:
    return tuple(want for want in WANTS if want in wants)


def _own_studies(actor: Actor, patient: Patient) -> QuerySet[Study]:
    kept = Study.objects.filter(person=patient.pk, in_conflict=False, number_of_study_related_instances__gt=0)
    if not actor.scope.region_wide:
        kept = kept.filter(custodian__unit=actor.scope.unit_id)
    return kept.select_related("custodian__unit").order_by("pk")


def _send(
    actor: Actor, patient: Patient, studies: list[Study], sending: Sending, *, study: Study | None, door: str
) -> SendRequest:
    now = timezone.now()
    request = SendRequest.objects.create(
        study=study,
        patient=patient,
        department=sending.department,
        reason=sending.reason,
        priority=sending.priority,
        wants=list(sending.wants),
        sent_by=actor.subject,
        sent_from_id=actor.scope.department_id,
        sent_at=now,
        follows_until=now + timedelta(days=sending.follow_days),
    )
    request.shares.set(
        [grant_share(actor, each, sending.department, basis=BASIS, door=door) for each in studies]
    )
    changes.append("send", _uid_of(request), {"request": request.pk})
    audit.record(
        actor,
        "send_now",
        door=door,
        patient_id=patient.pk,
        study_instance_uid=_uid_of(request),
        detail={
            "row": f"send:{request.pk}",
            "department": sending.department.hsa_id,
            "studies": len(studies),
            "reason": sending.reason,
        },
    )
    return request


def _uid_of(request: SendRequest) -> str:
    return request.study.study_instance_uid if request.study else ""
