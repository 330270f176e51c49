"""A department's worklist as its page shows it: what came, urgent first, and what of it opens."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.utils.translation import gettext as _

from access.actor import Actor
from access.models import Department
from frontend.masking import make_row_under
from frontend.reports import Tone
from frontend.studies import StudyRow, with_row_facts
from frontend.why import say_reason
from registry.models import Study
from registry.worklist import DONE, NEW, OPEN_STATES, OPENED, WorklistRow, read_worklist

LISTS = {"waiting": OPEN_STATES, "done": (DONE,)}


@dataclass(frozen=True, slots=True)
class WorklistLine:
    """One item: `row` is the study where it opens, else `missing` says what it needs.

    `since` is when something of it last came, `done_by` the user name of who worked it off.
    """

    pk: int
    patient_pk: int
    row: StudyRow | None
    missing: str
    state: str
    tone: Tone
    is_new: bool
    is_urgent: bool
    reason: str
    since: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorklistView:
    """The list; `version` changes whenever something a reader can see has changed."""

    lines: tuple[WorklistLine, ...]
    new_count: int
    version: str


def show_list(actor: Actor, department: Department, shown: str) -> WorklistView:
    """Read the list of the actor's department: `waiting` or `done`."""
    found = read_worklist(actor, department, LISTS[shown])
    opening = [row.item.study_id for row in found if row.decision.permits]
    studies = {row.pk: row for row in with_row_facts(Study.objects.filter(pk__in=opening))}
    lines = tuple(_make_line(row, studies.get(row.item.study_id)) for row in found)
    text = repr(lines)
    new_count = sum(line.is_new for line in lines)
    return WorklistView(lines, new_count, sha256(text.encode()).hexdigest()[:16])


def _make_line(found: WorklistRow, study: Study | None) -> WorklistLine:
    item, decision = found.item, found.decision
    state, tone = _describe(item.state)
    return WorklistLine(
        pk=item.pk,
        patient_pk=item.study.person_id,
        row=make_row_under(decision, study) if study is not None else None,
        missing="" if study is not None else say_reason(decision.effect, decision.reason),
        state=state,
        tone=tone,
        is_new=item.state == NEW,
        is_urgent=item.priority_rank == 0,
        reason=item.reason if study is not None else "",
        since=item.changed_at,
        done_at=item.done_at,
    )


def _describe(state: str) -> tuple[str, Tone]:
    states: dict[str, tuple[str, Tone]] = {
        NEW: (_("Not opened"), "warn"),
        OPENED: (_("Opened"), "quiet"),
        DONE: (_("Worked off"), "ok"),
    }
    return states.get(state, (_("Withdrawn"), "quiet"))
