"""The distribution board, the deliveries behind it, and the route of a study."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from registry.models import DepartmentMilestone, Destination
from repository.models import Delivery, Recall, RecallReceipt
from tests.frontend import factory
from tests.frontend.test_destinations import make_keeper

BOARD, DELIVERIES = "/distribution/", "/distribution/deliveries/"


@pytest.fixture
def keeper(world):
    """Who keeps the distribution of the department to which the study is on its way."""
    return make_keeper(world.region.ystad, "keep_destinations", "replay")


@pytest.fixture
def delivery(world):
    return Delivery.objects.get()


def read_counts(page):
    """Return the figures above the board."""
    return [int(number) for number in re.findall(r'class="figure">(\d+)<', page)]


def test_only_who_keeps_distribution_comes_in(world, portal, keeper):
    for address in (BOARD, f"{BOARD}part/", DELIVERIES):
        assert portal.get(address).status_code == 403, address
        assert keeper.get(address).status_code == 200, address
    for right in ("keep_subscriptions", "keep_destinations", "replay"):
        assert make_keeper(world.region.lund, right).get(BOARD).status_code == 200, right


def test_the_board_counts_what_waits_where_and_since_when(world, keeper, delivery):
    Delivery.objects.update(planned_at=timezone.now() - timedelta(hours=3))
    destination = delivery.destination
    for number, state in enumerate(("sending", "held", "awaiting_basis", "dead", "delivered"), start=2):
        row = factory.make_delivery(world.older, world.region.ystad, state)
        Delivery.objects.filter(pk=row.pk).update(generation=number)
        world.older.deliveries.filter(pk=row.pk).update(destination=destination)
    page = keeper.get(BOARD).content.decode()
    assert read_counts(page) == [1, 1, 1, 1, 1, 1]
    assert "3 hours" in page
    assert "1 without a basis" in page
    assert "60 minutes" in page  # one is queued, one went in the last hour


ERRORS = [
    ("no_connection", "no connection to the receiver", "ingen förbindelse med mottagaren"),
    ("connection_cut", "the connection broke: reset by peer", "förbindelsen bröts: reset by peer"),
    ("receiver_slow", "the receiver did not answer in time", "mottagaren svarade inte i tid"),
    ("receiver_full", "the receiver had no room for 3 instances", "antal bilder som blev kvar: 3"),
    ("receiver_busy", "the receiver rejects associations for now", "avvisar associationer tills vidare"),
    ("receiver_error", "503 Service Unavailable: full moon", "503 Service Unavailable: full moon"),
    ("destination_fault", "the receiver does not accept the token (401)", "inloggningsnyckeln (401)"),
    ("answer_unreadable", "answered 200, but the answer is empty", "svarade 200, men svaret är tomt"),
    ("cannot_be_verified", "the receiver does not answer a search", "mottagaren svarar inte på en sökning"),
    ("request_refused", "this destination takes no messages", "tar inte emot meddelanden"),
    (
        "instances_refused",
        "1.2.3: it does not take this SOP class (0122)",
        "1.2.3: den tar inte emot den här SOP-klassen (0122)",
    ),
]


@pytest.mark.parametrize(("code", "stored", "said"), ERRORS, ids=[code for code, _stored, _said in ERRORS])
def test_what_went_wrong_is_said_in_swedish_and_a_receivers_own_words_stay(
    world, portal, keeper, delivery, code, stored, said
):
    Delivery.objects.update(state="dead", reason_code=code, reason=stored)
    Destination.objects.update(breaker="open", last_error=stored)
    keeper.cookies["django_language"] = portal.cookies["django_language"] = "sv"
    route = f"/studies/{delivery.study.study_instance_uid}/distribution/"
    for page in (keeper.get(BOARD), keeper.get(DELIVERIES), portal.get(route)):
        content = unescape(page.content.decode())
        assert said in content
        assert stored == said or stored not in content
        assert ("Mottagaren svarar:" in content) is (stored == said)
    assert Delivery.objects.get().reason == stored


def test_a_destination_that_does_not_answer_says_so(world, keeper):
    Destination.objects.update(breaker="open", last_error="Connection refused")
    page = keeper.get(BOARD).content.decode()
    assert "Does not answer" in page
    assert "Connection refused" in page


def test_the_board_lives(world, keeper, delivery):
    seen = re.search(r"seen=(\w+)", keeper.get(BOARD).content.decode())[1]
    assert keeper.get(f"{BOARD}part/", {"seen": seen}).status_code == 204
    Delivery.objects.update(state="dead", reason_code="deadline_passed")
    changed = keeper.get(f"{BOARD}part/", {"seen": seen}).content.decode()
    assert "Given up: it could not be sent within the time allowed." in changed


def test_open_recalls_stand_by_age_with_who_has_not_answered(world, keeper, delivery):
    now = timezone.now()
    recall = Recall.objects.create(
        study=world.study, code_value="113001", code_meaning="Rejected for Quality Reasons", made_by="x",
        made_at=now - timedelta(days=4),
    )  # fmt: skip
    RecallReceipt.objects.create(
        recall=recall, destination=delivery.destination, state="task", changed_at=now
    )
    page = keeper.get(BOARD).content.decode()
    assert "open for 4 days" in page
    assert "a person there has to remove the images" in page
    assert "0 of 1 acknowledged" in page
    Recall.objects.update(closed_at=now)
    assert "No recall is open." in keeper.get(BOARD).content.decode()


def test_nothing_of_other_departments_and_no_patient_is_on_the_board(world, keeper, delivery):
    Delivery.objects.update(state="dead")
    for address in (BOARD, DELIVERIES):
        own = keeper.get(address).content.decode()
        assert world.study.accession_number in own
        assert "Tolvansson" not in own
        assert "121212" not in own
        others = make_keeper(world.region.lund, "keep_destinations").get(address).content.decode()
        assert "PACS" not in others


def test_deliveries_are_narrowed_and_paged(world, keeper, delivery):
    destination = delivery.destination
    now = timezone.now()
    for number in range(2, 54):
        Delivery.objects.create(
            study=world.older, destination=destination, generation=number, kind="prior", state="delivered",
            reason_code="delivered", planned_at=now, not_before=now, deadline_at=now,
        )  # fmt: skip
    first = keeper.get(DELIVERIES, {"kind": "prior"}).content.decode()
    assert first.count('class="row delivery"') == 50
    older = re.search(r'href="\?([^"]*before=\d+)"', first)[1].replace("&amp;", "&")
    assert keeper.get(f"{DELIVERIES}?{older}").content.decode().count('class="row delivery"') == 2
    assert keeper.get(DELIVERIES, {"state": "ready"}).content.decode().count('class="row delivery"') == 1
    two = keeper.get(f"{DELIVERIES}?state=ready&state=delivered").content.decode()
    assert two.count('class="row delivery"') == 50
    by_study = keeper.get(DELIVERIES, {"study": world.study.study_instance_uid}).content.decode()
    assert by_study.count('class="row delivery"') == 1
    assert "No delivery is like that." in keeper.get(DELIVERIES, {"state": "held"}).content.decode()
    assert keeper.get(DELIVERIES, {"study": "<x>", "destination": "9" * 30}).status_code == 200


def test_the_route_of_a_study_names_every_kind_and_the_first_opening(world, portal, delivery):
    now = timezone.now()
    Delivery.objects.create(
        study=world.study, destination=delivery.destination, kind="report", subject="9", generation=1,
        state="delivered", reason_code="delivered", planned_at=now, not_before=now, deadline_at=now,
        delivered_at=now,
    )  # fmt: skip
    DepartmentMilestone.objects.create(
        study=world.study, department=world.region.ystad, delivered_at=now, first_opened_at=now
    )
    page = portal.get(world.pages["study"]).content.decode()
    assert "<strong>Report</strong>" in page
    assert "First opened there" in page
    assert page.count("PACS Östermåla lasarett") == 2


def test_a_reader_of_the_study_is_told_why_it_was_not_sent(world, portal, delivery):
    address = f"{world.pages['study']}why/"
    assert address in portal.get(world.pages["study"]).content.decode()
    Destination.objects.create(department=world.region.lund, name="Arkivet", url="worklist:")
    page = portal.get(address, {"department": world.region.lund.pk}).content.decode()
    assert "Not sent: no active subscription sends anything there." in page
    sent = portal.get(address, {"department": world.region.ystad.pk}).content.decode()
    assert "Not sent" not in sent
    assert portal.get(address, {"department": "x"}).status_code == 200
    assert portal.get("/studies/1.2.3.4/why/").status_code == 404
