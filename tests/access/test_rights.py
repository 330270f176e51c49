"""What an assignment lets its person do: its one group's permissions in its one department, and no more."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone
from guardian.core import ObjectPermissionChecker
from guardian.shortcuts import assign_perm, get_objects_for_group, get_objects_for_user

from access.assignments import end_assignment, give_role, valid_assignments
from access.authentication import SESSION_ASSIGNMENT, Unauthenticated, authenticate, person_actor
from access.epochs import raise_access_epoch, read_access_epoch
from access.models import CareProcess, CareProvider, CareUnit, Department, DepartmentGroupPermission, User
from access.models.organisation import PERMISSIONS
from access.rights import rights_of
from access.roles import set_permissions
from tests.access.test_authentication import request_with
from tests.registry.factories import make_department
from tests.support.people import change_assignment, give_assignment, make_role

pytestmark = pytest.mark.django_db


@pytest.fixture
def department():
    return make_department()


@pytest.fixture
def user():
    return User.objects.create(username="doktor")


def test_the_permissions_are_those_of_the_group_in_guardians_table(department, user):
    assignment = give_assignment(user, department, "Radiolog", ("read_studies", "report", "break_glass"))
    actor = person_actor(user, assignment)
    assert actor.permissions == {"read", "read_studies", "report", "break_glass"}
    group = assignment.group
    assert group.name == f"radiolog@{department.hsa_id}"
    assert set(ObjectPermissionChecker(group).get_perms(department)) == {
        "read_studies",
        "report",
        "break_glass",
    }
    for codename in PERMISSIONS:
        found = get_objects_for_group(group, f"access.{codename}", Department, accept_global_perms=False)
        assert (department in found) == (codename in actor.permissions), codename


def test_a_door_asks_people_and_systems_by_the_same_words(department, user):
    actor = person_actor(user, give_assignment(user, department, "Teknik", ("write_studies",)))
    assert actor.permissions == {"write_studies", "store", "delete"}
    assert not actor.may("read")


def test_rights_of_two_assignments_are_never_united(department, user):
    """Two groups of one person, in one department and in two: only the active one counts, which the user asks for."""
    other = make_department(department.unit.provider)
    reads = give_assignment(user, department, "Läkare", ("read_studies",))
    reviews = give_assignment(user, department, "Granskare", ("review_access",))
    elsewhere = give_assignment(user, other, "Chef", ("manage_members", "read_studies"))
    user.groups.set([reads.group, reviews.group, elsewhere.group])
    expected = {
        reads.pk: ({"read", "read_studies"}, department),
        reviews.pk: ({"review_access"}, department),
        elsewhere.pk: ({"manage_members", "read", "read_studies"}, other),
    }
    for pk, (permissions, place) in expected.items():
        actor = authenticate(request_with(user=user, session={SESSION_ASSIGNMENT: pk}))
        assert actor.permissions == permissions
        assert actor.scope.department_id == place.pk
    united = get_objects_for_user(user, "access.read_studies", Department, accept_global_perms=False)
    assert set(united) == {department, other}


def test_what_a_group_or_a_person_was_given_otherwise_counts_for_nothing(department, user):
    assignment = give_assignment(user, department, "Läkare", ("report",))
    everything = Permission.objects.filter(content_type__app_label="access")
    assignment.group.permissions.set(everything)
    user.user_permissions.set(everything)
    user.is_superuser = user.is_staff = True
    user.save()
    assign_perm("read_studies", assignment.group, make_department(department.unit.provider))
    raise_access_epoch()
    assert person_actor(user, assignment).permissions == {"report"}


def test_a_role_changes_in_every_department_at_the_next_request(department, user):
    role = make_role("Läkare", ("read_studies", "report"))
    places = [department, make_department(), make_department()]
    rows = [give_role(user, role, place) for place in places]
    other = give_assignment(user, department, "Sekreterare", ("report",))
    assert rights_of(rows[1]).permissions == {"read", "read_studies", "report"}
    epoch = read_access_epoch()
    set_permissions(role, ["export", "report"])
    assert read_access_epoch() > epoch
    assert [rights_of(row).permissions for row in rows] == [{"export", "report"}] * 3
    assert rights_of(other).permissions == {"report"}
    assert role.permissions == ["report", "export"]
    assert DepartmentGroupPermission.objects.count() == 7


def test_an_ended_assignment_is_gone_at_the_next_request(department, user):
    row = give_assignment(user, department)
    request = request_with(user=user, session={SESSION_ASSIGNMENT: row.pk})
    assert authenticate(request).assignment_id == row.pk
    end_assignment(row.pk)
    with pytest.raises(Unauthenticated):
        authenticate(request)


def test_the_session_never_moves_to_another_assignment_by_itself(department, user):
    chosen = give_assignment(user, department, "Läkare")
    give_assignment(user, department, "Vikarie")
    request = request_with(user=user, session={SESSION_ASSIGNMENT: chosen.pk})
    end_assignment(chosen.pk)
    with pytest.raises(Unauthenticated):
        authenticate(request)


@pytest.mark.parametrize("level", ["assignment", "department", "unit", "provider"])
@pytest.mark.parametrize(("begins", "ends", "holds"), [(-1, 1, True), (-2, -1, False), (1, 2, False)])
def test_an_assignment_is_valid_within_all_its_periods(department, user, level, begins, ends, holds):
    row = give_assignment(user, department)
    now = timezone.now()
    period = {"valid_from": now + timedelta(hours=begins), "valid_to": now + timedelta(hours=ends)}
    if level == "assignment":
        change_assignment(row, **period)
    elif level == "department":
        Department.objects.filter(pk=department.pk).update(**period)
    elif level == "unit":
        CareUnit.objects.filter(pk=department.unit_id).update(**period)
    else:
        CareProvider.objects.filter(pk=department.unit.provider_id).update(**period)
    raise_access_epoch()
    assert bool(valid_assignments(user)) is holds


def test_an_assignment_that_runs_out_is_gone_though_nothing_was_changed(department, user, settings):
    row = give_assignment(user, department)
    row = change_assignment(row, valid_to=timezone.now() + timedelta(seconds=0.3))
    assert valid_assignments(user) == [row]
    while timezone.now() < row.valid_to:
        assert valid_assignments(user) in ([row], [])
    assert valid_assignments(user) == []


def test_a_warm_request_of_a_person_writes_nothing_and_asks_little(
    department, user, django_assert_num_queries
):
    row = give_assignment(user, department)
    request = request_with(user=user, session={SESSION_ASSIGNMENT: row.pk})
    authenticate(request)
    with django_assert_num_queries(2) as queries:
        authenticate(request)
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)


def test_units_of_a_care_process_are_own_ones(department, user):
    provider = department.unit.provider
    near, far = make_department(provider), make_department(provider)
    process = make_process(provider, department, near)
    make_process(provider, near, far)
    assignment = give_assignment(user, department)
    assert person_actor(user, assignment).scope.process_unit_ids == {near.unit_id}
    CareProcess.objects.filter(pk=process.pk).update(valid_to=timezone.now())
    raise_access_epoch()
    assert person_actor(user, assignment).scope.process_unit_ids == set()


def test_a_care_process_stays_within_its_provider_whatever_its_rows_say(department, user):
    stranger = make_department()
    make_process(department.unit.provider, department, stranger)
    make_process(stranger.unit.provider, department, stranger)
    assert person_actor(user, give_assignment(user, department)).scope.process_unit_ids == set()


def test_a_care_process_counts_within_its_time(department, user):
    now = timezone.now()
    near = make_department(department.unit.provider)
    make_process(
        department.unit.provider,
        department,
        near,
        valid_from=now + timedelta(seconds=5),
        valid_to=now + timedelta(seconds=9),
    )
    assignment = give_assignment(user, department)
    found = [bool(rights_of(assignment, now + timedelta(seconds=s)).process_unit_ids) for s in range(11)]
    assert found == [False] * 5 + [True] * 4 + [False] * 2


def make_process(provider, *departments, **values):
    row = CareProcess.objects.create(
        provider=provider, hsa_id=f"SE-PR{CareProcess.objects.count()}", name="Bröst", **values
    )
    row.units.set(place.unit for place in departments)
    raise_access_epoch()
    return row


def test_a_group_without_assignment_gives_nobody_anything(department, user):
    group = Group.objects.create(name="Alla")
    assign_perm("read_studies", group, department)
    user.groups.add(group)
    with pytest.raises(Unauthenticated):
        authenticate(request_with(user=user))
