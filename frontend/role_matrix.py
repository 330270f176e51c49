"""The matrix of roles and permissions, and what a changed one would change."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from access.models import Role
from access.models.organisation import PERMISSIONS
from access.roles import RoleChange, compare_permissions
from frontend.permissions import PermissionWords, list_permissions, name_permission

AT = ":"


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether a role has a permission; `value` names both in the form."""

    role: str
    value: str
    is_given: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A permission and what each role has of it."""

    permission: PermissionWords
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All roles and permissions; `version` changes with the rows, so that nobody saves over somebody else's change."""

    roles: tuple[Role, ...]
    lines: tuple[Line, ...]
    version: str


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """A change of one role in words."""

    role: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    departments: int
    people: int


def read_matrix() -> Matrix:
    """Read the matrix as it is."""
    roles = tuple(Role.objects.all())
    lines = tuple(
        Line(
            words,
            tuple(
                Cell(role.name, f"{role.code}{AT}{words.codename}", words.codename in role.permissions)
                for role in roles
            ),
        )
        for words in list_permissions()
    )
    state = repr([(role.code, sorted(role.permissions)) for role in roles])
    return Matrix(roles, lines, sha256(state.encode()).hexdigest()[:16])


def compare_matrix(matrix: Matrix, ticked: Collection[str]) -> list[RoleChange]:
    """Return what the ticked boxes (values of cells) would change; boxes of no role or permission count for nothing."""
    changes = []
    for role in matrix.roles:
        wanted = {codename for codename in PERMISSIONS if f"{role.code}{AT}{codename}" in ticked}
        change = compare_permissions(role, wanted)
        if change.added or change.removed:
            changes.append(change)
    return changes


def describe_change(change: RoleChange) -> ChangeWords:
    """Say a change in words."""
    return ChangeWords(
        change.role.name,
        tuple(map(name_permission, change.added)),
        tuple(map(name_permission, change.removed)),
        change.departments,
        change.people,
    )
