"""Who the patient is was settled otherwise after something had been delivered: every receiver is told.

Receivers of HL7 v2 get the merge as a message, and when it is undone a message that parts the two again. DICOM has no
way to say that a patient is another one: a system of images is told by the HL7 v2 system that its destination names
(`corrected_through`), as IHE RAD-12 has it. Everywhere else, and where a message is not taken, a person is asked to
put it right, on the list of open recalls.

Standard: IHE RAD TF-2 4.12 (Patient Update)
"""

from dataclasses import dataclass

from django.db.models import QuerySet

from access.database import database_now
from registry.models import Change, Destination, PatientMerge, Study
from registry.worklist import put_on_worklist
from repository.delivery.planning.planned import UNBEGUN, Planned, write_delivery
from repository.delivery.planning.recall_planning import OPEN_STATES, note_change
from repository.delivery.receivers.kinds import kind_of
from repository.models import Delivery, Recall, RecallReceipt

KIND = "correction"
CODE, MEANING = "IDENTITY", "The patient is another one than was delivered"
MERGED, UNDONE = "patients were found to be one", "patients were found not to be one"
MADE, PARTED = 1, 2
"""Generations: of a merge it is told first that it was made, then that it was undone."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A receiver that has to put the patient right: by a message that is planned, or by a person."""

    destination: Destination
    delivery: Delivery | None = None


def plan_correction(change: Change) -> set[str]:
    """Plan what receivers of a study are told of a merge; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    merge = PatientMerge.objects.filter(pk=change.detail["merge"]).first()
    study = Study.objects.filter(study_instance_uid=change.study_instance_uid).first()
    if merge is None or study is None:
        return set()
    is_undone = bool(change.detail.get("undone"))
    asked: list[_Asked] = []
    for destination in _who_received(study).select_related("department__unit").order_by("pk"):
        if kind_of(destination.url) == "worklist":
            put_on_worklist(destination.department, study, reason=UNDONE if is_undone else MERGED)
        elif is_undone:
            asked += _take_back(merge, study, destination)
        else:
            teller = _find_teller(destination)
            asked.append(_Asked(destination, _plan_message(merge, study, teller, MADE) if teller else None))
    _write_down(study, asked, UNDONE if is_undone else MERGED)
    may_go = any(each.delivery is not None and each.delivery.state == Delivery.READY for each in asked)
    return {"urgent"} if may_go else set()


def _who_received(study: Study) -> QuerySet[Destination]:
    delivered = Delivery.objects.filter(study=study, state=Delivery.DELIVERED).exclude(
        kind__in=(KIND, "recall")
    )
    return Destination.objects.filter(pk__in=delivered.values("destination"))


def _find_teller(destination: Destination) -> Destination | None:
    """Return the system of HL7 v2 by which a receiver is told: itself, or the one that it names."""
    if kind_of(destination.url) == "hl7v2":
        return destination
    named = Destination.objects.filter(
        department=destination.department_id, name=destination.corrected_through, active=True
    )
    teller = named.select_related("department__unit").first() if destination.corrected_through else None
    return teller if teller is not None and kind_of(teller.url) == "hl7v2" else None


def _plan_message(merge: PatientMerge, study: Study, teller: Destination, generation: int) -> Delivery:
    """Plan a message about a merge: once a receiver, however many of the patient's studies it has."""
    because = {"merge": merge.pk}
    planned = Planned(study, teller, KIND, generation, "urgent", subject=str(merge.pk), because=because)
    rows = Delivery.objects.filter(
        destination=teller, kind=KIND, subject=planned.subject, generation=generation
    )
    if not rows.exists():
        write_delivery(planned, [])
    return rows.order_by("pk")[0]


def _take_back(merge: PatientMerge, study: Study, destination: Destination) -> list[_Asked]:
    """Return who has to part the patients at a receiver; nobody where the merge was not told yet.

    A system of HL7 v2 that took the merge is told that the two are parted. A system behind it is not: images that have
    moved there to the other patient go back by no message.
    """
    teller = _find_teller(destination)
    if teller is None:
        return [_Asked(destination)]
    told = Delivery.objects.filter(
        destination=teller, kind=KIND, subject=str(merge.pk), generation=MADE
    ).first()
    if told is not None and told.state in UNBEGUN:
        Delivery.objects.filter(pk=told.pk).update(
            state=Delivery.WITHDRAWN, reason_code="merge_undone", reason="", ended_at=database_now()
        )
        return []
    if told is not None and told.reason_code == "merge_undone":
        return []
    if told is None or told.state in (Delivery.DEAD, Delivery.WITHDRAWN) or teller != destination:
        return [_Asked(destination)]
    return [_Asked(destination, _plan_message(merge, study, teller, PARTED))]


def _write_down(study: Study, asked: list[_Asked], reason: str) -> None:
    """Open what each receiver has to put right; what was asked before for the study is asked anew."""
    now = database_now()
    for earlier in Recall.objects.filter(study=study, removal=None, code_value=CODE, closed_at=None):
        Recall.objects.filter(pk=earlier.pk).update(closed_at=now)
        note_change(earlier)
    if not asked:
        return
    states = [_state_of(each) for each in asked]
    recall = Recall.objects.create(
        study=study,
        code_value=CODE,
        code_meaning=MEANING,
        reason=reason,
        made_by="registry",
        made_at=now,
        closed_at=None if set(OPEN_STATES) & set(states) else now,
    )
    RecallReceipt.objects.bulk_create(
        RecallReceipt(
            recall=recall,
            destination=each.destination,
            delivery=each.delivery,
            state=state,
            changed_at=now,
        )
        for each, state in zip(asked, states, strict=True)
    )
    note_change(recall)


def _state_of(asked: _Asked) -> str:
    if asked.delivery is None:
        return "task"
    return "acknowledged" if asked.delivery.state == Delivery.DELIVERED else "sending"
