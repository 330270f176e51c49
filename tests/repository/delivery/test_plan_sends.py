"""What is sent now goes at once, hurries what waits, follows for some days and stops when it is taken back."""

import pytest
from django.utils import timezone

from registry import changes
from registry.models import Instance, Report, ReportVersion, WorklistItem
from registry.send_now import Sending, send_patient, send_study, withdraw_sending
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.registry.care import make_doctor
from tests.registry.factories import make_study, make_uid
from tests.repository.delivery.conftest import MEMORY

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(region):
    return make_doctor(region.hospital)


@pytest.fixture
def sending(region):
    return Sending(region.ward, "transfer tonight", wants=("images", "priors"))


def add_instance(study):
    known = Instance.objects.filter(series__study=study).first()
    known.pk, known.sop_instance_uid = None, make_uid()
    known.save()


def test_a_study_that_is_still_coming_goes_at_once_and_the_rest_follows(
    region, sender, sending, make_quiet, receiver
):
    study = make_study(region.hospital, modalities=("US",))
    request = send_study(sender, study, sending)
    assert plan_deliveries() == {"urgent"}
    planned = Delivery.objects.get()
    assert (planned.send_request, planned.subject) == (request, f"send:{request.pk}")
    assert (planned.kind, planned.priority, planned.subscription_ids) == ("study", "urgent", [])
    item = WorklistItem.objects.get()
    assert (item.department, item.priority_rank, item.reason) == (region.ward, 0, "transfer tonight")
    assert send_ready("worker", MEMORY)
    add_instance(study)
    make_quiet(study)
    assert plan_deliveries() == {"urgent"}
    assert send_ready("worker", MEMORY)
    assert sorted(receiver.stored) == sorted(Instance.objects.values_list("sop_instance_uid", flat=True))
    assert [row.generation for row in Delivery.objects.order_by("pk")] == [1, 2]


def test_what_waits_for_a_subscription_is_hurried_and_not_sent_twice(sender, sending, make_quiet):
    study = make_quiet()
    plan_deliveries()
    assert Delivery.objects.get().priority == "normal"
    request = send_study(sender, study, sending)
    assert plan_deliveries() == {"urgent"}
    planned = Delivery.objects.get()
    assert (planned.priority, planned.priority_rank, planned.send_request) == ("urgent", 0, request)


def test_a_patient_goes_with_the_priors_of_others_as_far_as_they_may(region, sender, sending):
    study = make_study(region.hospital, study_description="CT hjärna", study_date="20260110")
    prior = make_study(region.hospital, study_description="CT hjärna", study_date="20250110")
    prior.person = study.person
    prior.save()
    send_patient(sender, study.person, sending)
    plan_deliveries()
    kinds = dict(Delivery.objects.values_list("study", "kind"))
    assert kinds.keys() == {study.pk, prior.pk}
    assert set(Delivery.objects.values_list("priority", flat=True)) == {"urgent"}
    assert WorklistItem.objects.count() == 2


def test_what_is_taken_back_is_not_sent(region, sender, sending, make_quiet):
    study = make_study(region.hospital, modalities=("US",))
    request = send_study(sender, study, sending)
    plan_deliveries()
    withdraw_sending(sender, request)
    plan_deliveries()
    planned = Delivery.objects.get()
    assert (planned.state, planned.reason_code) == ("withdrawn", "sending_withdrawn")
    assert not send_ready("worker", MEMORY)
    make_quiet(study)
    assert plan_deliveries() == frozenset()


def test_a_worker_asks_again_whether_it_was_taken_back(region, sender, sending, receiver):
    study = make_study(region.hospital, modalities=("US",))
    request = send_study(sender, study, sending)
    plan_deliveries()
    withdraw_sending(sender, request)
    assert send_ready("worker", MEMORY)
    assert Delivery.objects.get().state == "withdrawn"
    assert receiver.stored == []


def test_every_version_of_the_report_goes_along_and_what_is_written_later(region, sender, make_quiet):
    region.destination.url = "mllp://127.0.0.1:2575"
    region.destination.save()
    study = make_study(region.hospital, modalities=("US",))
    add_report(study, "preliminary")
    send_study(sender, study, Sending(region.ward, "transfer tonight", wants=("report",)))
    assert plan_deliveries() == {"urgent"}
    planned = Delivery.objects.get()
    assert (planned.kind, planned.priority) == ("report", "urgent")
    report = Report.objects.get()
    ReportVersion.objects.create(
        report=report, number=2, status="final", text="Svar", authored_at=timezone.now()
    )
    changes.append("report_version", study.study_instance_uid, {"report": report.pk})
    assert plan_deliveries() == {"urgent"}
    assert [row.generation for row in Delivery.objects.order_by("generation")] == [1, 2]


def add_report(study, status):
    report = Report.objects.create(patient=study.person, filler_number=make_uid())
    report.studies.add(study)
    ReportVersion.objects.create(
        report=report, number=1, status=status, text="Text", authored_at=timezone.now()
    )
