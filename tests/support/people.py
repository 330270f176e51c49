"""Assignments for tests: a person, a department, a role with permissions."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.utils import timezone

from access.assignments import give_role
from access.epochs import raise_access_epoch
from access.models import Assignment, Department, Role, User

READS = ("read_studies",)


def make_role(name: str = "Läkare", permissions: Collection[str] = READS) -> Role:
    """Return the role of this name, made with these permissions when it is not there."""
    code = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    row, _ = Role.objects.get_or_create(code=code, defaults={"name": name, "permissions": list(permissions)})
    return row


def give_assignment(
    user: User,
    department: Department,
    role: str = "Läkare",
    permissions: Collection[str] = READS,
    **values: Any,
) -> Assignment:
    """Give a person an assignment that began yesterday; `values` are columns of it, past ends too."""
    row = give_role(user, make_role(role, permissions), department)
    return change_assignment(row, **{"valid_from": timezone.now() - timedelta(days=1)} | values)


def change_assignment(row: Assignment, **values: Any) -> Assignment:
    """Change columns of an assignment, as it is done in a transaction: with the epoch."""
    Assignment.objects.filter(pk=row.pk).update(**values)
    raise_access_epoch()
    return Assignment.objects.get(pk=row.pk)
