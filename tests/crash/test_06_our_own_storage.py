"""Case 6: our own disk is full, our objects are away, one is damaged: nothing wrong is sent, nothing is given up."""

from pathlib import Path

import pytest
from django.db import connection

from registry.models import Destination, Instance
from repository.delivery.duties import send_ready
from repository.models import Damage, Delivery
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost
from tests.crash.packs import PACKS, fall_quiet, store_files
from tests.crash.workers import hurry, send_all, start_worker, wait_for
from tests.support.dicom import StudyFacts, make_ct, make_series
from tests.support.dimse import run_storescp
from tests.support.http import read_sop_instance_uid
from tests.support.processes import stop_process
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def uids(region, folder: Path) -> set[str]:
    """Two instances on their way."""
    files = make_series(StudyFacts(), 2, rows=64, columns=64)
    assert store_files(region.hospital, *files) == []
    fall_quiet()
    return {read_sop_instance_uid(file) for file in files}


def attempt() -> Delivery:
    hurry()
    assert send_ready("w", PACKS)
    return Delivery.objects.get()


def assert_our_fault(delivery: Delivery) -> None:
    """Say that an attempt failed for our own bytes: tried again, the receiver not to blame."""
    assert (delivery.state, delivery.reason_code) == ("ready", "source_unreadable")
    destination = Destination.objects.get()
    assert (destination.breaker, destination.consecutive_failures) == ("closed", 0)


def test_the_object_store_is_away(uids: set[str], system: Ward, folder: Path) -> None:
    (folder / "objects").rename(folder / "unmounted")
    assert_our_fault(attempt())
    assert system.files == {}
    (folder / "unmounted").rename(folder / "objects")
    send_all(PACKS)
    assert_exactly(system, uids)


def test_a_damaged_object_is_not_sent(uids: set[str], system: Ward, folder: Path) -> None:
    [pack] = (folder / "objects").rglob("*.pack")
    whole = pack.read_bytes()
    row = Instance.objects.order_by("pk").last()
    at = row.offset + row.length - 100
    pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
    assert_our_fault(attempt())
    assert system.files == {}, "the request was cut off before its end"
    assert Damage.objects.exists(), "the alarm was raised"
    pack.write_bytes(whole)
    send_all(PACKS)
    assert_exactly(system, uids)
    assert_no_delivery_lost(system)


def test_a_missing_object_is_not_sent(uids: set[str], system: Ward, folder: Path) -> None:
    [pack] = (folder / "objects").rglob("*.pack")
    whole = pack.read_bytes()
    pack.unlink()
    assert_our_fault(attempt())
    assert system.files == {}
    pack.write_bytes(whole)
    send_all(PACKS)
    assert_exactly(system, uids)


def test_the_spool_is_full(region, folder: Path) -> None:
    """C-STORE reads from a file in the spool; the worker may write no file as large as the instance."""
    database = Path(str(connection.settings_dict["NAME"]))
    limit = 4_000_000 + sum(file.stat().st_size for file in database.parent.glob(database.name + "*"))
    side = 1024
    file = make_ct(StudyFacts(), rows=side, columns=side, number_of_frames=limit // (side * side * 2) + 1)
    with run_storescp(folder / "got", "PACS") as port:
        Destination.objects.update(url=f"dicom://127.0.0.1:{port}", called_ae_title="PACS")
        assert store_files(region.hospital, file) == []
        fall_quiet()
        worker = start_worker(folder, "--packs", str(folder), "--file-limit", str(limit))
        wait_for(lambda: Delivery.objects.get().reason_code not in ("queued", "sending"), "the first attempt")
        stop_process(worker)
        delivery = Delivery.objects.get()
        assert_our_fault(delivery)
        assert "too large" in delivery.reason.lower()
        assert list((folder / "got").iterdir()) == []
        send_all(PACKS)
        assert len(list((folder / "got").iterdir())) == 1
