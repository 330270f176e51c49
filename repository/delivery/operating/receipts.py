"""What became of a study, department by department: what was sent there, when it arrived, when it was first opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from access.models import Department
from registry.models import DepartmentMilestone, Study
from repository.delivery.operating.listing import with_counts
from repository.models import Delivery


@dataclass(frozen=True, slots=True)
class Receipt:
    """One department; `deliveries` are the newest of each kind and subject to each of its destinations.

    Parameters
    ----------
    delivered_at
        When the study first had arrived there, whole.
    first_opened_at
        When somebody there first opened it in the portal.
    """

    department: Department
    delivered_at: datetime | None
    first_opened_at: datetime | None
    deliveries: tuple[Delivery, ...]


def read_receipts(study: Study, departments: Iterable[int] | None = None) -> tuple[Receipt, ...]:
    """Return the departments that the study is or was on its way to, or that opened it, in the order of names.

    Parameters
    ----------
    departments
        Keys of the departments to which it is narrowed; None for all.
    """
    sent = with_counts(Delivery.objects.filter(study=study))
    opened = DepartmentMilestone.objects.filter(study=study)
    if departments is not None:
        keys = list(departments)
        sent, opened = sent.filter(destination__department__in=keys), opened.filter(department__in=keys)
    milestones = {row.department_id: row for row in opened.select_related("department__unit")}
    newest: dict[int, dict[tuple[int, str, str], Delivery]] = {}
    named = {row.department_id: row.department for row in milestones.values()}
    for row in sent.select_related("destination__department__unit").order_by("generation", "pk"):
        department = row.destination.department
        named[department.pk] = department
        newest.setdefault(department.pk, {})[row.destination_id, row.kind, row.subject] = row
    order = sorted(named, key=lambda key: (named[key].unit.name, named[key].name, key))
    return tuple(
        _make(named[key], milestones.get(key), list(newest.get(key, {}).values()))
        for key in order
        if key in newest or milestones[key].delivered_at or milestones[key].first_opened_at
    )


def _make(department: Department, milestone: DepartmentMilestone | None, rows: list[Delivery]) -> Receipt:
    return Receipt(
        department,
        milestone.delivered_at if milestone else None,
        milestone.first_opened_at if milestone else None,
        tuple(sorted(rows, key=lambda row: (row.destination.name, row.destination_id, row.pk))),
    )
