"""Priors are planned with a study and for an order, once, and wait for the consent that lets them go."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import changes
from registry.models import Instance, Order, Report, ReportVersion, Study
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.registry.factories import make_department, make_study
from tests.repository.delivery.conftest import MEMORY

pytestmark = pytest.mark.django_db


@pytest.fixture
def wants_priors(region):
    region.subscription.wants = ["images", "priors"]
    region.subscription.save()
    return region


def of(person, department, **values) -> Study:
    values.setdefault("study_description", "CT hjärna")
    study = make_study(department, **values)
    study.person = person
    study.save()
    return study


def order_for(region, person, **values) -> Order:
    order = Order.objects.create(
        patient=person,
        accession_number="A9",
        accession_issuer="SE-X",
        performing_department=region.ward,
        procedure_text="DT hjärna",
        **values,
    )
    tell(order)
    return order


def tell(order) -> None:
    changes.append("order_changed", "", {"order": order.pk})


def test_a_study_brings_its_priors_to_a_subscriber_that_wants_them(wants_priors, make_quiet):
    now = make_quiet(study_description="CT hjärna", study_date="20260110")
    prior = of(now.person, wants_priors.hospital, study_date="20250110")
    of(now.person, wants_priors.hospital, study_date="20250110", study_description="CT knä")
    of(now.person, wants_priors.ward, study_date="20250110")
    assert plan_deliveries() == {"normal", "prior"}
    planned = Delivery.objects.get(kind="prior")
    assert (planned.study, planned.priority, planned.state) == (prior, "prior", "ready")
    assert planned.because == {"study": now.study_instance_uid}
    assert planned.subscription_ids == [wants_priors.subscription.pk]
    make_quiet(now)
    plan_deliveries()
    assert Delivery.objects.filter(kind="prior").count() == 1


def test_a_subscriber_that_does_not_want_priors_gets_none(region, make_quiet):
    now = make_quiet(study_description="CT hjärna", study_date="20260110")
    of(now.person, region.hospital, study_date="20250110")
    plan_deliveries()
    assert not Delivery.objects.filter(kind="prior").exists()


def test_an_order_brings_priors_half_an_hour_before_the_examination(wants_priors, receiver):
    prior = make_study(wants_priors.hospital, study_description="CT hjärna", study_date="20250110")
    when = timezone.now() + timedelta(days=2)
    order = order_for(wants_priors, prior.person, scheduled_at=when)
    assert plan_deliveries() == {"prior"}
    planned = Delivery.objects.get()
    assert planned.because == {"order": order.pk}
    assert planned.deadline_at == when - timedelta(minutes=30)
    assert send_ready("worker", MEMORY)
    assert Delivery.objects.get().state == "delivered"
    assert receiver.stored == list(Instance.objects.values_list("sop_instance_uid", flat=True))
    tell(order)
    assert plan_deliveries() == frozenset()


@pytest.mark.parametrize("change", ["cancelled", "late", "elsewhere"])
def test_an_order_that_needs_no_priors_brings_none(wants_priors, change):
    prior = make_study(wants_priors.hospital, study_description="CT hjärna", study_date="20250110")
    when = timezone.now() + (timedelta(minutes=20) if change == "late" else timedelta(days=1))
    order = order_for(wants_priors, prior.person, scheduled_at=when)
    if change == "elsewhere":
        order.performing_department = make_department()
    if change == "cancelled":
        order.status = "cancelled"
    order.save()
    assert plan_deliveries() == frozenset()
    assert not Delivery.objects.exists()


def test_a_cancelled_order_takes_its_priors_back(wants_priors):
    prior = make_study(wants_priors.hospital, study_description="CT hjärna", study_date="20250110")
    order = order_for(wants_priors, prior.person, scheduled_at=timezone.now() + timedelta(days=1))
    plan_deliveries()
    order.status = "cancelled"
    order.save()
    tell(order)
    plan_deliveries()
    planned = Delivery.objects.get()
    assert (planned.state, planned.reason_code) == ("withdrawn", "order_cancelled")


def test_a_prior_of_another_provider_waits_for_consent(wants_priors):
    prior = make_study(make_department(), study_description="CT hjärna", study_date="20250110")
    order_for(wants_priors, prior.person, scheduled_at=timezone.now() + timedelta(days=1))
    assert plan_deliveries() == frozenset()
    assert Delivery.objects.get().state == "awaiting_basis"


def test_no_more_priors_than_the_subscription_says(wants_priors):
    wants_priors.subscription.max_priors = 1
    wants_priors.subscription.save()
    newest = make_study(wants_priors.hospital, study_description="CT hjärna", study_date="20250110")
    of(newest.person, wants_priors.hospital, study_date="20240110")
    order_for(wants_priors, newest.person)
    plan_deliveries()
    assert Delivery.objects.get().study == newest


@pytest.mark.parametrize(("status", "goes"), [("final", True), ("preliminary", False)])
def test_a_prior_goes_with_its_final_report(wants_priors, status, goes):
    prior = make_study(wants_priors.hospital, study_description="CT hjärna", study_date="20250110")
    report = Report.objects.create(patient=prior.person, filler_number="R1")
    report.studies.add(prior)
    ReportVersion.objects.create(
        report=report, number=1, status=status, text="Text", authored_at=timezone.now()
    )
    order_for(wants_priors, prior.person)
    plan_deliveries()
    assert Delivery.objects.filter(kind="prior").exists()
    assert Delivery.objects.filter(kind="report", priority="prior").exists() == goes
