"""What is deleted or rejected on its way: it is not sent, the delivery says why, and restoring plans it again."""

from dataclasses import replace

import pytest

from registry.models import Change, Instance, Removal, Study
from registry.remove import Target, delete, reject, restore
from registry.removed import REJECTIONS
from repository.delivery import send as sending
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.send import Source
from repository.models import Delivery
from tests.registry.factories import make_region_actor
from tests.repository.delivery.conftest import MEMORY, MemoryFile, list_instances, stream_file
from tests.support.receiver import Receiver

KEEPER = replace(make_region_actor(), permissions=frozenset({"read", "delete"}))


@pytest.fixture
def study(region, make_quiet) -> Study:
    """Three instances, planned."""
    made: Study = make_quiet(instances=3)
    plan_deliveries()
    return made


def uids_of(study: Study) -> list[str]:
    rows = Instance.objects.filter(series__study=study).order_by("pk")
    return list(rows.values_list("sop_instance_uid", flat=True))


def remove_first(study: Study) -> Removal:
    series = study.series.get().series_instance_uid
    return delete(KEEPER, Target(study.study_instance_uid, series, uids_of(study)[0]), door="test")


@pytest.mark.parametrize("state", ["ready", "awaiting_basis"])
def test_a_study_that_is_removed_is_withdrawn_before_it_is_sent(study, receiver: Receiver, state):
    Delivery.objects.update(state=state)
    reject(KEEPER, Target(study.study_instance_uid), REJECTIONS[0], door="test")
    plan_deliveries()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason_code) == ("withdrawn", "removed")
    assert not send_ready("w", MEMORY)
    assert receiver.requests == []


def test_a_study_that_is_removed_before_the_feed_is_read_is_withdrawn_by_the_worker(
    study, receiver: Receiver
):
    delete(KEEPER, Target(study.study_instance_uid), door="test")
    assert send_ready("w", MEMORY)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason_code) == ("withdrawn", "removed")
    assert receiver.requests == []


def test_an_instance_that_is_removed_is_left_out(study, receiver: Receiver):
    _, *rest = uids_of(study)
    removal = remove_first(study)
    plan_deliveries()
    delivery = Delivery.objects.get()
    assert delivery.state == "ready"
    assert sorted(delivery.items.values_list("state", flat=True)) == ["gone", "waiting", "waiting"]
    assert send_ready("w", MEMORY)
    assert receiver.stored == rest
    assert removal.instances == 1


def test_what_is_restored_is_planned_again(study, receiver: Receiver, make_quiet):
    first = uids_of(study)[0]
    removal = remove_first(study)
    plan_deliveries()
    send_ready("w", MEMORY)
    restore(KEEPER, removal.pk, door="test")
    make_quiet(Study.objects.get(pk=study.pk))
    plan_deliveries()
    assert send_ready("w", MEMORY)
    assert receiver.stored[-1] == first
    assert Change.objects.filter(kind="instances_restored").count() == 1


def test_what_is_removed_between_two_requests_is_not_sent(study, receiver: Receiver, monkeypatch):
    monkeypatch.setattr(sending, "MAX_REQUEST_INSTANCES", 1)
    _, second, third = uids_of(study)
    series = study.series.get().series_instance_uid

    def stream(item: MemoryFile):
        if Instance.objects.filter(sop_instance_uid=second).exists():
            delete(KEEPER, Target(study.study_instance_uid, series, second), door="test")
        return stream_file(item)

    assert send_ready("w", Source(list_instances, stream))
    assert second not in receiver.stored
    assert receiver.stored[-1] == third
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered"
    assert delivery.items.get(sop_instance_uid=second).state == "gone"
