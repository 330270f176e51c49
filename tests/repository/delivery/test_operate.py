"""What an operator does about deliveries and destinations: who may, what becomes of them, what the log says."""

import ssl
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent, CareProvider
from registry.models import Destination
from registry.noted import InvalidEntry, MissingRight, UnknownEntry
from repository.delivery.duties import send_ready
from repository.delivery.operating import operate
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue.deadlines import expire_overdue
from repository.delivery.queue.lease import LostLease, renew
from repository.delivery.queue.schedule import MAX_LOST_LEASES, claim, return_leases_of
from repository.models import Attempt, Delivery, DeliveryItem
from tests.registry.care import make_doctor
from tests.registry.factories import make_department
from tests.repository.delivery.conftest import MEMORY
from tests.support.certificates import make_certificates
from tests.support.receiver import Receiver, run_receiver


@pytest.fixture
def operator(region):
    return make_doctor(region.ward, "keep_destinations", "replay")


@pytest.fixture
def planned(region, make_quiet) -> Delivery:
    make_quiet(instances=2)
    plan_deliveries()
    return Delivery.objects.get()


ALL = Delivery.objects.all


def last_event() -> AuditEvent:
    event = AuditEvent.objects.order_by("-pk").first()
    assert event is not None
    return event


def test_what_is_held_waits_for_its_operator_and_does_not_expire(operator, planned):
    assert operate.hold(operator, ALL(), "the PACS is being moved") == 1
    row = Delivery.objects.get()
    assert (row.state, row.reason_code, row.reason) == ("held", "operator_held", "the PACS is being moved")
    Delivery.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    assert expire_overdue() == 0
    assert claim("w") is None
    assert operate.release_deliveries(operator, ALL()) == 1
    row.refresh_from_db()
    assert row.deadline_at > timezone.now() + timedelta(hours=23)
    assert claim("w") is not None


def test_who_holds_is_in_the_log_with_the_reason_and_the_patient(operator, planned):
    operate.hold(operator, ALL(), "the PACS is being moved", door="portal")
    event = last_event()
    assert (event.action, event.door) == ("delivery_hold", "portal")
    assert event.study_instance_uid == planned.study.study_instance_uid
    assert event.patient_id == planned.study.person_id
    assert event.detail == {
        "deliveries": [planned.pk],
        "changed": 1,
        "stated_reason": "the PACS is being moved",
    }


@pytest.mark.parametrize("act", [operate.hold, operate.withdraw])
def test_a_worker_that_is_sending_writes_nothing_more(operator, planned, act):
    lease = claim("w")
    assert lease is not None
    assert act(operator, ALL(), "stop") == 1
    with pytest.raises(LostLease):
        renew(lease)
    attempt = Attempt.objects.get()
    assert attempt.error_class == "stopped"
    assert attempt.slot_until is not None
    assert attempt.slot_until > timezone.now(), "the receiver may still be busy with it"


def test_what_is_withdrawn_has_ended_and_can_be_sent_again(operator, planned, receiver: Receiver):
    assert operate.withdraw(operator, ALL(), "wrong patient") == 1
    row = Delivery.objects.get()
    assert (row.state, row.reason_code) == ("withdrawn", "operator_withdrew")
    assert row.ended_at is not None
    assert operate.withdraw(operator, ALL(), "once more") == 0
    assert operate.replay(operator, ALL(), "it was the right one") == 1
    row.refresh_from_db()
    assert (row.state, row.reason_code, row.ended_at) == ("ready", "replayed", None)
    assert send_ready("w", MEMORY)
    assert Delivery.objects.get().state == "delivered"


def test_of_a_dead_one_only_what_has_not_arrived_goes_again(operator, planned, receiver: Receiver):
    first, second = DeliveryItem.objects.order_by("pk")
    DeliveryItem.objects.filter(pk=first.pk).update(state="delivered")
    DeliveryItem.objects.filter(pk=second.pk).update(state="failed", status="no room")
    past = timezone.now() - timedelta(days=3)
    Delivery.objects.update(state="dead", deadline_at=past, attempts=30)
    operate.replay(operator, ALL(), "there is room now")
    assert send_ready("w", MEMORY)
    assert receiver.stored == [second.sop_instance_uid]
    assert Delivery.objects.get().state == "delivered"


def test_what_was_delivered_goes_again_whole(operator, planned, receiver: Receiver):
    assert send_ready("w", MEMORY)
    assert operate.replay(operator, ALL(), "the PACS lost its disk") == 1
    assert send_ready("w", MEMORY)
    assert sorted(receiver.stored) == sorted(2 * list(dict.fromkeys(receiver.stored)))
    assert len(receiver.stored) == 4


def test_a_delivery_that_ended_its_workers_has_its_tries_again(operator, planned):
    for number in range(MAX_LOST_LEASES):
        Attempt.objects.create(
            delivery=planned, started_at=timezone.now(), worker=f"w{number}", error_class="lease_lost"
        )
    Delivery.objects.update(state="dead", reason_code="worker_died")
    operate.replay(operator, ALL(), "the file was mended")
    assert claim("embedded-1") is not None
    assert return_leases_of("embedded-") == 1
    assert Delivery.objects.get().state == "ready"


def test_many_that_are_sent_again_go_behind_everything_else(operator, region, make_quiet, monkeypatch):
    monkeypatch.setattr(operate, "MANY", 2)
    monkeypatch.setattr(operate, "AT_ONCE", 2)
    for _ in range(5):
        make_quiet()
    plan_deliveries()
    Delivery.objects.update(state="dead")
    make_quiet()
    plan_deliveries()
    fresh = Delivery.objects.get(state="ready")
    Delivery.objects.filter(pk=fresh.pk).update(not_before=timezone.now() + timedelta(milliseconds=1))
    assert operate.replay(operator, ALL(), "the PACS was away") == 5
    assert [len(e.detail["deliveries"]) for e in AuditEvent.objects.filter(action="delivery_replay")] == [
        2,
        2,
        1,
    ]
    lease = claim("w")
    assert lease is not None
    assert lease.delivery_id == fresh.pk


def test_asks_again_only_where_it_is_known_how(operator, planned):
    Delivery.objects.update(state="delivered", delivered_at=timezone.now())
    DeliveryItem.objects.update(state="delivered")
    assert operate.verify_again(operator, ALL()) == 0
    Destination.objects.update(verify="qido-count")
    assert operate.verify_again(operator, ALL()) == 1
    assert Delivery.objects.get().reason_code == "verifying_again"


@pytest.mark.parametrize(
    ("state", "status", "asked"),
    [
        ("delivered", "", 1),
        ("waiting", "stored, and not found there", 1),
        ("waiting", "", 0),
        ("failed", "no room", 0),
        ("gone", "", 1),
    ],
)
def test_of_what_was_given_up_only_what_the_receiver_said_it_stored_is_asked_for(
    operator, planned, state, status, asked
):
    Destination.objects.update(verify="qido-count")
    first, second = DeliveryItem.objects.order_by("pk")
    DeliveryItem.objects.filter(pk=first.pk).update(state="delivered")
    DeliveryItem.objects.filter(pk=second.pk).update(state=state, status=status)
    Delivery.objects.update(state="dead", reason_code="deadline_passed")
    assert operate.verify_again(operator, ALL()) == asked
    assert Delivery.objects.get().state == ("ready" if asked else "dead")


def test_nobody_operates_other_departments_deliveries(region, planned):
    stranger = make_doctor(make_department(CareProvider.objects.create(hsa_id="SE-X", name="Private")))
    assert operate.hold(stranger, ALL(), "mine?") == 0
    assert Delivery.objects.get().state == "ready"
    with pytest.raises(UnknownEntry):
        operate.hold_destination(stranger, region.destination, "mine?")


@pytest.mark.parametrize(
    "act",
    [
        lambda actor, _: operate.hold(actor, ALL(), "x"),
        lambda actor, _: operate.release_deliveries(actor, ALL()),
        lambda actor, _: operate.withdraw(actor, ALL(), "x"),
        lambda actor, _: operate.replay(actor, ALL(), "x"),
        lambda actor, _: operate.verify_again(actor, ALL()),
        lambda actor, row: operate.hold_destination(actor, row, "x"),
        lambda actor, row: operate.release_destination(actor, row),
        lambda actor, row: operate.set_maintenance(actor, row, None),
        lambda actor, row: operate.test_destination(actor, row),
    ],
)
def test_nothing_is_done_without_the_permission(region, planned, act):
    with pytest.raises(MissingRight):
        act(make_doctor(region.ward, "report"), region.destination)
    assert last_event().outcome == "refused"
    assert Delivery.objects.get().state == "ready"


@pytest.mark.parametrize("act", [operate.hold, operate.withdraw, operate.replay])
def test_a_reason_is_needed(operator, planned, act):
    with pytest.raises(InvalidEntry, match="reason"):
        act(operator, ALL(), "  ")


def test_a_held_destination_gets_nothing_and_loses_nothing(operator, region, planned):
    operate.hold_destination(operator, region.destination, "moving house")
    assert claim("w") is None
    Delivery.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    assert expire_overdue() == 0
    operate.release_destination(operator, region.destination)
    assert expire_overdue() == 0
    assert claim("w") is not None
    assert last_event().action == "destination_release"
    with pytest.raises(InvalidEntry, match="not held"):
        operate.release_destination(operator, region.destination)


def test_maintenance_ends_by_itself_and_what_waited_has_its_time(operator, region, planned):
    operate.set_maintenance(operator, region.destination, timezone.now() + timedelta(hours=2))
    assert claim("w") is None
    past = timezone.now() - timedelta(minutes=1)
    Delivery.objects.update(deadline_at=past)
    assert expire_overdue() == 0
    Destination.objects.update(maintenance_until=past)
    assert expire_overdue() == 0
    assert Destination.objects.get().maintenance_until is None
    assert claim("w") is not None


@pytest.mark.parametrize("until", [timedelta(hours=-1), timedelta(days=31)])
def test_maintenance_is_ahead_and_not_for_ever(operator, region, until):
    with pytest.raises(InvalidEntry):
        operate.set_maintenance(operator, region.destination, timezone.now() + until)


def test_a_destination_that_answers_its_test_is_tried_again(operator, region, receiver: Receiver):
    Destination.objects.update(breaker="open", open_until=timezone.now() + timedelta(minutes=5))
    result = operate.test_destination(operator, region.destination)
    assert result.answers
    assert result.latency_ms >= 0
    assert result.certificate is None
    assert Destination.objects.get().breaker == "closed"
    assert last_event().action == "destination_test"


def test_a_destination_that_does_not_answer_says_why(operator, region, receiver: Receiver):
    receiver.probe_status = 401
    result = operate.test_destination(operator, region.destination)
    assert not result.answers
    assert result.error
    assert last_event().detail["error"] == result.error


def test_what_a_destination_shows_of_itself(operator, region, tmp_path):
    certificates = make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with run_receiver(context) as secured:
        url = secured.url.replace("http:", "https:")
        Destination.objects.update(url=url, trusted_certificates=certificates.ca.read_text())
        shown = operate.test_destination(operator, Destination.objects.get()).certificate
        assert shown is not None
        assert shown.valid_to > timezone.now()
        assert shown.subject
        assert shown.tls_version.startswith("TLS")
        Destination.objects.update(trusted_certificates="")
        result = operate.test_destination(operator, Destination.objects.get())
        assert (result.answers, result.certificate) == (False, None)
