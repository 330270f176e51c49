"""What operators do from the pages of distribution: to destinations, deliveries and open recalls."""

import socket

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Destination
from repository.models import Delivery, DeliveryItem, Recall, RecallReceipt
from tests.frontend.test_destinations import make_keeper

DELIVERIES, DESTINATIONS = "/distribution/deliveries/", "/distribution/destinations/"


@pytest.fixture
def keeper(world):
    return make_keeper(world.region.ystad, "keep_destinations", "replay")


@pytest.fixture
def stranger(world):
    return make_keeper(world.region.lund, "keep_destinations", "replay")


@pytest.fixture
def delivery(world):
    return Delivery.objects.get()


def act(client, delivery, name, reason="Byte av skiva"):
    return client.post(f"{DELIVERIES}{delivery.pk}/acts/", {"act": name, "reason": reason}, follow=True)


def test_a_delivery_is_held_released_withdrawn_and_sent_again(keeper, delivery):
    assert 'value="hold"' in keeper.get(DELIVERIES).content.decode()
    for name, state in (
        ("hold", "held"),
        ("release", "ready"),
        ("withdraw", "withdrawn"),
        ("replay", "ready"),
    ):
        page = act(keeper, delivery, name).content.decode()
        assert "Done, to 1 delivery." in page, name
        delivery.refresh_from_db()
        assert delivery.state == state
    assert "Done, to 0 deliveries." in act(keeper, delivery, "release").content.decode()
    assert "This was not taken: reason" in act(keeper, delivery, "hold", reason="").content.decode()
    assert AuditEvent.objects.filter(action__startswith="delivery_", door="portal").count() == 4


def test_all_that_a_filter_shows_are_sent_again_and_none_without_a_filter(world, keeper, stranger, delivery):
    Delivery.objects.update(state="dead")
    dead = {"query": "state=dead", "act": "replay", "reason": "Lagat"}
    assert "Done, to 0 deliveries." in stranger.post(f"{DELIVERIES}acts/", dead, follow=True).content.decode()
    nothing = keeper.post(f"{DELIVERIES}acts/", dead | {"query": ""}, follow=True).content.decode()
    assert "Choose first which deliveries" in nothing
    shown = keeper.get(DELIVERIES, {"state": "dead"}).content.decode()
    assert "To all that are like this" in shown
    assert "Done, to 1 delivery." in keeper.post(f"{DELIVERIES}acts/", dead, follow=True).content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "ready"


def test_a_receiver_is_asked_again_from_the_board_whether_it_has_everything(world, keeper, delivery):
    """Only where it can be asked, and where nothing is missing but its word."""
    Delivery.objects.update(state="dead", reason_code="not_there")
    item = DeliveryItem.objects.create(
        delivery=delivery, sop_instance_uid="1.2.3", state="waiting", status="stored, and not found there"
    )
    button = 'name="act" value="verify"'
    assert button not in keeper.get("/distribution/").content.decode()
    Destination.objects.update(verify="qido-count")
    assert button in keeper.get("/distribution/").content.decode()
    assert button in keeper.get(DELIVERIES).content.decode()
    operator = make_keeper(world.region.ystad, "keep_destinations")
    assert button not in operator.get("/distribution/").content.decode()
    assert act(operator, delivery, "verify").status_code == 403

    page = keeper.post(f"{DELIVERIES}{delivery.pk}/acts/", {"act": "verify", "next": "/distribution/"})
    assert page.headers["Location"] == "/distribution/"
    delivery.refresh_from_db()
    item.refresh_from_db()
    assert (delivery.state, delivery.reason_code, item.state) == ("ready", "verifying_again", "delivered")
    assert AuditEvent.objects.filter(action="delivery_verify", door="portal", outcome="success").count() == 1


def test_a_destination_is_tested_held_and_taken_out_of_service(keeper, delivery):
    row = delivery.destination
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        Destination.objects.update(url=f"http://127.0.0.1:{free.getsockname()[1]}/studies")
    page = keeper.post(f"{DESTINATIONS}{row.pk}/test/", follow=True).content.decode()
    assert "does not answer as it should" in page
    Destination.objects.update(url="worklist:")
    page = keeper.post(f"{DESTINATIONS}{row.pk}/test/", follow=True).content.decode()
    assert f"{row.name} answers, in" in page
    keeper.post(f"{DESTINATIONS}{row.pk}/hold/", {"reason": "Flytt"})
    row.refresh_from_db()
    assert row.held_reason == "Flytt"
    back = keeper.post(f"{DESTINATIONS}{row.pk}/release/", {"next": "/distribution/"})
    assert back.headers["Location"] == "/distribution/"
    keeper.post(f"{DESTINATIONS}{row.pk}/maintenance/", {"hours": "4"})
    row.refresh_from_db()
    assert row.held_reason == ""
    assert row.maintenance_until > timezone.now()
    keeper.post(f"{DESTINATIONS}{row.pk}/maintenance/", {"hours": ""})
    row.refresh_from_db()
    assert row.maintenance_until is None
    assert keeper.post(f"{DESTINATIONS}{row.pk}/maintenance/", {"hours": "9999"}).status_code == 404


def test_each_act_needs_its_right_and_others_know_nothing(world, portal, stranger, delivery):
    row = delivery.destination
    for name in ("test", "hold", "release", "maintenance"):
        assert portal.post(f"{DESTINATIONS}{row.pk}/{name}/").status_code == 403
        assert stranger.post(f"{DESTINATIONS}{row.pk}/{name}/").status_code == 404
    assert act(portal, delivery, "hold").status_code == 403
    assert act(stranger, delivery, "hold").status_code == 404
    sender = make_keeper(world.region.ystad, "replay")
    assert 'value="hold"' not in sender.get(DELIVERIES).content.decode()
    assert act(sender, delivery, "hold").status_code == 403
    assert act(sender, delivery, "nonsense").status_code == 404
    delivery.refresh_from_db()
    assert delivery.state == "ready"


def test_a_recall_is_closed_by_a_person_at_the_receiver(world, keeper, stranger, delivery):
    now = timezone.now()
    recall = Recall.objects.create(study=world.study, code_value="113001", made_by="x", made_at=now)
    receipt = RecallReceipt.objects.create(
        recall=recall, destination=delivery.destination, state="task", changed_at=now
    )
    assert "Removed there" in keeper.get("/distribution/").content.decode()
    assert stranger.post(f"/distribution/recalls/{receipt.pk}/done/").status_code == 404
    page = keeper.post(f"/distribution/recalls/{receipt.pk}/done/", follow=True).content.decode()
    assert "have been removed there" in page
    assert "No recall is open." in page
