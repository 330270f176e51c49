"""Receipts of a study and the worklist over the management API: who may know what became of it, and who works it off."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import DepartmentMilestone, Destination, WorklistItem
from registry.worklist import put_on_worklist
from tests.deploy.distribution.conftest import Keeper
from tests.deploy.distribution.test_deliveries import make_delivery
from tests.registry.factories import make_department, make_relation, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(db):
    return make_department()


@pytest.fixture
def study(clinic, hospital, elsewhere, archive):
    """A study of the clinic, delivered to the hospital and on its way elsewhere; opened at the hospital."""
    row = make_study(clinic)
    now = timezone.now()
    make_delivery(row, archive, state="dead", reason_code="deadline_passed")
    make_delivery(row, archive, generation=2, state="delivered", reason_code="delivered", delivered_at=now)
    make_delivery(row, archive, kind="report", subject="7", state="delivered", reason_code="delivered")
    other = Destination.objects.create(department=elsewhere, name="RIS", url="mllp://127.0.0.1:1")
    make_delivery(row, other)
    DepartmentMilestone.objects.create(
        study=row, department=hospital, delivered_at=now, first_opened_at=now + timedelta(minutes=3)
    )
    return row


def test_who_sends_for_the_keeping_unit_sees_every_department(clinic, hospital, elsewhere, study):
    sender = Keeper(clinic, "push")
    status, found = sender.get(f"studies/{study.study_instance_uid}/receipts")
    assert status == 200
    first, second = found["results"]
    assert (first["department"], second["department"]) == (hospital.hsa_id, elsewhere.hsa_id)
    assert first["delivered_at"] < first["first_opened_at"]
    newest = [(row["kind"], row["generation"], row["state"]) for row in first["deliveries"]]
    assert sorted(newest) == [("report", 1, "delivered"), ("study", 2, "delivered")]
    assert (second["delivered_at"], second["first_opened_at"]) == (None, None)
    assert [row["state"] for row in second["deliveries"]] == ["ready"]


def test_who_may_read_the_study_sees_every_department(clinic, study):
    doctor = Keeper(clinic, "read_studies")
    status, found = doctor.get(f"studies/{study.study_instance_uid}/receipts")
    assert (status, len(found["results"])) == (200, 2)


def test_who_keeps_a_receiver_sees_its_own_only(keeper, hospital, study):
    status, found = keeper.get(f"studies/{study.study_instance_uid}/receipts")
    assert status == 200
    assert [row["department"] for row in found["results"]] == [hospital.hsa_id]


def test_to_others_the_study_is_unknown(study, db):
    for rights in (("read_studies",), ("push",), ("keep_destinations",)):
        other = Keeper(make_department(), *rights)
        answer = other.get(f"studies/{study.study_instance_uid}/receipts")
        assert answer == other.get("studies/2.25.404/receipts")
        assert answer[0] == 404
    assert Keeper(make_department(), "review_access").get("studies/2.25.404/receipts")[0] == 403


def test_the_worklist_names_what_may_be_read_and_is_worked_off(clinic):
    doctor = Keeper(clinic, "read_studies")
    normal, urgent = make_study(clinic), make_study(clinic)
    put_on_worklist(clinic, normal, priority_rank=1, reason="Follow-up")
    put_on_worklist(clinic, urgent, priority_rank=0)
    status, found = doctor.get("worklist")
    assert status == 200
    rows = found["results"]
    assert [row["study_instance_uid"] for row in rows] == [
        urgent.study_instance_uid,
        normal.study_instance_uid,
    ]
    assert [(row["priority"], row["state"], row["needs"]) for row in rows] == [
        ("urgent", "new", ""),
        ("normal", "new", ""),
    ]
    status, done = doctor.post(f"worklist/{rows[0]['id']}/done")
    assert (status, done["state"], done["done_by"]) == (200, "done", doctor.user.username)
    assert doctor.post(f"worklist/{rows[0]['id']}/done")[0] == 409
    assert [row["reason"] for row in doctor.get("worklist")[1]["results"]] == ["Follow-up"]
    assert [row["state"] for row in doctor.get("worklist", state="done")[1]["results"]] == ["done"]
    assert doctor.get("worklist", state="lost")[0] == 400


def test_the_worklist_of_another_department_is_unknown(clinic, hospital):
    item = put_on_worklist(clinic, make_study(clinic))
    other = Keeper(hospital, "read_studies")
    assert other.get("worklist") == (200, {"results": []})
    assert other.post(f"worklist/{item.pk}/done") == other.post("worklist/999999/done")
    assert other.post(f"worklist/{item.pk}/done")[0] == 404
    assert WorklistItem.objects.get().state == "new"
    assert Keeper(clinic, "push").get("worklist")[0] == 403


def test_an_item_that_may_not_be_read_yet_names_no_study(clinic):
    same_provider = make_department(clinic.unit.provider)
    study = make_study(same_provider)
    make_relation(study.person, clinic.unit)
    put_on_worklist(clinic, study)
    doctor = Keeper(clinic, "read_studies")
    [row] = doctor.get("worklist")[1]["results"]
    assert (row["needs"], row["study_instance_uid"]) == ("choice", None)
