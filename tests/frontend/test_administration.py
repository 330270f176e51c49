"""The head of a department manages its members, staff the roles; looking at a role opens nothing."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.assignments import valid_assignments
from access.authentication import SESSION_ASSIGNMENT, person_actor
from access.models import Assignment, AuditEvent, CareProcess, Role, SharingAgreement, User
from tests.frontend import factory
from tests.registry.factories import make_department, make_study
from tests.support.people import change_assignment, give_assignment, make_role

HEAD = ("read_studies", "manage_members")
MEMBERS, ROLES, VIEW_AS = (f"/administration/{page}/" for page in ("members", "roles", "roles/view-as"))


def log_in(user, assignment=None):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    if assignment is not None:
        session = client.session
        session[SESSION_ASSIGNMENT] = assignment.pk
        session.save()
    return client


@pytest.fixture
def head(world):
    user = User.objects.create(username="chef", first_name="Ylva", last_name="Ståhl")
    give_assignment(user, world.region.lund, "Verksamhetschef", HEAD)
    return log_in(user)


@pytest.fixture
def staff(world, settings):
    settings.STEP_UP = False
    user = User.objects.create(username="forvaltare", is_staff=True)
    give_assignment(user, world.region.lund, "Systemförvaltare", ("manage_members",))
    return log_in(user)


def read(client, address, **values):
    return client.get(address, values).content.decode()


def test_only_who_manages_members_comes_in(world, portal, head):
    for address in (MEMBERS, ROLES, VIEW_AS):
        assert portal.get(address).status_code == 403, address
        assert head.get(address).status_code == 200, address
    assert portal.post(MEMBERS, {"person": "x"}).status_code == 403
    own = world.person.assignments.get()
    assert portal.post(f"{MEMBERS}{own.pk}/end/").status_code == 403
    assert Assignment.objects.get(pk=own.pk).valid_to is None
    assert "/administration/members/" not in read(portal, "/")
    assert "/administration/members/" in read(head, "/")


def test_a_head_gives_and_ends_an_assignment(world, head):
    User.objects.create(username="anna", first_name="Anna", last_name="Ek", hsa_id="SE-ANNA")
    make_role("Sjuksköterska", ("read_studies",))
    last = timezone.localdate() + timedelta(days=30)
    values = {"role": "sjuksköterska", "purpose": "care", "last_day": str(last)}
    answer = head.post(MEMBERS, {"person": " se-anna ", **values})
    assert answer.headers["Location"] == f"{MEMBERS}?done=given"
    row = Assignment.objects.get(user__username="anna")
    assert (row.department, row.role, row.purpose) == (world.region.lund, "Sjuksköterska", "care")
    assert timezone.localtime(row.valid_to).date() == last + timedelta(days=1)
    page = read(head, MEMBERS, done="given")
    assert "Anna Ek" in page
    assert f"until {last}" in page
    assert "The assignment has been given." in page
    assert (
        "This person has this role here already."
        in head.post(MEMBERS, {"person": "anna", **values}).content.decode()
    )
    assert valid_assignments(row.user) == [row]
    assert head.post(f"{MEMBERS}{row.pk}/end/").headers["Location"] == f"{MEMBERS}?done=ended"
    assert valid_assignments(row.user) == []
    assert head.post(f"{MEMBERS}{row.pk}/end/").headers["Location"] == f"{MEMBERS}?done=ended_before"
    assert "1 ended in the last 90 days" in read(head, MEMBERS)
    events = AuditEvent.objects.filter(action__startswith="assignment_").values_list("action", "actor")
    assert list(events) == [("assignment_give", "chef"), ("assignment_end", "chef")]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"person": "nobody"}, "Nobody with an account here is called so."),
        ({"person": ""}, "This field is required."),
        ({"person": "a\0b"}, "Null characters are not allowed."),
        ({"person": "chef"}, "Nobody gives themselves an assignment."),
        ({"role": "verksamhetschef"}, "Select a valid choice."),
        ({"role": "granskare"}, "Select a valid choice."),
        ({"purpose": "research"}, "Select a valid choice."),
        ({"last_day": "2020-01-01"}, "That day is over"),
        ({"last_day": "9999-12-31"}, "too far away"),
        ({"last_day": "soon"}, "Write the day as 2026-01-31."),
    ],
)
def test_what_cannot_be_given_is_said_beside_the_form(world, head, values, fault):
    User.objects.create(username="anna")
    make_role("Läkare")
    make_role("Granskare", ("review_access",))
    count = Assignment.objects.count()
    page = head.post(MEMBERS, {"person": "anna", "role": "läkare", "purpose": "care"} | values)
    assert page.status_code == 200
    assert fault in page.content.decode()
    assert Assignment.objects.count() == count


def test_roles_that_watch_over_others_are_given_by_staff(world, staff):
    User.objects.create(username="anna")
    make_role("Verksamhetschef", HEAD)
    answer = staff.post(MEMBERS, {"person": "anna", "role": "verksamhetschef", "purpose": "care"})
    assert answer.status_code == 302
    assert Assignment.objects.filter(user__username="anna", role="Verksamhetschef").exists()


def test_a_head_reaches_the_own_department_only(world, head):
    other = give_assignment(User.objects.create(username="olle", last_name="Ödman"), world.region.ystad)
    assert "Ödman" not in read(head, MEMBERS)
    assert head.post(f"{MEMBERS}{other.pk}/end/").status_code == 404
    assert head.post(f"{MEMBERS}999999/end/").status_code == 404
    assert valid_assignments(other.user) == [other]


def test_an_assignment_that_watches_over_others_is_ended_by_staff(world, head, staff):
    officer = User.objects.create(username="ombud", last_name="Granskare")
    row = give_assignment(officer, world.region.lund, "Dataskydd", ("review_access",))
    assert "ended by staff" in read(head, MEMBERS)
    assert head.post(f"{MEMBERS}{row.pk}/end/").status_code == 403
    assert valid_assignments(officer) == [row]
    event = AuditEvent.objects.get(action="assignment_end")
    assert (event.outcome, event.actor, event.detail["user"]) == ("refused", "chef", officer.pk)
    assert staff.post(f"{MEMBERS}{row.pk}/end/").status_code == 302
    assert valid_assignments(officer) == []


def test_a_head_who_ends_the_own_assignment_is_out_at_once(world, head):
    own = Assignment.objects.get(user__username="chef")
    assert "This is the assignment you work under." in read(head, MEMBERS)
    head.post(f"{MEMBERS}{own.pk}/end/")
    assert head.get(MEMBERS).headers["Location"].startswith("/assignment/")


def test_rights_to_manage_are_those_of_the_active_assignment(world):
    user = User.objects.create(username="bada")
    head = give_assignment(user, world.region.lund, "Verksamhetschef", HEAD)
    doctor = give_assignment(user, world.region.lund, "Läkare")
    assert log_in(user, head).get(MEMBERS).status_code == 200
    assert log_in(user, doctor).get(MEMBERS).status_code == 403


def test_states_of_assignments_are_said(world, head):
    for name, values in (
        ("Nyanställd", {"valid_from": timezone.now() + timedelta(days=2)}),
        ("Slutat", {"valid_to": timezone.now() - timedelta(days=2)}),
        ("Forntid", {"valid_to": timezone.now() - timedelta(days=200)}),
    ):
        user = User.objects.create(username=name.lower(), last_name=name)
        change_assignment(give_assignment(user, world.region.lund), **values)
    closed = User.objects.create(username="last", last_name="Låst", is_active=False)
    give_assignment(closed, world.region.lund)
    page = read(head, MEMBERS)
    assert "Not begun" in page
    assert "Account closed" in page
    assert "Slutat" in page
    assert "Forntid" not in page


def matrix_of(page):
    """Return the version and the ticked boxes of a matrix page."""
    version = page.split('name="version" value="')[1].split('"')[0]
    boxes = [part.split('"')[0] for part in page.split('name="given" value="')[1:] if " checked" in part[:80]]
    return version, boxes


def test_a_change_of_roles_is_seen_before_it_is_saved(world, staff):
    doctor = world.person.assignments.get()
    assert person_actor(world.person, doctor).permissions == {"read", "read_studies"}
    version, boxes = matrix_of(read(staff, ROLES))
    assert "läkare:read_studies" in boxes
    ticked = [box for box in boxes if box != "läkare:read_studies"] + ["läkare:report"]
    page = staff.post(ROLES, {"version": version, "given": ticked}).content.decode()
    assert "may from now on</span> Report studies" in page
    assert "may no longer</span> Read studies" in page
    assert "1 person, 1 department" in page
    assert person_actor(world.person, doctor).permissions == {"read", "read_studies"}
    saved = staff.post(ROLES, {"version": version, "given": ticked, "step": "save"})
    assert saved.headers["Location"] == f"{ROLES}?saved=1"
    assert person_actor(world.person, doctor).permissions == {"report"}
    event = AuditEvent.objects.get(action="role_change")
    assert (event.actor, event.detail["removed"]) == ("forvaltare", ["read_studies"])


def test_what_somebody_else_changed_meanwhile_is_not_saved_over(world, staff):
    version, boxes = matrix_of(read(staff, ROLES))
    Role.objects.filter(code="läkare").update(permissions=["read_studies", "export"])
    for step in ("", "save"):
        answer = staff.post(ROLES, {"version": version, "given": boxes, "step": step})
        assert answer.headers["Location"] == f"{ROLES}?stale=1"
    assert Role.objects.get(code="läkare").permissions == ["read_studies", "export"]
    assert "Somebody else has changed the roles" in read(staff, ROLES, stale="1")


def test_nothing_ticked_differently_changes_nothing(world, staff):
    version, boxes = matrix_of(read(staff, ROLES))
    page = staff.post(ROLES, {"version": version, "given": [*boxes, "läkare:fly", "nobody:report", "x"]})
    assert "Nothing changes" in page.content.decode()


def test_a_head_reads_the_matrix_and_changes_nothing(world, head):
    page = read(head, ROLES)
    assert "checkbox" not in page
    version = page.split('name="version" value="')[1].split('"')[0]
    assert head.post(ROLES, {"version": version, "given": [], "step": "save"}).status_code == 403
    assert Role.objects.get(code="läkare").permissions == ["read_studies"]


def test_changing_roles_needs_a_fresh_second_factor(world, staff, settings):
    settings.STEP_UP = True
    version, _ = matrix_of(read(staff, ROLES))
    answer = staff.post(ROLES, {"version": version, "given": [], "step": "save"})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/2fa/")
    assert Role.objects.get(code="läkare").permissions == ["read_studies"]


def test_looking_at_a_role_tells_what_it_may_and_sees(world, head):
    lund, ystad, private = world.region.lund, world.region.ystad, world.region.private
    process = CareProcess.objects.create(provider=lund.unit.provider, hsa_id="SE-PR", name="Bröst")
    process.units.set([lund.unit, ystad.unit])
    agreement = SharingAgreement.objects.create(name="Avtal", kind="cohesive")
    agreement.parties.set([lund.unit.provider, private.unit.provider])
    make_role("Sjuksköterska", ("read_studies", "grant_consent"))
    page = read(head, VIEW_AS, role="sjuksköterska", department=lund.pk)
    given, missing = page.split("May not do")[0].split(">May do<")[1], page.split("May not do")[1]
    for name in ("Read studies", "Register consent"):
        assert name in given
    for name in ("Lift blocks", "Manage members", "Emergency access"):
        assert name in missing
    assert ystad.unit.name in page
    assert private.unit.provider.name in page
    make_role("Vaktmästare", ("replay",))
    assert "The role does not read studies" in read(head, VIEW_AS, role="vaktmästare", department=lund.pk)


def test_the_previewed_header_is_the_one_that_the_role_gets(world, head):
    """For each kind of role: the links of the preview are those that a person in it is shown."""
    for name, permissions in (
        ("Ingen", ("replay",)),
        ("Läsare", ("read_studies",)),
        ("Chef", ("manage_members", "review_access", "register_block")),
    ):
        role = make_role(name, permissions)
        user = User.objects.create(username=f"person-{role.code}")
        give_assignment(user, world.region.lund, name, permissions)
        shown = read(log_in(user), "/").split('<nav class="sections"')[1].split("</nav>")[0]
        previewed = read(head, VIEW_AS, role=role.code, department=world.region.lund.pk)
        previewed = previewed.split('<div class="sections">')[1].split("</div>")[0]
        assert links_of(shown) == links_of(previewed) != [], name


def links_of(html):
    return [part.split('"')[0] for part in html.split('href="')[1:]]


def test_looking_at_a_role_gives_no_data_and_changes_nothing(world):
    """A head without the right to read looks at one who may: no table of patients and studies is touched."""
    user = User.objects.create(username="chef")
    give_assignment(user, world.region.lund, "Administratör", ("manage_members",))
    client = log_in(user)
    client.get("/")
    before = dict(client.session)
    with CaptureQueriesContext(connection) as queries:
        page = read(client, VIEW_AS, role="läkare", department=world.region.lund.pk)
    assert "Read studies" in page
    assert not [query for query in queries if "registry_" in query["sql"] or "repository_" in query["sql"]]
    for text in ("Åkesson", "19510305", "DT thorax"):
        assert text not in page
    assert dict(client.session) == before
    for address in (world.pages["patient"], world.pages["study"]):
        assert client.get(address).status_code in (403, 404)
    assert client.get("/dicom-web/studies").status_code == 403


def test_a_head_looks_at_roles_in_the_own_department_staff_in_all(world, head, staff):
    for client, status in ((head, 404), (staff, 200)):
        answer = client.get(VIEW_AS, {"role": "läkare", "department": world.region.ystad.pk})
        assert answer.status_code == status
    for values in (
        {"role": "x"},
        {"role": "läkare", "department": "x"},
        {"role": "läkare", "department": "9" * 30},
    ):
        assert head.get(VIEW_AS, values).status_code == 404


def test_a_role_without_the_right_to_read_sees_nothing_anywhere(world):
    user = factory.make_person(None, "skrivare")
    factory.assign(user, world.region.lund, "Sekreterare", ("report", "export"))
    client = log_in(user)
    assert client.get("/dicom-web/studies").status_code == 403
    assert client.get(f"/dicom-web/studies/{world.study.study_instance_uid}/metadata").status_code in (
        403,
        404,
    )
    for name in ("patient", "study", "stepper"):
        assert client.get(world.pages[name]).status_code in (403, 404), name
    assert "Åkesson" not in read(client, "/")
    reads = factory.assign(user, world.region.lund, "Läkare")
    client.post("/assignment/", {"assignment": reads.pk})
    assert client.get(world.pages["patient"]).status_code == 200


def test_search_asks_the_active_assignment(db):
    """Two roles in one department: QIDO answers under the one that reads, and refuses under the other."""
    department = make_department()
    study = make_study(department)
    user = User.objects.create(username="bada")
    writes = give_assignment(user, department, "Sekreterare", ("report",))
    reads = give_assignment(user, department, "Läkare")
    client = log_in(user, reads)
    found = client.get("/dicom-web/studies").json()
    assert [row["0020000D"]["Value"] for row in found] == [[study.study_instance_uid]]
    client.post("/assignment/", {"assignment": writes.pk})
    assert client.get("/dicom-web/studies").status_code == 403
