"""Whether the receiver has what it said it stored: Orthanc by QIDO-RS, systems of pynetdicom by C-FIND and commitment."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
)

from access.models import ApiClient, ApplicationEntity, AuditEvent
from registry.models import Destination
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.operating.operate import verify_again
from repository.dimse.listener import Listening, start_listening
from repository.models import AskedCommitment, Delivery
from tests.registry.care import make_doctor
from tests.repository.delivery.conftest import PACKS
from tests.support.dicom import StudyFacts, make_ct
from tests.support.orthanc import run_orthanc
from tests.support.processes import find_free_port

pytestmark = pytest.mark.django_db(transaction=True)

CT = "1.2.840.10008.5.1.4.1.1.2"
WELL_KNOWN = UID("1.2.840.10008.1.20.1.1")


class Archive:
    """A system that stores, can be searched and commits; it loses the instances whose number is in `loses`."""

    def __init__(self, *loses: int, report_to: int = 0) -> None:
        self.loses, self.report_to = list(loses), report_to
        self.has: dict[str, str] = {}
        self.taken: list[str] = []
        self.port = find_free_port()
        ae = AE("ARCHIVE")
        ae.add_supported_context(CT)
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(StorageCommitmentPushModel)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._commit),
        ]
        self.server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def _store(self, event: Any) -> int:
        file = event.dataset
        self.taken.append(str(file.SOPInstanceUID))
        if file.InstanceNumber in self.loses:
            self.loses.remove(file.InstanceNumber)
        else:
            self.has[str(file.SOPInstanceUID)] = str(file.SeriesInstanceUID)
        return 0

    def _find(self, event: Any) -> Iterator[Any]:
        for uid, series_uid in self.has.items():
            if series_uid == event.identifier.SeriesInstanceUID:
                answer = Dataset()
                answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
                yield 0xFF00, answer

    def _commit(self, event: Any) -> tuple[int, None]:
        wanted = event.action_information
        report = Dataset()
        report.TransactionUID = wanted.TransactionUID
        items = list(wanted.ReferencedSOPSequence)
        report.ReferencedSOPSequence = [i for i in items if i.ReferencedSOPInstanceUID in self.has]
        failed = [i for i in items if i.ReferencedSOPInstanceUID not in self.has]
        for item in failed:
            item.FailureReason = 0x0112
        if failed:
            report.FailedSOPSequence = failed
        kind = 2 if failed else 1
        send = self._report_elsewhere if self.report_to else self._report_here
        threading.Timer(0.3, send, (event.assoc, report, kind)).start()
        return 0, None

    def _report_here(self, association: Any, report: Dataset, kind: int) -> None:
        association.send_n_event_report(report, kind, StorageCommitmentPushModel, WELL_KNOWN)

    def _report_elsewhere(self, _association: Any, report: Dataset, kind: int) -> None:
        ae = AE("ARCHIVE")
        ae.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = ae.associate("127.0.0.1", self.report_to, ae_title="SAMSYN", ext_neg=[role])
        assert association.is_established
        association.send_n_event_report(report, kind, StorageCommitmentPushModel, WELL_KNOWN)
        association.release()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()


@pytest.fixture
def send(region, store_quiet):
    """Store two instances at the hospital and make an attempt to bring them to a verified destination."""

    def act(mode: str, url: str) -> Delivery:
        Destination.objects.update(url=url, called_ae_title="ARCHIVE", verify=mode)
        if not Delivery.objects.exists():
            facts = StudyFacts()
            store_quiet(*(make_ct(facts, instance_number=number) for number in (1, 2)))
            plan_deliveries()
        Delivery.objects.filter(state="ready").update(not_before="2020-01-01T00:00:00Z")
        assert send_ready("worker", PACKS)
        return Delivery.objects.get()

    return act


@pytest.mark.parametrize("mode", ["qido-count", "storage-commitment"])
def test_what_is_there_is_delivered(send, mode):
    with Archive() as archive:
        delivery = send(mode, f"dicom://127.0.0.1:{archive.port}")
        assert delivery.state == "delivered", delivery.reason
        assert len(archive.has) == 2
    assert AskedCommitment.objects.count() == (mode == "storage-commitment")


@pytest.mark.parametrize("mode", ["qido-count", "storage-commitment"])
def test_what_was_said_to_be_stored_and_is_not_there_is_sent_again(send, mode):
    with Archive(2) as archive:
        url = f"dicom://127.0.0.1:{archive.port}"
        delivery = send(mode, url)
        assert (delivery.state, delivery.reason_code) == ("ready", "not_there")
        assert delivery.items.filter(state="delivered").count() == 1
        delivery = send(mode, url)
        assert delivery.state == "delivered", delivery.reason
        assert len(archive.has) == 2


def test_a_receiver_that_loses_it_twice_is_given_up(send):
    with Archive(2, 2) as archive:
        for _ in range(2):
            delivery = send("qido-count", f"dicom://127.0.0.1:{archive.port}")
    assert (delivery.state, delivery.reason_code) == ("dead", "not_there")


@pytest.mark.parametrize("mode", ["qido-count", "storage-commitment"])
def test_one_that_was_given_up_is_asked_again_and_goes_out_only_where_it_is_still_missing(send, mode):
    operator = make_doctor(Destination.objects.get().department, "replay")
    with Archive(2, 2, 2) as archive:
        url = f"dicom://127.0.0.1:{archive.port}"
        for _ in range(2):
            delivery = send(mode, url)
        (missing,) = set(archive.taken) - archive.has.keys()
        assert (delivery.state, archive.taken.count(missing)) == ("dead", 2)

        assert verify_again(operator, Delivery.objects.all()) == 1
        delivery = send(mode, url)
        assert (delivery.state, delivery.reason_code) == ("ready", "not_there"), "its tries count anew"
        assert archive.taken.count(missing) == 2, "it was asked for, not sent"
        delivery = send(mode, url)
        assert (delivery.state, archive.taken.count(missing)) == ("dead", 3)

        archive.has[missing] = next(iter(archive.has.values()))  # its index has caught up
        assert verify_again(operator, Delivery.objects.all()) == 1
        delivery = send(mode, url)
        assert (delivery.state, delivery.delivered_at is not None) == ("delivered", True), delivery.reason
        assert archive.taken.count(missing) == 3
    assert AuditEvent.objects.filter(action="deliver").count() == 1


def test_a_commitment_is_reported_to_our_own_listener(send):
    port = find_free_port()
    client = ApiClient.objects.create(name="archive", department=Destination.objects.get().department)
    ApplicationEntity.objects.create(title="ARCHIVE", client=client)
    listener = start_listening(Listening("127.0.0.1", port, "SAMSYN"))
    try:
        with Archive(report_to=port) as archive:
            delivery = send("storage-commitment", f"dicom://127.0.0.1:{archive.port}")
            assert delivery.state == "delivered", delivery.reason
    finally:
        listener.shutdown()
    assert AskedCommitment.objects.get().answered_at is not None


@pytest.mark.server
def test_orthanc_is_asked_by_qido(send, tmp_path):
    with run_orthanc(tmp_path) as orthanc:
        delivery = send("qido-count", f"{orthanc.dicomweb_url}/studies")
        assert delivery.state == "delivered", delivery.reason
        assert len(orthanc.list_instances()) == 2


@pytest.mark.server
def test_a_receiver_without_storage_commitment_is_a_fault_of_the_destination(send, tmp_path):
    with run_orthanc(tmp_path) as orthanc:
        delivery = send("storage-commitment", f"{orthanc.dicomweb_url}/studies")
    assert (delivery.state, delivery.reason_code) == ("ready", "cannot_be_verified")
    assert "choose another verification" in delivery.reason
    assert Destination.objects.get().breaker == "open"
