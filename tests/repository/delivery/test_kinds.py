"""Destinations that are no STOW-RS: DCMTK's storescp, a system that takes implicit VR only, a folder."""

import io
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import AE, evt

from registry.models import Destination, Study
from repository.delivery.duties import probe_destinations, send_ready
from repository.models import Delivery
from tests.repository.delivery.conftest import PACKS
from tests.support.dicom import IMPLICIT, RLE, StudyFacts, make_ct
from tests.support.dimse import run_storescp
from tests.support.processes import find_free_port

CT = "1.2.840.10008.5.1.4.1.1.2"


def read(folder: Path) -> list[Any]:
    return [dcmread(path) for path in sorted(folder.iterdir())]


def test_storescp_gets_what_is_compressed_as_it_is_stored(deliver, tmp_path: Path) -> None:
    file = make_ct(StudyFacts(patient_name="Åkerström^Örjan"), transfer_syntax_uid=RLE)
    with run_storescp(tmp_path / "got", "PACS", "+xa") as port:
        delivery = deliver(f"dicom://127.0.0.1:{port}", "PACS", file)
    assert (delivery.state, delivery.reason_code) == ("delivered", "delivered")
    [got] = read(tmp_path / "got")
    assert got.file_meta.TransferSyntaxUID == RLE
    assert str(got.PatientName) == "Åkerström^Örjan"
    assert got.PixelData == dcmread(io.BytesIO(file)).PixelData


def test_storescp_that_takes_nothing_compressed_gets_it_unpacked(deliver, tmp_path: Path) -> None:
    file = make_ct(StudyFacts(), transfer_syntax_uid=RLE)
    with run_storescp(tmp_path / "got", "PACS", "+x=") as port:
        assert deliver(f"dicom://127.0.0.1:{port}", "PACS", file).state == "delivered"
    [got] = read(tmp_path / "got")
    assert not got.file_meta.TransferSyntaxUID.is_compressed
    assert (got.pixel_array == dcmread(io.BytesIO(file)).pixel_array).all()


class Peer:
    """A system of pynetdicom that answers as it is told, in one transfer syntax."""

    def __init__(self, syntax: str, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[Any] = []
        self.port = find_free_port()
        ae = AE("PEER")
        ae.require_called_aet = True
        ae.add_supported_context(CT, syntax)
        ae.add_supported_context("1.2.840.10008.1.1")
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take)]
        self.server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def _take(self, event: Any) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if status == 0:
            self.got.append(event.dataset)
        return status

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()


def test_a_system_of_implicit_vr_only_gets_that(deliver) -> None:
    with Peer(IMPLICIT) as peer:
        assert deliver(f"dicom://127.0.0.1:{peer.port}", "PEER", make_ct(StudyFacts())).state == "delivered"
    [got] = peer.got
    assert got.PatientID == "191212121212"


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        (0xA700, "ready", "receiver_full"),
        (0x0122, "dead", "instances_refused"),
        (0xC000, "dead", "instances_refused"),
        (0xB000, "delivered", "delivered"),
    ],
)
def test_a_status_says_whether_to_try_again(deliver, status: int, state: str, code: str) -> None:
    study = StudyFacts()
    with Peer(IMPLICIT, 0, status) as peer:
        files = [make_ct(study, instance_number=number) for number in (1, 2)]
        delivery = deliver(f"dicom://127.0.0.1:{peer.port}", "PEER", *files)
    assert (delivery.state, delivery.reason_code) == (state, code)
    assert delivery.items.filter(state="delivered").count() == (2 if state == "delivered" else 1)


def test_a_title_that_the_receiver_does_not_know_opens_the_breaker_and_a_probe_closes_it(deliver) -> None:
    with Peer(IMPLICIT) as peer:
        delivery = deliver(f"dicom://127.0.0.1:{peer.port}", "WRONG", make_ct(StudyFacts()))
        assert delivery.reason_code == "destination_fault"
        assert "AE title" in delivery.reason
        assert Destination.objects.get().breaker == "open"
        Destination.objects.update(called_ae_title="PEER", open_until=None)
        assert probe_destinations() == 1
    assert Destination.objects.get().breaker == "closed"


def test_nobody_there_is_tried_again(deliver) -> None:
    delivery = deliver(f"dicom://127.0.0.1:{find_free_port()}", "PACS", make_ct(StudyFacts()))
    assert (delivery.state, delivery.reason_code) == ("ready", "no_connection")


def test_a_folder_gets_whole_files(deliver, settings, tmp_path: Path) -> None:
    settings.EXPORT_FOLDERS = [str(tmp_path / "export")]
    study = StudyFacts()
    files = [make_ct(study, instance_number=number) for number in (1, 2)]
    delivery = deliver((tmp_path / "export" / "ward").as_uri(), "", *files)
    assert delivery.state == "delivered"
    found = sorted((tmp_path / "export" / "ward").rglob("*"))
    names = [path.name for path in found if path.is_file()]
    assert len(names) == 2
    assert all(name.endswith(".dcm") for name in names)
    assert {dcmread(path).InstanceNumber for path in found if path.is_file()} == {1, 2}


@pytest.mark.parametrize("path", ["elsewhere", "export/../elsewhere"])
def test_a_folder_that_is_not_allowed_gets_nothing(deliver, settings, tmp_path: Path, path: str) -> None:
    settings.EXPORT_FOLDERS = [str(tmp_path / "export")]
    delivery = deliver(f"file://{tmp_path}/{path}", "", make_ct(StudyFacts()))
    assert delivery.reason_code == "destination_fault"
    assert "SAMSYN_EXPORT_FOLDERS" in delivery.reason
    assert not (tmp_path / "elsewhere").exists()


def test_a_study_in_a_conflict_is_sent_nowhere(deliver, tmp_path: Path, region) -> None:
    with Peer(IMPLICIT) as peer:
        delivery = deliver(f"dicom://127.0.0.1:{peer.port}", "PEER", make_ct(StudyFacts()))
        assert delivery.state == "delivered"
        Study.objects.update(in_conflict=True)
        Delivery.objects.update(state="ready", lease_token="")
        delivery.items.update(state="waiting")
        assert send_ready("worker", PACKS)
    assert Delivery.objects.get().state == "awaiting_basis"
    assert len(peer.got) == 1
