"""Merges over the management API: found by number, looked at, parted with a reason; nobody else learns of them."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from access.authentication import SESSION_ASSIGNMENT, issue_token
from access.models import ApiClient, AuditEvent, User
from registry.identity import find_patient
from registry.merges import link, merge
from registry.models import PatientMerge, Study
from tests.registry.factories import make_department
from tests.registry.test_merges import OID, A, B, C, make_study_of
from tests.support.people import give_assignment

pytestmark = pytest.mark.django_db


class Keeper:
    """Somebody with a session in a department."""

    def __init__(self, department, *rights, is_staff=False):
        self.user = User.objects.create(username=f"keeper-{User.objects.count()}", is_staff=is_staff)
        assignment = give_assignment(self.user, department, f"Role {len(rights)} {rights[0]}", rights)
        self.client = Client()
        self.client.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")
        session = self.client.session
        session[SESSION_ASSIGNMENT] = assignment.pk
        session.save()

    def get(self, path, **query):
        response = self.client.get(f"/api/v1/{path}", query)
        return response.status_code, json.loads(response.content)

    def post(self, path, **body):
        response = self.client.post(f"/api/v1/{path}", json.dumps(body), "application/json")
        return response.status_code, json.loads(response.content)


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.STEP_UP = False


@pytest.fixture
def hospital():
    return make_department()


@pytest.fixture
def merged(hospital):
    """Two studies of the hospital, one of another provider, all of one person since the merge."""
    for number in (A, B):
        make_study_of(number, hospital)
    make_study_of(A, make_department())
    return merge(B, A, source="RIS", message_id="42")


@pytest.fixture
def keeper(hospital):
    return Keeper(hospital, "keep_identity")


def test_a_merge_is_listed_with_the_number_that_it_moved(keeper, merged):
    status, answer = keeper.get("merges")
    assert (status, answer["next"]) == (200, None)
    [row] = answer["results"]
    assert (row["id"], row["kind"], row["told_by"], row["message_id"]) == (merged.pk, "merge", "RIS", "42")
    assert row["moved_numbers"] == [{"value": "A", "issuer": OID, "fault": ""}]
    assert row["survivor"] != row["subsumed"]
    assert str(merged.survivor_id) not in (row["survivor"], row["subsumed"])


def test_what_it_moved_is_told_and_of_studies_the_own_ones_are_named(keeper, merged, hospital):
    own = Study.objects.get(custodian=hospital, patient_id="A")
    status, row = keeper.get(f"merges/{merged.pk}")
    assert status == 200
    assert {"table": "registry.Study", "rows": 2} in row["moved"]
    assert {"table": "registry.PatientIdentifier", "rows": 1} in row["moved"]
    assert row["studies"] == [own.study_instance_uid]
    read = AuditEvent.objects.filter(action="merge_read", actor=keeper.user.username)
    assert set(read.values_list("patient_id", flat=True)) == {merged.survivor_id, merged.subsumed_id}


def test_merges_are_found_by_number_kind_and_time(keeper, merged, hospital):
    make_study_of(C, hospital)
    later = link(C, B, source="officer")
    for number in "ABC":
        status, found = keeper.post("merges/search", patient_number=number, issuer=OID)
        assert (status, [row["id"] for row in found["results"]]) == (200, [later.pk, merged.pk])
    assert keeper.post("merges/search", patient_number="Z", issuer=OID)[1]["results"] == []
    only = keeper.post("merges/search", patient_number="A", issuer=OID, kind=["link"])[1]["results"]
    assert [row["id"] for row in only] == [later.pk]
    for query, expected in (
        ({"kind": "merge"}, [merged.pk]),
        ({"kind": ["merge", "link"]}, [later.pk, merged.pk]),
        ({"made_before": later.made_at.isoformat()}, [merged.pk]),
        ({"made_since": timezone.now().isoformat()}, []),
        ({"state": "undone"}, []),
    ):
        assert [row["id"] for row in keeper.get("merges", **query)[1]["results"]] == expected, query
    first = keeper.get("merges", limit=1)[1]
    assert [row["id"] for row in first["results"]] == [later.pk]
    second = keeper.get("merges", limit=1, cursor=first["next"])[1]
    assert ([row["id"] for row in second["results"]], second["next"]) == ([merged.pk], None)


def test_an_undo_says_why_and_gives_back(keeper, merged, hospital):
    assert keeper.post(f"merges/{merged.pk}/undo")[0] == 400
    status, row = keeper.post(f"merges/{merged.pk}/undo", reason="two people with one name")
    assert (status, row["undo_reason"]) == (200, "two people with one name")
    assert find_patient(A) != find_patient(B)
    told = AuditEvent.objects.filter(action="patient_merge_undone", actor=keeper.user.username)
    assert told.count() == 2
    status, error = keeper.post(f"merges/{merged.pk}/undo", reason="again")
    assert status == 409
    assert "undone already" in json.dumps(error)


def test_a_merge_on_which_another_rests_is_named(keeper, merged):
    later = merge(C, B, source="RIS")
    status, error = keeper.post(f"merges/{merged.pk}/undo", reason="two people")
    assert status == 409
    assert f"later {later.pk}" in json.dumps(error)


def test_an_undo_needs_a_fresh_second_factor(keeper, merged, settings):
    settings.STEP_UP = True
    assert keeper.get("merges")[0] == 200
    assert keeper.post(f"merges/{merged.pk}/undo", reason="two people")[0] == 403
    assert PatientMerge.objects.get().undone_at is None


def test_nobody_else_learns_of_it(merged, hospital):
    outsider = Keeper(make_department(), "keep_identity")
    assert outsider.get("merges") == (200, {"results": [], "next": None})
    for answer in (
        outsider.get(f"merges/{merged.pk}"),
        outsider.get(f"merges/{merged.pk + 1000}"),
        outsider.post(f"merges/{merged.pk}/undo", reason="x"),
    ):
        assert answer[0] == 404
    assert outsider.post("merges/search", patient_number="A", issuer=OID)[1]["results"] == []
    doctor = Keeper(hospital, "read_studies", "review_access", "manage_members")
    assert doctor.get("merges")[0] == doctor.get(f"merges/{merged.pk}")[0] == 403
    assert doctor.post(f"merges/{merged.pk}/undo", reason="x")[0] == 403
    token = issue_token(ApiClient.objects.create(name="pacs", department=hospital), ("read", "store")).text
    answer = Client().get("/api/v1/merges", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert Client().get("/api/v1/merges").status_code == 401


def test_staff_with_the_right_keeps_those_of_every_provider(merged):
    staff = Keeper(make_department(), "keep_identity", is_staff=True)
    assert [row["id"] for row in staff.get("merges")[1]["results"]] == [merged.pk]
    assert len(staff.get(f"merges/{merged.pk}")[1]["studies"]) == 2
