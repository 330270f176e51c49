"""Opening a study on a page: decided, refused in the log as well, and written down before the answer is made."""

from dataclasses import dataclass

from django.http import Http404
from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from registry.models import DepartmentMilestone, Study
from registry.reading import permit_reading, record_reading
from registry.visibility import UnknownStudy, VisibleStudy
from registry.worklist import note_opened

DOOR = "portal"


class NotOpened(Http404):
    """The study is unknown or not permitted; `error` knows which, for those who may be told."""

    def __init__(self, error: UnknownStudy) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """A study that was permitted: its row, and the decision."""

    study: Study
    visible: VisibleStudy


def open_study(actor: Actor, study_instance_uid: str) -> OpenedStudy:
    """Return one study, or the same 404 for unknown and invisible; what is refused is in the log.

    Raises
    ------
    NotOpened
    """
    try:
        visible = permit_reading(actor, study_instance_uid, door=DOOR)
    except UnknownStudy as error:
        raise NotOpened(error) from error
    rows = Study.objects.select_related("person", "custodian__unit").defer("fragment")
    return OpenedStudy(rows.get(pk=visible.pk), visible)


def record_opening(actor: Actor, visible: VisibleStudy) -> None:
    """Write the access log, the department's first opening and its worklist; call it before the answer is made."""
    record_reading(actor, visible, door=DOOR)
    department_id = actor.scope.department_id
    if department_id is None:
        return
    opened = DepartmentMilestone.objects.filter(
        study=visible.pk, department=department_id, first_opened_at__isnull=False
    )
    if not opened.exists():
        run_write(lambda: _mark_first_opening(visible.pk, department_id))
    note_opened(actor, visible.pk)


def _mark_first_opening(study_id: int, department_id: int) -> None:
    row, _created = DepartmentMilestone.objects.get_or_create(study_id=study_id, department_id=department_id)
    unopened = DepartmentMilestone.objects.filter(pk=row.pk, first_opened_at__isnull=True)
    unopened.update(first_opened_at=timezone.now())
