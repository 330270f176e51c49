"""Giving and ending assignments: what is refused, what the access log and the epoch are told."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from access.assignments import (
    EndedAssignment,
    InvalidAssignment,
    Terms,
    end_assignment,
    give_role,
    valid_assignments,
)
from access.epochs import read_access_epoch
from access.models import Assignment, AuditEvent, CareProvider, DepartmentGroupPermission, Role, User
from access.roles import UnknownPermission, compare_permissions, ensure_group, set_permissions
from tests.registry.factories import make_department
from tests.support.people import make_role

pytestmark = pytest.mark.django_db

HEAD = Actor("person", "chef", Scope(), frozenset(), subject_id=7)


@pytest.fixture
def department():
    return make_department()


@pytest.fixture
def user():
    return User.objects.create(username="doktor")


def test_giving_and_ending_is_in_the_access_log_and_raises_the_epoch(department, user):
    row = give_role(user, make_role(), department, by=HEAD)
    assert read_access_epoch() == 1
    end_assignment(row.pk, by=HEAD)
    assert read_access_epoch() == 2
    given, ended = AuditEvent.objects.order_by("pk")
    assert (given.action, ended.action, given.actor) == ("assignment_give", "assignment_end", "chef")
    assert given.detail == ended.detail
    assert given.detail == {
        "assignment": row.pk,
        "user": user.pk,
        "department": department.hsa_id,
        "role": "läkare",
    }


def test_what_has_ended_is_kept_and_ends_once(department, user):
    row = give_role(user, make_role(), department)
    ended = end_assignment(row.pk)
    assert valid_assignments(user) == []
    with pytest.raises(EndedAssignment):
        end_assignment(row.pk)
    assert Assignment.objects.get(pk=row.pk).valid_to == ended.valid_to
    assert give_role(user, make_role(), department).pk != row.pk


def test_one_that_has_not_begun_never_will_when_it_is_ended(department, user):
    now = timezone.now()
    row = give_role(user, make_role(), department, Terms(valid_from=now + timedelta(hours=1)))
    assert valid_assignments(user) == []
    end_assignment(row.pk)
    assert not Assignment.objects.get(pk=row.pk).valid_to > now + timedelta(hours=1)


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        ({"purpose": "research"}, "unknown purpose 'research'"),
        ({"valid_to": timedelta(hours=-1)}, "the end must come after"),
        ({"valid_from": timedelta(hours=2), "valid_to": timedelta(hours=1)}, "the end must come after"),
        ({"valid_from": timedelta(days=400)}, "Provider [0-9]+ has ended by then"),
    ],
)
def test_terms_that_cannot_be_are_refused_in_words(department, user, terms, fault):
    now = timezone.now()
    CareProvider.objects.update(valid_to=now + timedelta(days=365))
    department.refresh_from_db()
    moments: dict[str, Any] = {
        name: now + value if isinstance(value, timedelta) else value for name, value in terms.items()
    }
    with pytest.raises(InvalidAssignment, match=fault):
        give_role(user, make_role(), department, Terms(**moments))
    assert not Assignment.objects.exists()
    assert read_access_epoch() == 0


def test_a_role_without_permissions_is_given_to_nobody(department, user):
    with pytest.raises(InvalidAssignment, match="has no permissions"):
        give_role(user, make_role("Tom", ()), department)


@pytest.mark.parametrize(
    ("hours", "overlaps"), [((0, 5), True), ((2, 3), True), ((4, None), True), ((5, None), False)]
)
def test_the_same_role_twice_at_a_time_is_refused(department, user, hours, overlaps):
    now = timezone.now()
    give_role(user, make_role(), department, Terms(valid_to=now + timedelta(hours=5)))
    begins, ends = (now + timedelta(hours=h) if h is not None else None for h in hours)
    if overlaps:
        with pytest.raises(InvalidAssignment, match="already"):
            give_role(user, make_role(), department, Terms(valid_from=begins, valid_to=ends))
    else:
        give_role(user, make_role(), department, Terms(valid_from=begins, valid_to=ends))
    give_role(user, make_role("Sköterska"), department)
    give_role(user, make_role(), make_department())


def test_a_change_of_a_role_is_told_before_it_is_made(department, user):
    role = make_role("Läkare", ("read_studies", "report"))
    for place in (department, make_department()):
        give_role(user, role, place)
    ended = give_role(User.objects.create(username="slutat"), role, make_department())
    end_assignment(ended.pk)
    change = compare_permissions(role, ["break_glass", "report"])
    assert (change.added, change.removed) == (("break_glass",), ("read_studies",))
    assert (change.departments, change.people) == (2, 1)
    assert change.permissions == ("report", "break_glass")
    assert Role.objects.get().permissions == ["read_studies", "report"]
    set_permissions(role, change.permissions, by=HEAD)
    assert Role.objects.get().permissions == ["report", "break_glass"]
    event = AuditEvent.objects.get(action="role_change")
    assert event.detail == {"role": "läkare", "added": ["break_glass"], "removed": ["read_studies"]}


def test_a_permission_that_is_none_is_refused(department):
    role = make_role()
    for attempt in (compare_permissions, set_permissions):
        with pytest.raises(UnknownPermission, match="unknown permission fly"):
            attempt(role, ["read_studies", "fly"])
    Role.objects.update(permissions=["fly"])
    with pytest.raises(UnknownPermission):
        ensure_group(Role.objects.get(), department)
    assert not DepartmentGroupPermission.objects.exists()


def test_roles_whose_codes_begin_alike_are_apart(department, user):
    give_role(user, make_role("Läk", ("report",)), department)
    give_role(user, make_role("Läkare", ("read_studies",)), department)
    set_permissions(Role.objects.get(code="läk"), ["export"])
    found = DepartmentGroupPermission.objects.values_list("group__name", "permission__codename")
    assert dict(found) == {
        f"läk@{department.hsa_id}": "export",
        f"läkare@{department.hsa_id}": "read_studies",
    }
