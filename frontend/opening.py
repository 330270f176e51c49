"""What is written down when a person opens a study."""

from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from registry.models import DepartmentMilestone, Study


def record_opening(actor: Actor, study: Study) -> None:
    """Write the access log and the department's first opening; call it before the answer is made."""
    audit.touch(actor, study.study_instance_uid, study.person_id, door="portal")
    department_id = actor.scope.department_id
    if department_id is None:
        return
    opened = DepartmentMilestone.objects.filter(
        study=study, department=department_id, first_opened_at__isnull=False
    )
    if not opened.exists():
        run_write(lambda: _mark_first_opening(study, department_id))


def _mark_first_opening(study: Study, department_id: int) -> None:
    row, _created = DepartmentMilestone.objects.get_or_create(study=study, department_id=department_id)
    unopened = DepartmentMilestone.objects.filter(pk=row.pk, first_opened_at__isnull=True)
    unopened.update(first_opened_at=timezone.now())
