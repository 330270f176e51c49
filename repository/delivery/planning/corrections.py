"""Who the patient is was settled otherwise after something had been delivered: every receiver is told.

Receivers of HL7 v2 get the merge as a message. No standard lets a system of images be told that a patient is another
one, so there a person is asked to put it right, on the list of open recalls. A merge that is undone is a task as well.
"""

from django.db.models import QuerySet

from access.database import database_now
from registry.models import Change, Destination, PatientMerge, Study
from registry.worklist import put_on_worklist
from repository.delivery.planning.planned import Planned, write_delivery
from repository.delivery.planning.recall_planning import note_change
from repository.delivery.receivers.kinds import kind_of
from repository.models import Delivery, Recall, RecallReceipt

KIND = "correction"
CODE, MEANING = "IDENTITY", "The patient is another one than was delivered"
MERGED, UNDONE = "patients were found to be one", "patients were found not to be one"


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
    priorities: set[str] = set()
    asked: list[Destination] = []
    for destination in _who_received(study).select_related("department__unit").order_by("pk"):
        kind = kind_of(destination.url)
        if kind == "worklist":
            put_on_worklist(destination.department, study, reason=UNDONE if is_undone else MERGED)
        elif kind == "hl7v2" and not is_undone:
            priorities |= _plan_message(merge, study, destination)
        else:
            asked.append(destination)
    if asked:
        _ask_people(study, asked, UNDONE if is_undone else MERGED)
    return priorities


def _who_received(study: Study) -> QuerySet[Destination]:
    delivered = Delivery.objects.filter(study=study, state=Delivery.DELIVERED).exclude(
        kind__in=(KIND, "recall")
    )
    return Destination.objects.filter(pk__in=delivered.values("destination"))


def _plan_message(merge: PatientMerge, study: Study, destination: Destination) -> set[str]:
    """Plan the message of a merge: once a receiver, however many of the patient's studies it has."""
    subject = str(merge.pk)
    if Delivery.objects.filter(destination=destination, kind=KIND, subject=subject).exists():
        return set()
    planned = Planned(study, destination, KIND, 1, "urgent", subject=subject, because={"merge": merge.pk})
    return {"urgent"} if write_delivery(planned, []) else set()


def _ask_people(study: Study, destinations: list[Destination], reason: str) -> None:
    """Ask a person at each receiver to put the patient right; what was asked before for the study is asked anew."""
    now = database_now()
    for earlier in Recall.objects.filter(study=study, removal=None, code_value=CODE, closed_at=None):
        Recall.objects.filter(pk=earlier.pk).update(closed_at=now)
        note_change(earlier)
    recall = Recall.objects.create(
        study=study,
        code_value=CODE,
        code_meaning=MEANING,
        reason=reason,
        made_by="registry",
        made_at=now,
    )
    RecallReceipt.objects.bulk_create(
        RecallReceipt(recall=recall, destination=destination, state="task", changed_at=now)
        for destination in destinations
    )
    note_change(recall)
