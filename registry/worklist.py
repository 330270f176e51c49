"""A department's worklist in the portal: what came to it, urgent first, until somebody says that it is done.

What is on the list is not therefore permitted: people see of it what they may see of the studies.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import Department
from access.policy import Decision
from registry import changes
from registry.models import Study, WorklistItem
from registry.noted import EndedEntry, MissingRight, UnknownEntry
from registry.visibility import decide_studies

NEW, OPENED, DONE, WITHDRAWN = "new", "opened", "done", "withdrawn"
OPEN_STATES = (NEW, OPENED)
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One study on the list, and what was decided about it for the reader."""

    item: WorklistItem
    decision: Decision


def put_on_worklist(
    department: Department, study: Study, *, priority_rank: int = 1, reason: str = ""
) -> WorklistItem:
    """Put a study on a list, or up again because something of it came; in a transaction.

    The most urgent of what asked for it counts. What was done or withdrawn is new again.
    """
    now = timezone.now()
    item, is_new = WorklistItem.objects.select_for_update().get_or_create(
        department=department,
        study=study,
        defaults={
            "priority_rank": priority_rank,
            "reason": reason[:400],
            "arrived_at": now,
            "changed_at": now,
        },
    )
    if not is_new:
        if item.state not in OPEN_STATES:
            item.state, item.done_at, item.done_by, item.priority_rank = NEW, None, "", priority_rank
        item.priority_rank = min(item.priority_rank, priority_rank)
        item.reason, item.changed_at = reason[:400] or item.reason, now
        item.save()
    changes.append("worklist", study.study_instance_uid, {"item": item.pk})
    return item


def read_worklist(
    actor: Actor, department: Department, states: Iterable[str] = OPEN_STATES
) -> list[WorklistRow]:
    """Return what the actor may know of a department's list: urgent first, then what changed last.

    A row is there when the study may be read, or when the actor could make it readable (a choice, a consent, a
    relation); of others the actor learns nothing.

    Raises
    ------
    MissingRight
        The list of another department.
    """
    _require_own(actor, department)
    rows = (
        WorklistItem.objects.filter(department=department, state__in=tuple(states))
        .select_related("study__custodian__unit", "study__person")
        .defer("study__fragment")
        .order_by("priority_rank", "-changed_at", "-pk")[:MOST_ROWS]
    )
    items = list(rows)
    decisions = decide_studies(actor, [item.study for item in items])
    found = [WorklistRow(item, decisions[item.study_id]) for item in items]
    return [row for row in found if row.decision.effect != "deny" and not row.decision.is_silent]


def count_open(department: Department) -> int:
    """Return how many items of a list nobody has opened yet."""
    return WorklistItem.objects.filter(department=department, state=NEW).count()


def note_opened(actor: Actor, study_id: int) -> None:
    """Write that a study was opened from the actor's department; nothing where it is not on its list."""
    if actor.scope.department_id is None:
        return
    rows = WorklistItem.objects.filter(department=actor.scope.department_id, study=study_id, state=NEW)
    rows.update(state=OPENED, opened_at=timezone.now(), opened_by=actor.subject[:200])


def mark_done(actor: Actor, item_id: int, *, door: str = "") -> WorklistItem:
    """Say that an item of the own department's list is done.

    Raises
    ------
    UnknownEntry
        There is no such item on that list.
    EndedEntry
        It was done or withdrawn before.
    """
    item = _find(actor, item_id)

    def work() -> WorklistItem:
        now = timezone.now()
        rows = WorklistItem.objects.filter(pk=item.pk, state__in=OPEN_STATES)
        if not rows.update(state=DONE, done_at=now, done_by=actor.subject[:200]):
            raise EndedEntry("the item was done or withdrawn before")
        audit.record(
            actor,
            "worklist_done",
            door=door,
            patient_id=item.study.person_id,
            study_instance_uid=item.study.study_instance_uid,
            detail={"row": f"worklist:{item.pk}"},
        )
        return WorklistItem.objects.get(pk=item.pk)

    return run_write(work)


def withdraw_items(study: Study, departments: QuerySet[Department] | None = None) -> int:
    """Take a study off the lists (removed, recalled); in a transaction. Returns how many items."""
    rows = WorklistItem.objects.filter(study=study, state__in=OPEN_STATES)
    if departments is not None:
        rows = rows.filter(department__in=departments)
    return rows.update(state=WITHDRAWN, changed_at=timezone.now())


def _find(actor: Actor, item_id: int) -> WorklistItem:
    rows = WorklistItem.objects.select_related("study", "department__unit")
    item = rows.filter(pk=item_id, department=actor.scope.department_id).first()
    if item is None:
        raise UnknownEntry("no such item on the department's worklist")
    return item


def _require_own(actor: Actor, department: Department) -> None:
    if actor.scope.department_id != department.pk and not actor.scope.region_wide:
        raise MissingRight("the worklist of another department")
