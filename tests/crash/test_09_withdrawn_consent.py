"""Case 9: a block, or an opt-out, is registered while a study is queued, leased, or half sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from access.models import CareProvider, Department
from registry import changes
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.flags import end_flag, set_flag
from registry.models import Block, Destination, PatientFlag, Study, Subscription
from repository.delivery import send as sending
from repository.delivery.duties import plan_deliveries, release_awaiting, send_ready
from repository.delivery.queue.schedule import claim
from repository.delivery.send import Source, send
from repository.models import Delivery
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import hurry, padded_source, send_all
from tests.registry.care import make_doctor
from tests.registry.factories import make_department
from tests.repository.delivery.conftest import list_instances
from tests.support.delivery_worker import stream_padded
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(region, make_quiet, settings, monkeypatch) -> Study:
    """A study of three instances, planned; each goes in a request of its own."""
    monkeypatch.setattr(sending, "MAX_REQUEST_INSTANCES", 1)
    made: Study = make_quiet(instances=3)
    plan_deliveries()
    return made


def block(region, study: Study) -> None:
    actor = make_doctor(region.hospital)
    register_block(actor, study.person, Holder(unit_id=region.hospital.unit_id))


def opt_out(region, study: Study) -> None:
    set_flag(make_doctor(region.hospital), study.person, "opted_out")


def undo(region) -> None:
    """Take both back."""
    actor = make_doctor(region.hospital)
    for row in Block.objects.all():
        cancel_block(actor, row, reason="the patient took it back")
    for flag in PatientFlag.objects.all():
        end_flag(actor, flag)


REFUSALS = {"block": block, "opt-out": opt_out}


@pytest.fixture(params=REFUSALS)
def refuse(request, settings, region):
    """What the patient does. An opt-out closes to other units of the provider only where the region says so."""
    settings.OPT_OUT_SPARES_PROVIDER = False
    return REFUSALS[request.param]


def assert_waits(system: Ward, sent: int) -> None:
    assert Delivery.objects.get().state == "awaiting_basis"
    assert len(system.files) == sent
    hurry()
    assert not send_ready("w", padded_source())
    assert release_awaiting() == 0


def assert_goes_on(region, study: Study, system: Ward) -> None:
    undo(region)
    assert release_awaiting() == 1
    send_all()
    assert_exactly(system, uids_of(study))


def test_while_it_is_queued(region, study: Study, system: Ward, refuse) -> None:
    refuse(region, study)
    hurry()
    send_ready("w", padded_source())
    assert_waits(system, 0)
    assert_goes_on(region, study, system)


def test_while_it_is_leased(region, study: Study, system: Ward, refuse) -> None:
    lease = claim("w")
    assert lease is not None
    refuse(region, study)
    send(lease, padded_source())
    assert_waits(system, 0)
    assert_goes_on(region, study, system)


def test_in_the_middle_of_sending(region, study: Study, system: Ward, refuse) -> None:
    done: list[bool] = []

    def stream_and_refuse(item: Any, wanted: str = "*") -> Iterator[bytes]:
        if not done:
            refuse(region, study)
            done.append(True)
        yield from stream_padded(item, wanted, size_bytes=64)

    hurry()
    assert send_ready("w", Source(list_instances, stream_and_refuse))
    assert_waits(system, 1)
    assert_goes_on(region, study, system)
    assert len(system.stored) == 3, "what had arrived is not sent again"


def test_a_subscription_of_another_provider_gets_nothing_without_consent(region, study: Study, sink) -> None:
    provider = CareProvider.objects.create(hsa_id="SE-Q", name="Private")
    department: Department = make_department(provider)
    destination = Destination.objects.create(department=department, name="P", url=sink.url_of("private"))
    Subscription.objects.create(department=department, destination=destination)
    study.quiet_generation += 1
    study.save()

    changes.append("study_quiet", study.study_instance_uid, {"generation": study.quiet_generation})
    plan_deliveries()
    hurry()
    while send_ready("w", padded_source()):
        pass
    assert sink.ward("private").files == {}
    assert Delivery.objects.get(destination=destination).state == "awaiting_basis"
    assert set(sink.ward("ward").files) == uids_of(study)
    connection.close()
