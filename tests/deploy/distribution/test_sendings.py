"""Send now over the management API: sent by who keeps it, followed until it is opened, unknown to others."""

import pytest
from django.core.exceptions import ValidationError

from registry.models import Destination, PatientIdentifier, SendRequest, Study
from registry.send_now import department_of, receiving_departments
from registry.worklist import note_opened, put_on_worklist
from repository.delivery.planning.plan import plan_deliveries
from tests.deploy.test_merges_api import Keeper
from tests.registry.care import PERSONAL_NUMBER_OID, make_doctor
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital():
    return make_department()


@pytest.fixture
def ward():
    return make_department()


@pytest.fixture
def sender(hospital):
    return Keeper(hospital, "push")


def test_a_study_is_sent_and_followed_until_it_is_opened(sender, hospital, ward):
    study = make_study(hospital, instances=2)
    body = {"department": ward.hsa_id, "reason": "transfer tonight"}
    status, row = sender.post(f"studies/{study.study_instance_uid}/send", **body)
    assert (status, row["department"], row["priority"]) == (201, ward.hsa_id, "urgent")
    plan_deliveries()
    [sent] = sender.get(f"sendings/{row['id']}")[1]["studies"]
    assert (sent["study_instance_uid"], sent["is_listed"]) == (study.study_instance_uid, True)
    assert (sent["instances_planned"], sent["opened_by"]) == (0, "")
    doctor = make_doctor(ward)
    note_opened(doctor, study.pk)
    [sent] = sender.get(f"sendings/{row['id']}")[1]["studies"]
    assert sent["opened_by"] == doctor.subject
    assert [each["id"] for each in sender.get("sendings")[1]["results"]] == [row["id"]]


def test_a_patient_is_sent_by_reference(sender, hospital, ward):
    study = make_study(hospital)
    PatientIdentifier.objects.create(
        patient=study.person, value="191212121212", issuer=PERSONAL_NUMBER_OID, is_national=True
    )
    reference = sender.post("patients/find", value="191212121212")[1]["patient"]
    body = {"department": ward.hsa_id, "reason": "transfer tonight", "wants": ["images"]}
    status, row = sender.post(f"patients/{reference}/send", **body)
    assert (status, row["wants"]) == (201, ["images"])
    assert SendRequest.objects.get().study is None


def test_what_was_sent_is_unknown_to_other_units_and_taken_back_once(sender, hospital, ward):
    study = make_study(hospital)
    body = {"department": ward.hsa_id, "reason": "transfer tonight"}
    stranger = Keeper(ward, "push")
    assert stranger.post(f"studies/{study.study_instance_uid}/send", **body)[0] == 404
    key = sender.post(f"studies/{study.study_instance_uid}/send", **body)[1]["id"]
    assert stranger.get(f"sendings/{key}")[0] == 404
    assert stranger.get("sendings")[1]["results"] == []
    assert stranger.post(f"sendings/{key}/withdraw")[0] == 404
    assert sender.post(f"sendings/{key}/withdraw")[1]["withdrawn_at"] is not None
    assert sender.post(f"sendings/{key}/withdraw")[0] == 409
    assert Keeper(hospital, "report").get("sendings")[0] == 403


def test_priors_that_others_keep_are_not_told_to_the_sender(sender, hospital, ward):
    study = make_study(hospital)
    foreign = make_study(make_department())
    Study.objects.filter(pk=foreign.pk).update(person=study.person)
    body = {"department": ward.hsa_id, "reason": "transfer tonight"}
    key = sender.post(f"studies/{study.study_instance_uid}/send", **body)[1]["id"]
    put_on_worklist(ward, foreign)
    request = SendRequest.objects.get(pk=key)
    request.deliveries.model.objects.create(
        study=foreign,
        destination=_make_destination(ward),
        generation=1,
        kind="prior",
        send_request=request,
        planned_at=request.sent_at,
        not_before=request.sent_at,
        deadline_at=request.follows_until,
    )
    told = [each["study_instance_uid"] for each in sender.get(f"sendings/{key}")[1]["studies"]]
    assert told == [study.study_instance_uid]


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"wants": ["films"]}, {"wants": []}, {"priority": "bulk"}, {"follow_days": 1000}],
)
def test_what_cannot_be_sent_is_said_to_be_so(sender, hospital, ward, wrong):
    study = make_study(hospital)
    body = {"department": ward.hsa_id, "reason": "transfer tonight"} | wrong
    assert sender.post(f"studies/{study.study_instance_uid}/send", **body)[0] == 400
    assert not SendRequest.objects.exists()


def _make_destination(department):
    return Destination.objects.create(department=department, name="PACS", url="https://example.org/studies")


def test_a_provider_as_such_receives_at_the_department_that_it_names(sender, hospital, ward):
    study = make_study(hospital)
    provider = ward.unit.provider
    path, reason = f"studies/{study.study_instance_uid}/send", {"reason": "transfer tonight"}
    status, row = sender.post(path, provider=provider.hsa_id, **reason)
    assert (status, row["department"]) == (201, ward.hsa_id)  # it has no other
    other = make_department(provider)
    status, problem = sender.post(path, provider=provider.hsa_id, **reason)
    assert status == 400
    assert "name a department" in str(problem)
    provider.received_by = other
    provider.save()
    status, row = sender.post(path, provider=provider.hsa_id, **reason)
    assert (status, row["department"]) == (201, other.hsa_id)
    for both_or_none in ({}, {"provider": provider.hsa_id, "department": ward.hsa_id}):
        assert sender.post(path, **reason, **both_or_none)[0] == 400
    assert sender.post(path, provider="SE-NOBODY", **reason)[0] == 400
    assert SendRequest.objects.count() == 2


def test_a_department_of_another_provider_receives_nothing_for_it(hospital, ward):
    provider = ward.unit.provider
    provider.received_by = hospital
    with pytest.raises(ValidationError):
        provider.full_clean()
    provider.save()
    assert department_of(provider) == ward
    assert list(receiving_departments()) == []
