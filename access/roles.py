"""Roles as groups: one for every role in a department, holding the role's permissions there and nowhere else.

The group of a role is named `role-code@department-hsa-id`. Its rows in guardian's table are made of the role,
here and only here; they are never edited by hand.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.epochs import raise_access_epoch
from access.models import Assignment, Department, DepartmentGroupPermission, Role
from access.models.organisation import PERMISSIONS

AT = "@"


class UnknownPermission(ValueError):
    """No permission is called so; the message lists those there are."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What new permissions of a role would change: codenames, and how many departments and people it meets."""

    role: Role
    added: tuple[str, ...]
    removed: tuple[str, ...]
    departments: int
    people: int

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions after the change, in the order of PERMISSIONS."""
        after = (set(self.role.permissions) | set(self.added)) - set(self.removed)
        return _in_order(after)


def make_group_name(role: Role, department: Department) -> str:
    """Return the name of the group of a role in a department."""
    return f"{role.code}{AT}{department.hsa_id}"


def read_role_code(group: Group) -> str:
    """Return the code of the role whose group this is; empty for a group that is none."""
    code, at, _ = group.name.partition(AT)
    return code if at else ""


def check_permissions(codenames: Collection[str]) -> tuple[str, ...]:
    """Return the codenames in the order of PERMISSIONS, each once.

    Raises
    ------
    UnknownPermission
        One of them is none.
    """
    unknown = sorted(set(codenames) - set(PERMISSIONS))
    if unknown:
        raise UnknownPermission(
            f"unknown permission {', '.join(unknown)}: there are {', '.join(PERMISSIONS)}"
        )
    return _in_order(codenames)


def ensure_group(role: Role, department: Department) -> Group:
    """Return the group of a role in a department with exactly the role's permissions; in the caller's transaction."""
    group, _ = Group.objects.get_or_create(name=make_group_name(role, department))
    _write_permissions(check_permissions(role.permissions), {group.pk: department.pk})
    return group


def compare_permissions(role: Role, codenames: Collection[str]) -> RoleChange:
    """Return what giving a role these permissions would change; nothing is written.

    Raises
    ------
    UnknownPermission
        One of the codenames is none.
    """
    after, before = check_permissions(codenames), set(role.permissions)
    now = timezone.now()
    running = Assignment.objects.filter(group__in=_groups_of(role)).exclude(valid_to__lte=now)
    return RoleChange(
        role,
        tuple(c for c in after if c not in before),
        tuple(c for c in _in_order(before) if c not in after),
        running.values("department").distinct().count(),
        running.values("user").distinct().count(),
    )


def set_permissions(role: Role, codenames: Collection[str], *, by: Actor | None = None) -> None:
    """Give a role exactly these permissions, in every department where it is held.

    Raises
    ------
    UnknownPermission
        One of the codenames is none.
    """
    after = check_permissions(codenames)

    def write() -> None:
        before = set(Role.objects.filter(pk=role.pk).values_list("permissions", flat=True).get())
        Role.objects.filter(pk=role.pk).update(permissions=list(after))
        rewrite_groups(role, after)
        detail = {
            "role": role.code,
            "added": sorted(set(after) - before),
            "removed": sorted(before - set(after)),
        }
        if by is not None:
            audit.record(by, "role_change", door="portal", detail=detail)

    run_write(write)
    role.permissions = list(after)


def rewrite_groups(role: Role, codenames: Collection[str]) -> None:
    """Let the groups of a role hold exactly these permissions; in the caller's transaction."""
    departments = dict(Department.objects.values_list("hsa_id", "pk"))
    places = {
        group.pk: departments[hsa_id]
        for group in _groups_of(role)
        if (hsa_id := group.name.partition(AT)[2]) in departments
    }
    _write_permissions(check_permissions(codenames), places)
    raise_access_epoch()


def _groups_of(role: Role) -> "list[Group]":
    prefix = f"{role.code}{AT}"
    # SQLite compares without case here.
    return [row for row in Group.objects.filter(name__startswith=prefix) if row.name.startswith(prefix)]


def _write_permissions(codenames: Collection[str], places: dict[int, int]) -> None:
    """Let each group (key) hold the permissions on its department (value), and nothing anywhere else."""
    content_type = ContentType.objects.get_for_model(Department)
    wanted = dict(Permission.objects.filter(content_type=content_type).values_list("codename", "pk"))
    rows = DepartmentGroupPermission.objects.filter(group__in=places)
    known = {(row.group_id, row.content_object_id, row.permission_id): row.pk for row in rows.order_by("pk")}
    right = {
        (group_id, department_id, wanted[codename])
        for group_id, department_id in places.items()
        for codename in codenames
    }
    DepartmentGroupPermission.objects.filter(
        pk__in=[pk for key, pk in known.items() if key not in right]
    ).delete()
    DepartmentGroupPermission.objects.bulk_create(
        DepartmentGroupPermission(
            group_id=group_id, content_object_id=department_id, permission_id=permission_id
        )
        for group_id, department_id, permission_id in sorted(right - set(known))
    )


def _in_order(codenames: Collection[str]) -> tuple[str, ...]:
    return tuple(codename for codename in PERMISSIONS if codename in codenames)
