"""What the active assignment lets its person do and see: the rights of its one group in its one department.

Whatever other groups the person is in, or was given by hand, counts for nothing: rights of two assignments are
never united.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from access.epochs import read_access_epoch
from access.kept import keep, next_moment
from access.models import Assignment, CareProcess, CareUnit, DepartmentGroupPermission

WORDS = {"read_studies": ("read",), "write_studies": ("store", "delete")}
"""Codename: the words by which doors ask people and systems alike."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Words and codenames of what may be done, and the units that share a care process with the own one."""

    permissions: frozenset[str]
    process_unit_ids: frozenset[int]


def rights_of(assignment: Assignment, now: datetime | None = None, epoch: int | None = None) -> Rights:
    """Return the rights of an assignment; its department's unit is read with it.

    Parameters
    ----------
    epoch
        The access epoch when the caller has read it already; otherwise it costs one query.
    """
    moment = now or timezone.now()
    epoch = read_access_epoch() if epoch is None else epoch
    key = ("rights", assignment.group_id, assignment.department_id)
    return keep(key, epoch, moment, lambda: _read_rights(assignment, moment))


def expand_codenames(codenames: frozenset[str]) -> frozenset[str]:
    """Add to codenames of permissions the words that doors ask for."""
    return codenames.union(*(WORDS.get(codename, ()) for codename in codenames))


def _read_rights(assignment: Assignment, now: datetime) -> tuple[Rights, datetime | None]:
    codenames = DepartmentGroupPermission.objects.filter(
        group=assignment.group_id, content_object=assignment.department_id
    ).values_list("permission__codename", flat=True)
    unit_ids, changes_at = read_process_units(assignment.department.unit, now)
    return Rights(expand_codenames(frozenset(codenames)), unit_ids), changes_at


def read_process_units(unit: CareUnit, now: datetime) -> tuple[frozenset[int], datetime | None]:
    """Return the other units of the unit's processes, of its own provider only, and when that changes by itself."""
    lasting = Q(valid_to__isnull=True) | Q(valid_to__gt=now)
    processes = list(CareProcess.objects.filter(lasting, units=unit, provider=unit.provider_id))
    began = [row.pk for row in processes if row.valid_from is None or row.valid_from <= now]
    units = CareUnit.objects.filter(processes__in=began, provider=unit.provider_id) if began else ()
    moments = [moment for row in processes for moment in (row.valid_from, row.valid_to)]
    return frozenset(row.pk for row in units) - {unit.pk}, next_moment(moments, now)
