"""What a patient decides reaches the deliveries that wait for it, and no others."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.epochs import raise_access_epoch
from access.models import CareProvider, Department, SharingAgreement
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import Recipient, register_consent
from registry.models import Block, Destination, Study, Subscription
from registry.shares import share_study, withdraw_share
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue.basis import follow_decisions, release_awaiting
from repository.delivery.queue.deadlines import expire_overdue
from repository.models import Delivery
from tests.registry.care import make_doctor
from tests.registry.factories import make_department

WAITS = "awaiting_basis"


@pytest.fixture
def studies(region, make_quiet) -> list[Study]:
    """Two studies of two patients, planned."""
    follow_decisions()
    made = [make_quiet(), make_quiet()]
    plan_deliveries()
    return made


def block(region, study: Study) -> Block:
    return register_block(make_doctor(region.hospital), study.person, Holder(unit_id=region.hospital.unit_id))


def state_of(study: Study) -> str:
    return Delivery.objects.get(study=study).state


def test_a_block_holds_back_what_waits_for_its_turn(region, studies):
    block(region, studies[0])
    assert follow_decisions() == 1
    assert [state_of(study) for study in studies] == [WAITS, "ready"]


def test_what_waits_goes_as_soon_as_the_block_is_cancelled(region, studies):
    row = block(region, studies[0])
    follow_decisions()
    cancel_block(make_doctor(region.hospital), row, reason="the patient took it back")
    assert follow_decisions() == 1
    assert state_of(studies[0]) == "ready"
    assert Delivery.objects.get(study=studies[0]).reason_code == "queued"


def test_a_recall_goes_in_spite_of_a_block(region, studies):
    Delivery.objects.filter(study=studies[0]).update(kind="recall")
    block(region, studies[0])
    assert follow_decisions() == 0


def test_looks_at_nobody_elses_deliveries(region, make_quiet, studies):
    def count_queries() -> int:
        row = block(region, studies[0])
        cancel_block(make_doctor(region.hospital), row, reason="the patient took it back")
        with CaptureQueriesContext(connection) as queries:
            follow_decisions()
        return len(queries)

    follow_decisions()
    few = count_queries()
    for _ in range(10):
        make_quiet()
    plan_deliveries()
    Delivery.objects.exclude(study=studies[0]).update(state=WAITS)
    follow_decisions()
    Delivery.objects.exclude(study=studies[0]).update(state=WAITS)
    assert count_queries() == few
    assert Delivery.objects.filter(state=WAITS).count() == 11
    assert release_awaiting() == 11


def test_what_has_no_basis_by_its_deadline_ends_unsent_and_says_so(region, studies):
    block(region, studies[0])
    follow_decisions()
    Delivery.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert expire_overdue() == 2
    rows = Delivery.objects.order_by("pk")
    assert [(row.state, row.reason_code) for row in rows] == [
        ("dead", "basis_too_late"),
        ("dead", "deadline_passed"),
    ]
    assert all(row.ended_at for row in rows)


@pytest.fixture
def outside(region, make_quiet) -> tuple[Department, Study]:
    """A department of another provider that subscribes, and a study that it has no basis for."""
    follow_decisions()
    department = make_department(CareProvider.objects.create(hsa_id="SE-Q", name="Private"))
    destination = Destination.objects.create(department=department, name="P", url=region.destination.url)
    Subscription.objects.create(department=department, destination=destination)
    agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
    agreement.parties.set([region.hospital.unit.provider, department.unit.provider])
    raise_access_epoch()
    study = make_quiet()
    plan_deliveries()
    Delivery.objects.exclude(destination=destination).delete()
    assert Delivery.objects.get().state == WAITS
    return department, study


def test_goes_with_the_consent_to_another_provider(outside):
    department, study = outside
    register_consent(
        make_doctor(department),
        study.person,
        Recipient(provider_id=department.unit.provider_id),
        valid_to=timezone.now() + timedelta(days=30),
        text_version="1",
    )
    assert follow_decisions() == 1
    assert Delivery.objects.get().state == "ready"


def test_goes_with_a_share(region, outside):
    department, study = outside
    share_study(make_doctor(region.hospital), study, department, basis="referral")
    assert follow_decisions() == 1
    assert Delivery.objects.get().state == "ready"


def test_waits_again_when_the_share_is_withdrawn_before_it_is_sent(region, outside):
    department, study = outside
    doctor = make_doctor(region.hospital)
    share = share_study(doctor, study, department, basis="referral")
    follow_decisions()
    withdraw_share(doctor, share)
    assert follow_decisions() == 1
    assert Delivery.objects.get().state == WAITS


def test_two_that_follow_at_once_release_once(region, outside):
    department, study = outside
    share_study(make_doctor(region.hospital), study, department, basis="referral")
    assert follow_decisions() + follow_decisions() == 1
