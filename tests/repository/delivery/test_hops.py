"""The way that a study takes through installations: stated, kept, and never taken backwards."""

import pytest

from registry.hops import (
    MOST_HOPS,
    LoopDetected,
    MalformedPath,
    hops_of,
    installation_name,
    note_hops,
    read_path,
    write_path,
)
from registry.models import Destination, Study, Subscription
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.registry.factories import make_study
from tests.repository.delivery.conftest import MEMORY

pytestmark = pytest.mark.django_db
ONE, TWO = "1" * 32, "2" * 32


def refuse_loop(handler, request) -> None:
    """Answer as an installation that finds itself on the way."""
    handler.send_response(508)
    handler.send_header("Samsyn-Installation", ONE)
    handler.send_header("Content-Length", "4")
    handler.end_headers()
    handler.wfile.write(b"loop")


def test_the_name_is_that_of_the_secret_key(settings):
    first = installation_name()
    assert read_path(f"{ONE}, {TWO}") == (ONE, TWO)
    settings.SECRET_KEY = "another key"
    assert installation_name() != first
    assert len(first) == 32
    assert settings.SECRET_KEY not in first


@pytest.mark.parametrize("text", ["hospital", f"{ONE};{TWO}", f"{ONE},", "1" * 31, "A" * 32])
def test_a_way_that_cannot_be_read_is_refused(text):
    with pytest.raises(MalformedPath, match="Samsyn-Path"):
        read_path(text)


def test_a_way_through_here_or_through_too_many_is_refused():
    with pytest.raises(LoopDetected, match="this installation"):
        read_path(f"{ONE}, {installation_name()}, {TWO}")
    assert len(read_path(", ".join([ONE] * MOST_HOPS))) == MOST_HOPS
    with pytest.raises(LoopDetected, match=f"at most {MOST_HOPS}"):
        read_path(", ".join([ONE] * (MOST_HOPS + 1)))


def test_the_way_is_kept_once_and_written_with_the_own_name_last(region):
    study = make_study(region.hospital)
    assert write_path(study) == installation_name()
    note_hops([study.pk], (ONE, TWO))
    note_hops([study.pk], (ONE,))
    assert hops_of(study) == (ONE, TWO)
    assert write_path(study) == f"{ONE}, {TWO}, {installation_name()}"


def test_a_request_states_the_way(region, receiver, make_quiet):
    study = make_quiet()
    note_hops([study.pk], (TWO,))
    plan_deliveries()
    assert send_ready("worker", MEMORY)
    (request,) = receiver.requests
    assert request.headers["Samsyn-Path"] == f"{TWO}, {installation_name()}"
    assert Delivery.objects.get().state == "delivered"


def test_who_refuses_its_own_is_known_from_then_on(region, receiver, make_quiet):
    study = make_quiet()
    note_hops([study.pk], (ONE,))
    plan_deliveries()
    receiver.script.append(refuse_loop)
    assert send_ready("worker", MEMORY)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason_code) == ("withdrawn", "came_from_there")
    assert Destination.objects.get().installation == ONE
    assert Destination.objects.get().breaker == "closed"
    late = make_quiet()
    note_hops([late.pk], (TWO, ONE))
    other = make_quiet()
    assert plan_deliveries() == {"normal"}
    assert set(Delivery.objects.values_list("study", flat=True)) == {study.pk, other.pk}


def test_another_destination_of_the_department_still_gets_it(region, make_quiet):
    Destination.objects.update(installation=ONE)
    archive = Destination.objects.create(
        department=region.ward, name="archive", url="https://example.org/studies"
    )
    Subscription.objects.create(department=region.ward, destination=archive)
    study = make_quiet()
    note_hops([study.pk], (ONE,))
    plan_deliveries()
    assert Delivery.objects.get().destination == archive
    assert Study.objects.count() == 1
