"""Case 5: a receiver of C-STORE that has no room, will not take an instance, or aborts in the middle."""

from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom import AE, evt

from registry.models import Destination
from repository.delivery.duties import probe_destinations, send_ready
from repository.models import Delivery, DeliveryItem
from tests.crash.packs import PACKS, fall_quiet, store_files
from tests.crash.workers import hurry, let_time_pass, send_all
from tests.support.dicom import CT, EXPLICIT, StudyFacts, make_series
from tests.support.http import read_sop_instance_uid

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Callable[[Any], int]


class Scp:
    """A system of pynetdicom that keeps by SOP Instance UID and answers as a script says, else with success."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.has: dict[str, int] = {}
        ae = AE("SCP")
        ae.add_supported_context(CT, EXPLICIT)
        ae.add_supported_context("1.2.840.10008.1.1")
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def _take(self, event: Any) -> int:
        status = self.script.pop(0)(event) if self.script else 0
        if status == 0:
            uid = str(event.request.AffectedSOPInstanceUID)
            self.has[uid] = self.has.get(uid, 0) + 1
        return status


@pytest.fixture
def scp():
    running = Scp()
    yield running
    running.server.shutdown()


@pytest.fixture
def uids(region, folder, scp: Scp) -> list[str]:
    """Three instances on their way to that system."""
    Destination.objects.update(url=f"dicom://127.0.0.1:{scp.port}", called_ae_title="SCP")
    files = make_series(StudyFacts(), 3)
    assert store_files(region.hospital, *files) == []
    fall_quiet()
    return [read_sop_instance_uid(file) for file in files]


def answer(status: int) -> Answer:
    return lambda event: status


def abort(event: Any) -> int:
    event.assoc.abort()
    return 0xC000


def attempt() -> Delivery:
    hurry()
    assert send_ready("w", PACKS)
    return Delivery.objects.get()


def test_no_room_is_sent_again(uids: list[str], scp: Scp) -> None:
    scp.script = [answer(0), answer(0xA700)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "receiver_full")
    send_all(PACKS)
    assert scp.has == dict.fromkeys(uids, 1), "what was taken is not sent again"


@pytest.mark.parametrize("status", [0xA900, 0xC000])
def test_what_it_will_not_take_is_dead_and_the_rest_is_there(uids: list[str], scp: Scp, status: int) -> None:
    scp.script = [answer(0), answer(status)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert f"({status:04X})" in delivery.reason
    assert scp.has == {uids[0]: 1, uids[2]: 1}
    assert DeliveryItem.objects.get(state="failed").sop_instance_uid == uids[1]


def test_an_abort_in_the_middle_is_sent_again(uids: list[str], scp: Scp) -> None:
    scp.script = [answer(0), abort]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", "connection_cut")
    let_time_pass(600)
    probe_destinations()
    send_all(PACKS)
    assert set(scp.has) == set(uids)
