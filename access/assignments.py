"""The assignments under which people work: which are valid, giving one and ending one.

An assignment is valid within its own time and that of its department, unit and provider. It is never deleted:
the access log speaks of it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.epochs import raise_access_epoch, read_access_epoch
from access.kept import keep, next_moment
from access.models import Assignment, Department, Role, User
from access.roles import ensure_group, make_group_name, read_role_code

CARE = "care"
PURPOSES = {CARE: "Care and treatment", "administration": "Administration"}
"""What an assignment's accesses are for; patient data are read for care only."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class InvalidAssignment(ValueError):
    """The assignment cannot be given so; the message says why, and `reason` in one word for pages that translate."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class EndedAssignment(ValueError):
    """It has ended already."""


@dataclass(frozen=True, slots=True)
class Terms:
    """For what and how long an assignment is given; `valid_from` None is now, `valid_to` None has no end."""

    purpose: str = CARE
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    commission_hsa_id: str = ""


def valid_assignments(user: User) -> list[Assignment]:
    """Return the person's assignments that are valid now, oldest first; read them, never change them."""
    now = timezone.now()
    key = ("assignments", user.pk)
    return list(keep(key, read_access_epoch(), now, lambda: _read_valid(user, now)))


def is_valid(assignment: Assignment, now: datetime) -> bool:
    """Tell whether an assignment is valid, with its department, unit and provider."""
    return all(
        (row.valid_from is None or row.valid_from <= now) and (row.valid_to is None or now < row.valid_to)
        for row in _with_places(assignment)
    )


def give_role(
    user: User, role: Role, department: Department, terms: Terms = Terms(), *, by: Actor | None = None
) -> Assignment:
    """Give a person a role in a department; the group and its permissions are made when it is the first.

    Parameters
    ----------
    by
        Who gives it, for the access log; None for commands of the operator.

    Raises
    ------
    InvalidAssignment
        Times that contradict each other or the department's, an unknown purpose, or one that is there already.
    """

    def write() -> Assignment:
        # One at a time for a person: two that overlap would otherwise not see each other.
        User.objects.select_for_update().get(pk=user.pk)
        check_assignment(user, role, department, terms)
        row = Assignment.objects.create(
            user=user,
            department=department,
            group=ensure_group(role, department),
            role=role.name,
            commission_hsa_id=terms.commission_hsa_id,
            purpose=terms.purpose,
            valid_from=terms.valid_from or timezone.now(),
            valid_to=terms.valid_to,
        )
        raise_access_epoch()
        _record(by, "assignment_give", row, role.code)
        return row

    return run_write(write)


def check_assignment(user: User, role: Role, department: Department, terms: Terms) -> None:
    """Tell whether `give_role` would give it.

    Raises
    ------
    InvalidAssignment
        As `give_role` does.
    """
    now = timezone.now()
    begins, ends = terms.valid_from or now, terms.valid_to
    if terms.purpose not in PURPOSES:
        raise InvalidAssignment("purpose", f"unknown purpose {terms.purpose!r}: one of {', '.join(PURPOSES)}")
    if ends is not None and ends <= max(begins, now):
        raise InvalidAssignment("end", "the end must come after the beginning and after now")
    for place in (department, department.unit, department.unit.provider):
        if place.valid_to is not None and place.valid_to <= begins:
            raise InvalidAssignment("place_ended", f"{place.name} has ended by then")
    if not role.permissions:
        raise InvalidAssignment("empty_role", f"the role {role.code} has no permissions")
    name = make_group_name(role, department)
    others = Assignment.objects.filter(user=user, department=department, group__name=name)
    if others.exclude(valid_to__lte=begins).exclude(valid_from__gte=ends or _NEVER).exists():
        raise InvalidAssignment("overlap", "the person has this role in this department at that time already")


def end_assignment(assignment_id: int, *, by: Actor | None = None) -> Assignment:
    """End an assignment now; the person's next request no longer has it.

    Raises
    ------
    EndedAssignment
        It has ended before.
    """
    now = timezone.now()

    def write() -> Assignment:
        row = Assignment.objects.select_related("department", "group").get(pk=assignment_id)
        if row.valid_to is not None and row.valid_to <= now:
            raise EndedAssignment("the assignment has ended already")
        row.valid_to = now
        row.save(update_fields=["valid_to"])
        raise_access_epoch()
        _record(by, "assignment_end", row, read_role_code(row.group))
        return row

    return run_write(write)


def _record(by: Actor | None, action: str, row: Assignment, role_code: str) -> None:
    if by is not None:
        department = row.department.hsa_id
        detail = {"assignment": row.pk, "user": row.user_id, "department": department, "role": role_code}
        audit.record(by, action, door="portal", detail=detail)


def _read_valid(user: User, now: datetime) -> tuple[list[Assignment], datetime | None]:
    rows = list(
        Assignment.objects.filter(user=user)
        .exclude(valid_to__lte=now)
        .select_related("department__unit__provider", "group")
        .order_by("valid_from", "pk")
    )
    moments = [
        moment for row in rows for place in _with_places(row) for moment in (place.valid_from, place.valid_to)
    ]
    return [row for row in rows if is_valid(row, now)], next_moment(moments, now)


def _with_places(row: Assignment) -> tuple[Assignment | Department, ...]:
    unit = row.department.unit
    return (row, row.department, unit, unit.provider)  # type: ignore[return-value]
