"""Who works in a department, and what the head of it may change about that.

A head gives and ends the assignments of the own department. Nobody gives themselves one, and roles that appoint
or that review others are given and ended by staff of the whole installation.
"""

from datetime import datetime

from django.db.models import Q

from access import audit
from access.actor import Actor
from access.assignments import Terms, end_assignment, give_role
from access.models import Assignment, Department, DepartmentGroupPermission, Role, User

MANAGE = "manage_members"
GIVEN_BY_STAFF = frozenset({MANAGE, "review_access"})
"""Permissions whose holders watch over others: roles with one of them are not a head's to give or to end."""


class MayNotManage(PermissionError):
    """The actor's assignment does not let it manage the members of a department, or not in this way."""


class UnknownPerson(LookupError):
    """Nobody, or more than one, is called so."""


class UnknownMember(LookupError):
    """The department has no such assignment."""


def require_manager(actor: Actor) -> int:
    """Return the department whose members the actor manages.

    Raises
    ------
    MayNotManage
        The active assignment does not include it.
    """
    if actor.kind != "person" or not actor.may(MANAGE) or actor.scope.department_id is None:
        raise MayNotManage(f"the assignment does not include the permission {MANAGE}")
    return actor.scope.department_id


def list_members(actor: Actor, since: datetime) -> list[Assignment]:
    """Return the assignments of the actor's department that had not ended at `since`, by name."""
    rows = Assignment.objects.filter(department=require_manager(actor)).exclude(valid_to__lte=since)
    return list(
        rows.select_related("user", "group").order_by(
            "user__last_name", "user__first_name", "user__username", "-valid_from"
        )
    )


def givable_roles(*, is_staff: bool) -> list[Role]:
    """Return the roles that a head, or staff, may give."""
    return [
        role
        for role in Role.objects.all()
        if role.permissions and (is_staff or not GIVEN_BY_STAFF & set(role.permissions))
    ]


def find_person(name: str) -> User:
    """Find an active person by user name or HSA-id.

    Raises
    ------
    UnknownPerson
        There is nobody, or more than one.
    """
    text = name.strip()
    matches = Q(username=text) | (Q(hsa_id__iexact=text) & ~Q(hsa_id=""))
    found = list(User.objects.filter(matches, is_active=True)[:2]) if text and "\0" not in text else []
    if len(found) != 1:
        raise UnknownPerson("nobody is called so, or more than one")
    return found[0]


def give_member(actor: Actor, person: User, role: Role, terms: Terms, *, is_staff: bool) -> Assignment:
    """Give a person a role in the actor's department.

    Raises
    ------
    MayNotManage
        It is the actor itself, or the role is not the actor's to give; what was tried is in the access log.
    InvalidAssignment
        As `give_role` does.
    """
    department_id = require_manager(actor)
    if person.pk == actor.subject_id:
        _refuse(actor, "nobody gives themselves an assignment", person.pk)
    if role not in givable_roles(is_staff=is_staff):
        _refuse(actor, f"the role {role.code} is given by staff", person.pk)
    department = Department.objects.select_related("unit__provider").get(pk=department_id)
    return give_role(person, role, department, terms, by=actor)


def end_member(actor: Actor, assignment_id: int, *, is_staff: bool) -> Assignment:
    """End an assignment of the actor's department.

    Raises
    ------
    UnknownMember
        It is none of this department.
    MayNotManage
        It is not the actor's to end; what was tried is in the access log.
    EndedAssignment
        As `end_assignment` does.
    """
    department_id = require_manager(actor)
    row = Assignment.objects.filter(pk=assignment_id, department=department_id).first()
    if row is None:
        raise UnknownMember("the department has no such assignment")
    if row.pk not in endable(actor, [row], is_staff=is_staff):
        _refuse(
            actor, "an assignment that watches over others is ended by staff", row.user_id, "assignment_end"
        )
    return end_assignment(assignment_id, by=actor)


def endable(actor: Actor, rows: list[Assignment], *, is_staff: bool) -> set[int]:
    """Return which of a department's assignments the actor may end: its own, and those that watch over nobody."""
    watching = set(
        DepartmentGroupPermission.objects.filter(
            group__in={row.group_id for row in rows}, permission__codename__in=GIVEN_BY_STAFF
        ).values_list("group", flat=True)
    )
    return {
        row.pk for row in rows if is_staff or row.user_id == actor.subject_id or row.group_id not in watching
    }


def _refuse(actor: Actor, message: str, user_id: int, action: str = "assignment_give") -> None:
    detail = {"refusal": message, "user": user_id}
    audit.record(actor, action, outcome="refused", door="portal", detail=detail)
    raise MayNotManage(message)
