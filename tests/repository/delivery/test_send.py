"""One attempt at one delivery, against a receiver that does what the script says."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from access.models import AuditEvent
from access.secrets import seal
from registry.models import Change, DepartmentMilestone, Destination, Instance, Study, Subscription
from repository.delivery import send as sending
from repository.delivery.duties import plan_deliveries, probe_destinations, send_ready
from repository.delivery.receivers import stow_rs
from repository.delivery.send import Source
from repository.models import Attempt, Delivery, DeliveryItem
from tests.repository.delivery.conftest import MEMORY, MemoryFile, list_instances, stream_file
from tests.support import receiver as script
from tests.support.receiver import Receiver


@pytest.fixture
def study(region, make_quiet) -> Study:
    """Three instances, planned."""
    made: Study = make_quiet(instances=3)
    plan_deliveries()
    return made


def uids_of(study: Study) -> list[str]:
    rows = Instance.objects.filter(series__study=study).order_by("pk")
    return list(rows.values_list("sop_instance_uid", flat=True))


def attempt(source: Source = MEMORY) -> Delivery:
    """Make one attempt now, whatever the back-off says."""
    Delivery.objects.update(not_before=timezone.now() - timedelta(hours=1))
    assert send_ready("w", source)
    return Delivery.objects.get()


def test_delivers_every_instance_and_says_so_everywhere(study, region, receiver: Receiver):
    Destination.objects.update(token_sealed=seal("s3cret"))
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("delivered", "delivered")
    assert delivery.delivered_at is not None
    assert receiver.stored == uids_of(study)
    (request,) = receiver.requests
    assert request.path == "/dicom-web/studies"
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert set(delivery.items.values_list("state", flat=True)) == {"delivered"}
    milestone = DepartmentMilestone.objects.get()
    assert (milestone.study, milestone.department) == (study, region.ward)
    assert milestone.delivered_at == delivery.delivered_at
    event = AuditEvent.objects.get(action="deliver")
    assert event.address == "127.0.0.1"
    assert event.study_instance_uid == study.study_instance_uid
    assert event.department_hsa_id == region.ward.hsa_id
    assert event.detail["instances"] == 3
    assert Change.objects.get(kind="delivered").detail["destination"] == region.destination.pk
    row = Attempt.objects.get()
    assert (row.instances_ok, row.instances_failed, row.slot_until) == (3, 0, None)
    assert row.bytes_sent == sum(len(uid) for uid in uids_of(study))
    assert not send_ready("w", MEMORY)


def test_splits_a_study_into_requests(study, receiver: Receiver, monkeypatch):
    monkeypatch.setattr(sending, "MAX_REQUEST_INSTANCES", 2)
    assert attempt().state == "delivered"
    assert [len(request.parts) for request in receiver.requests] == [2, 1]


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([], []),
        ([1], [1]),
        ([60 << 20, 4 << 20, 1], [2, 1]),
        ([65 << 20, 1], [1, 1]),
        ([1] * 201, [100, 100, 1]),
    ],
)
def test_requests_hold_at_most_100_instances_and_64_mib(lengths, batches):
    items = [MemoryFile(str(number), length) for number, length in enumerate(lengths)]
    found = list(sending.split_batches(items))
    assert [len(batch) for batch in found] == batches
    assert [item for batch in found for item in batch] == items


RETRIES: dict[str, tuple[script.Behaviour, str]] = {
    "500": (script.answer(500, b"oops"), "receiver_error"),
    "503": (script.answer(503), "receiver_error"),
    "408": (script.answer(408), "receiver_error"),
    "half an answer": (script.answer_half, "connection_cut"),
    "hangs up": (script.hang_up, "connection_cut"),
    "silence": (script.say_nothing(1.0), "receiver_slow"),
}


@pytest.mark.parametrize("name", RETRIES)
def test_tries_again_and_counts_against_the_breaker(study, receiver: Receiver, monkeypatch, name):
    monkeypatch.setattr(stow_rs, "ANSWER_TIMEOUT_S", 0.3)
    behaviour, code = RETRIES[name]
    receiver.script = [behaviour]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code, delivery.attempts) == ("ready", code, 1)
    assert delivery.lease_token == ""
    assert Destination.objects.get().consecutive_failures == 1
    assert Attempt.objects.get().error_class == "retry"
    assert attempt().state == "delivered"
    assert Destination.objects.get().consecutive_failures == 0
    assert sorted(receiver.stored) == sorted(uids_of(study))


def test_tries_again_when_nobody_listens(study):
    Destination.objects.update(url="http://127.0.0.1:9/studies")
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "no_connection")


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_the_receiver_asks(study, receiver: Receiver, status):
    receiver.script = [script.answer(status, Retry_After="77")]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "receiver_busy")
    assert (delivery.not_before - timezone.now()).total_seconds() > 70
    destination = Destination.objects.get()
    assert (destination.breaker, destination.consecutive_failures) == ("closed", 0)
    Delivery.objects.update(not_before=timezone.now() - timedelta(hours=1))
    assert not send_ready("w", MEMORY), "the pause holds for the whole destination"


EMPTY_ANSWERS = {
    "HTML": script.answer(200, b"<html>Welcome</html>", content_type="text/html"),
    "nothing": script.answer(200),
    "no instance": script.answer(200, b"{}"),
    "a number": script.answer(200, b"7"),
}


@pytest.mark.parametrize("name", EMPTY_ANSWERS)
def test_an_answer_that_says_nothing_is_no_success_and_tried_once_more(study, receiver: Receiver, name):
    receiver.script = [EMPTY_ANSWERS[name]] * 2
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "answer_unreadable")
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("dead", "answer_unreadable")
    assert not DepartmentMilestone.objects.exists()


def test_instances_that_the_answer_leaves_out_are_sent_again(study, receiver: Receiver):
    second = uids_of(study)[1]
    receiver.script = [script.forget(second)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "answer_incomplete")
    assert attempt().state == "delivered"
    assert receiver.requests[-1].parts == [second.encode()]


@pytest.mark.parametrize("status", [202, 409])
def test_refused_instances_are_not_sent_again_and_the_others_count(study, receiver: Receiver, status):
    second = uids_of(study)[1]
    receiver.script = [script.refuse(status, second, reason=0x0122)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert delivery.reason == f"{second}: it does not take this SOP class (0122)"
    assert delivery.items.filter(state="delivered").count() == 2
    assert Destination.objects.get().consecutive_failures == 0
    assert not DepartmentMilestone.objects.exists()


def test_instances_for_which_there_is_no_room_are_sent_later(study, receiver: Receiver):
    second = uids_of(study)[1]
    receiver.script = [script.refuse(202, second, reason=0xA700)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "receiver_full")
    assert attempt().state == "delivered"
    assert receiver.requests[-1].parts == [second.encode()]


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_a_fault_of_the_destination_opens_its_breaker_and_costs_no_attempt(study, receiver: Receiver, status):
    receiver.script = [script.answer(status, Location="http://127.0.0.1:9/")]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code, delivery.attempts) == ("ready", "destination_fault", 0)
    destination = Destination.objects.get()
    assert destination.breaker == "open"
    assert str(status) in destination.last_error
    assert not send_ready("w", MEMORY)


def test_the_probe_closes_the_breaker_when_the_receiver_answers(study, receiver: Receiver):
    receiver.script = [script.answer(401)]
    attempt()
    receiver.probe_status = 401
    Destination.objects.update(open_until=timezone.now() - timedelta(hours=1))
    assert probe_destinations() == 0
    assert Destination.objects.get().breaker == "open"
    receiver.probe_status = 404
    Destination.objects.update(open_until=timezone.now() - timedelta(hours=1))
    assert probe_destinations() == 1
    assert receiver.requests[-1].path == "/dicom-web/studies?limit=1"
    assert attempt().state == "delivered"


@pytest.mark.parametrize("status", [400, 406, 413, 415])
def test_a_refused_request_is_given_up(study, receiver: Receiver, status):
    receiver.script = [script.answer(status, b"no")]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("dead", "request_refused")


def test_a_forbidden_address_is_not_sent_to(study, receiver: Receiver, settings):
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "destination_fault")
    assert "private address" in Destination.objects.get().last_error
    assert receiver.requests == []


def test_our_own_unreadable_file_is_never_sent_as_if_whole(study, receiver: Receiver):
    def stream_broken(item: MemoryFile):
        yield b"begin"
        raise OSError("bad block 3 of packs/xy")

    delivery = attempt(Source(list_instances, stream_broken))
    assert (delivery.state, delivery.reason_code) == ("ready", "source_unreadable")
    assert "bad block 3" in delivery.reason
    assert receiver.requests == []
    assert Destination.objects.get().consecutive_failures == 0


def test_a_subscription_that_ended_meanwhile_withdraws(study, receiver: Receiver):
    Subscription.objects.update(active=False)
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("withdrawn", "subscription_ended")
    assert receiver.requests == []


def test_a_decision_that_turned_between_two_requests_stops_the_rest(study, receiver: Receiver, monkeypatch):
    monkeypatch.setattr(sending, "MAX_REQUEST_INSTANCES", 1)

    def stream_and_block(item: MemoryFile):
        study.homes.update(unit=None)
        Study.objects.update(in_conflict=True)
        yield from stream_file(item)

    delivery = attempt(Source(list_instances, stream_and_block))
    assert (delivery.state, delivery.reason_code) == ("awaiting_basis", "in_conflict")
    assert len(receiver.stored) == 1


def test_a_worker_that_died_between_the_last_answer_and_the_end_costs_no_request(study, receiver: Receiver):
    DeliveryItem.objects.update(state="delivered")
    assert attempt().state == "delivered"
    assert receiver.requests == []
    assert DepartmentMilestone.objects.exists()


def test_instances_removed_meanwhile_are_left_out(study, receiver: Receiver):
    first = uids_of(study)[0]
    Instance.objects.filter(sop_instance_uid=first).delete()
    delivery = attempt()
    assert delivery.state == "delivered"
    assert delivery.items.get(sop_instance_uid=first).state == "gone"
    assert first not in receiver.stored


def test_a_study_removed_meanwhile_is_withdrawn(study, receiver: Receiver):
    Instance.objects.all().delete()
    assert attempt().reason_code == "removed"
    assert receiver.requests == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_lost_its_lease_in_the_middle_stops_and_writes_nothing(study, receiver: Receiver):
    def take_away() -> None:
        Delivery.objects.update(lease_token="another's")
        connection.close()

    def stream_slowly(item: MemoryFile):
        thread = threading.Thread(target=take_away)
        thread.start()
        thread.join()
        yield from stream_file(item)

    Delivery.objects.update(not_before=timezone.now() - timedelta(hours=1))
    assert send_ready("w", Source(list_instances, stream_slowly))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.lease_token) == ("sending", "another's")
    assert set(DeliveryItem.objects.values_list("state", flat=True)) == {"waiting"}
    assert not DepartmentMilestone.objects.exists()
    assert not AuditEvent.objects.filter(action="deliver").exists()


@pytest.mark.django_db(transaction=True)
def test_renews_the_lease_while_bytes_leave_slowly(study, receiver: Receiver, settings):
    settings.DELIVERY_LEASE_S = 0.2
    seen: list[object] = []

    def stream_slowly(item: MemoryFile):
        for block in stream_file(item):
            yield block
            threading.Event().wait(0.1)
            seen.append(Delivery.objects.get().lease_until)

    assert attempt(Source(list_instances, stream_slowly)).state == "delivered"
    assert len(set(seen)) > 2
    assert seen == sorted(seen, key=lambda moment: str(moment))


def test_a_process_that_is_asked_to_end_gives_the_delivery_back(study, receiver: Receiver):
    Delivery.objects.update(not_before=timezone.now() - timedelta(hours=1))
    assert send_ready("w", MEMORY, is_stopping=lambda: True)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason_code, delivery.attempts) == ("ready", "queued", 0)
    assert receiver.stored == []
    assert attempt().state == "delivered"


def run_all(make_quiet: Callable[..., Study], number: int) -> None:
    for _ in range(number):
        make_quiet()
    plan_deliveries()
    while send_ready("w", MEMORY):
        pass


def test_a_dead_destination_does_not_hold_up_a_healthy_one(region, make_quiet, receiver: Receiver):
    dead = Destination.objects.create(department=region.ward, name="dead", url="http://127.0.0.1:9/studies")
    Subscription.objects.create(department=region.ward, destination=dead)
    run_all(make_quiet, 8)
    healthy = Delivery.objects.filter(destination=region.destination)
    assert set(healthy.values_list("state", flat=True)) == {"delivered"}
    assert Attempt.objects.filter(delivery__destination=dead).count() == 5, "the breaker held the rest back"
    assert Delivery.objects.filter(destination=dead, state="ready").count() == 8
