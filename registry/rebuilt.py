"""Studies that came back from packs alone: closed to all but their custodian's unit until an officer confirms.

Consents, blocks and relations may have been lost with the database; until somebody has looked, less is shown.
"""

from functools import partial

from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import Department
from access.rows import insert_many
from registry.models import Conflict, Home, Study
from registry.register import HOME_COLUMNS, write_homes
from registry.shares import write_shared_homes

REBUILT = "rebuilt"
CLOSING = ("demographics", "no_identity")
"""Kinds of conflict that keep a study to its custodian department, rebuilt or not."""


def is_unconfirmed(study: Study) -> bool:
    """Tell whether a rebuilt study waits for its confirmation."""
    return _unconfirmed(study).exists()


def close_rebuilt(study: Study) -> None:
    """Leave a study to the departments of its custodian's unit, whatever its homes were; in a transaction."""
    if not is_unconfirmed(study):
        Conflict.objects.create(kind=REBUILT, study=study, department=study.custodian)
    study.in_conflict = True
    study.state = "complete"
    study.quiet_due_at = None  # nothing is delivered again because it came back
    study.save(update_fields=["in_conflict", "state", "quiet_due_at"])
    Home.objects.filter(study=study).delete()
    if not study.number_of_study_related_instances:
        return
    write_homes(study)
    if study.custodian is None or _is_closed_otherwise(study):
        return
    neighbours = Department.objects.filter(unit=study.custodian.unit_id).exclude(pk=study.custodian.pk)
    rows = [
        (study.pk, pk, None, modality, study.study_date, study.study_time)
        for pk in neighbours.values_list("pk", flat=True)
        for modality in study.modalities_in_study or [""]
    ]
    if rows:
        insert_many(Home, HOME_COLUMNS, rows)


def open_while_registering(study: Study) -> None:
    """Let registration see the study as it would be without the rebuild; close it again in the same transaction."""
    Study.objects.filter(pk=study.pk).update(in_conflict=_is_closed_otherwise(study))


def confirm_rebuilt(actor: Actor, study_instance_uids: list[str] | None = None, *, door: str) -> int:
    """Give rebuilt studies back to everybody who may see them; returns how many waited.

    Parameters
    ----------
    study_instance_uids : list of str, optional
        Only these; all that wait when None.
    """
    waiting = Conflict.objects.filter(kind=REBUILT, resolved_at=None)
    if study_instance_uids is not None:
        waiting = waiting.filter(study__study_instance_uid__in=study_instance_uids)
    studies: list[int] = [conflict.study_id for conflict in waiting.order_by("study")]
    return sum(run_write(partial(_confirm, actor, pk, door)) for pk in studies)


def _confirm(actor: Actor, study_id: int, door: str) -> int:
    study = Study.objects.select_for_update(of=("self",)).select_related("custodian__unit").get(pk=study_id)
    resolved = _unconfirmed(study).update(resolved_at=timezone.now(), resolved_by=actor.subject)
    if not resolved:
        return 0
    study.in_conflict = _is_closed_otherwise(study)
    study.save(update_fields=["in_conflict"])
    Home.objects.filter(study=study).delete()
    if study.number_of_study_related_instances:
        write_homes(study)
        write_shared_homes(study)
    audit.record(
        actor,
        "confirm_rebuilt",
        door=door,
        study_instance_uid=study.study_instance_uid,
        patient_id=study.person_id,
    )
    return 1


def _unconfirmed(study: Study) -> "QuerySet[Conflict]":
    return Conflict.objects.filter(kind=REBUILT, study=study, resolved_at=None)


def _is_closed_otherwise(study: Study) -> bool:
    return Conflict.objects.filter(kind__in=CLOSING, study=study, resolved_at=None).exists()
