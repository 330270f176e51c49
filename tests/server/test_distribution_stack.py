"""Five departments with systems that others wrote, and a second installation: a CT, its reports and its rejection."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hl7.client import MLLPClient
from pynetdicom import AE, evt

from tests.server.test_delivery_orthanc import SETTINGS, wait_for
from tests.support.dicom import (
    CT,
    EXPLICIT,
    PERSONAL_NUMBER,
    PERSONAL_NUMBER_OID,
    RLE,
    StudyFacts,
    make_series,
)
from tests.support.dimse import run_storescp
from tests.support.hl7v2 import make_message
from tests.support.http import bearer, make_pool, read_sop_instance_uid, retrieve_study, store
from tests.support.mllp import run_mllp
from tests.support.mllp_receiver import MllpReceiver, run_mllp_receiver
from tests.support.orthanc import OrthancServer
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

REGION = """
from access.models import CareProvider, CareUnit, Department
from registry.models import Hl7Source
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
for number in range(1, 8):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{number}", name=f"Hospital {number}")
    department = Department.objects.create(unit=unit, hsa_id=f"SE1-D{number}", name="Radiology")
    if number == 1:
        Hl7Source.objects.create(sending_application="RIS", sending_facility="NORR", department=department)
"""
SUBSCRIBE = """
import io
import json
from access.models import Department
from access.secrets import seal
from registry.models import Destination, Subscription
for number, (url, title, token, wants) in enumerate(json.loads({rows!r}), 2):
    department = Department.objects.get(hsa_id=f"SE1-D{{number}}")
    where = Destination.objects.create(
        department=department, name=f"system {{number}}", url=url, called_ae_title=title, token_sealed=seal(token)
    )
    Subscription.objects.create(department=department, destination=where, wants=wants)
"""
READ_DELIVERIES = """
import io
import json
from repository.models import Delivery
rows = Delivery.objects.order_by("pk").values_list("destination__name", "kind", "state", "reason")
print(json.dumps(list(rows)))
"""
READ_RECALLS = """
import io
import json
from repository.models import RecallReceipt
rows = RecallReceipt.objects.order_by("destination__name")
print(json.dumps([(row.destination.name, row.state, len(row.sop_instance_uids)) for row in rows]))
"""


@dataclass(slots=True)
class UncompressedOnly:
    """A system of pynetdicom that refuses every compressed transfer syntax."""

    got: dict[str, Any] = field(default_factory=dict)
    port: int = 0

    def take(self, event: Any) -> int:
        """Keep a data set by its UID, with the syntax it came in."""
        dataset = event.dataset
        self.got[str(dataset.SOPInstanceUID)] = str(event.context.transfer_syntax)
        return 0


@pytest.fixture
def uncompressed() -> Iterator[UncompressedOnly]:
    system = UncompressedOnly()
    ae = AE("PLAIN")
    ae.add_supported_context(CT, EXPLICIT)
    ae.add_supported_context("1.2.840.10008.5.1.4.1.1.88.59", EXPLICIT)
    ae.add_supported_context("1.2.840.10008.1.1")
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, system.take)])
    system.port = server.server_address[1]
    yield system
    server.shutdown()


@dataclass(slots=True)
class Stack:
    """All that runs."""

    here: SamsynServer
    there: SamsynServer
    orthanc: OrthancServer
    folder: Path
    uncompressed: UncompressedOnly
    his: MllpReceiver
    token: str
    reader: str

    def list_deliveries(self) -> list[list[str]]:
        """Return destination, kind, state and reason of every delivery."""
        found: list[list[str]] = json.loads(self.here.run_code(READ_DELIVERIES))
        return found

    def list_files(self) -> dict[str, Any]:
        """Return what DCMTK's storescp wrote, by UID."""
        files = [pydicom.dcmread(path, stop_before_pixels=True) for path in self.folder.iterdir()]
        return {str(file.SOPInstanceUID): file for file in files}


@pytest.fixture
def stack(
    start_embedded: Callable[..., SamsynServer],
    orthanc: OrthancServer,
    uncompressed: UncompressedOnly,
    tmp_path: Path,
) -> Iterator[Stack]:
    here, there = start_embedded(**SETTINGS), start_embedded(**SETTINGS)
    for server in (here, there):
        server.run_code(REGION)
    images = ["images", "sr", "key_images"]
    with run_storescp(tmp_path / "got", "DCMTK", "+xa") as port, run_mllp_receiver() as his:
        rows = [
            (f"{orthanc.dicomweb_url}/studies", "", "", images),
            (f"dicom://127.0.0.1:{port}", "DCMTK", "", images),
            (f"dicom://127.0.0.1:{uncompressed.port}", "PLAIN", "", images),
            (f"{there.dicomweb_url}/studies", "", there.issue_token("here", department="SE1-D1"), images),
            (his.url, "", "", ["report"]),
        ]
        here.run_code(SUBSCRIBE.format(rows=json.dumps(rows)))
        token = here.issue_token("hospital", department="SE1-D1")
        reader = there.issue_token("reader", department="SE1-D1")
        yield Stack(here, there, orthanc, tmp_path / "got", uncompressed, his, token, reader)


def report(facts: StudyFacts, status: str, minute: int) -> str:
    """Write one version of the report of a study."""
    return make_message(
        "ORU^R01",
        f"PID|1||{PERSONAL_NUMBER}^^^&{PERSONAL_NUMBER_OID}&ISO^PI||Tolvansson^Tolvan||19121212|M",
        f"OBR|1||R1|CT^DT buk||||||||||||||||||2026030211{minute:02d}00|||{status}",
        f"OBX|1|TX|R^Utlåtande||Version {minute}||||||{status}",
        f"OBX|2|ST|113014^DICOM Study^DCM||{facts.study_instance_uid}||||||{status}",
    )


def test_a_ct_its_reports_and_its_rejection_reach_every_department(stack: Stack, tmp_path: Path) -> None:
    facts = StudyFacts()
    files = make_series(facts, 4, transfer_syntax_uid=RLE, rows=32, columns=32)
    uids = {read_sop_instance_uid(file) for file in files}
    assert store(make_pool(), stack.here.dicomweb_url, stack.token, files).status == 200

    def has_arrived_everywhere() -> bool:
        arrived = retrieve_study(
            make_pool(), stack.there.dicomweb_url, stack.reader, facts.study_instance_uid
        )
        held = [
            set(stack.orthanc.list_instances()),
            set(stack.list_files()),
            set(stack.uncompressed.got),
            set(arrived),
        ]
        return all(uids <= one for one in held)

    wait_for(has_arrived_everywhere, "the CT at four systems")
    assert set(stack.orthanc.list_instances()) == uids
    assert {str(file.file_meta.TransferSyntaxUID) for file in stack.list_files().values()} == {RLE}
    assert stack.uncompressed.got == dict.fromkeys(uids, EXPLICIT), (
        "unpacked, as it refuses what is compressed"
    )
    _send_reports(stack, facts, tmp_path)
    _reject_one(stack, facts, files[0])


def _send_reports(stack: Stack, facts: StudyFacts, folder: Path) -> None:
    with run_mllp(stack.here, folder) as listener, MLLPClient("127.0.0.1", listener.port) as client:
        for minute, status in enumerate(("P", "F", "C")):
            assert b"MSA|AA" in client.send_message(report(facts, status, minute))
    wait_for(lambda: len(stack.his.taken) == 3, "three versions of the report")
    said = [
        (str(message.segment("OBR")[25]), str(message.segment("OBX")[5])[:9])
        for message in stack.his.messages
    ]
    assert [status for status, _ in said] == ["P", "F", "C"], "in order"
    assert len(stack.his.messages) == 3, "each once"


def _reject_one(stack: Stack, facts: StudyFacts, file: bytes) -> None:
    rejected = read_sop_instance_uid(file)
    series = _series_of(file)
    url = f"{stack.here.dicomweb_url}/studies/{facts.study_instance_uid}/series/{series}/instances/{rejected}"
    answer = make_pool().request("POST", f"{url}/reject/113001%5EDCM", headers=bearer(stack.token))
    assert answer.status < 300, answer.data

    def is_acknowledged() -> bool:
        receipts = json.loads(stack.here.run_code(READ_RECALLS))
        return len(receipts) == 4 and {state for _, state, _ in receipts} <= {"acknowledged", "task"}

    wait_for(is_acknowledged, "an answer of every receiver to the recall")
    receipts = json.loads(stack.here.run_code(READ_RECALLS))
    assert [count for _, _, count in receipts] == [1] * 4
    states = {name: state for name, state, _ in receipts}
    assert states["system 3"] == states["system 2"] == "acknowledged"
    left = retrieve_study(make_pool(), stack.there.dicomweb_url, stack.reader, facts.study_instance_uid)
    assert rejected not in left, "the other installation acts on the note"


def _series_of(file: bytes) -> str:
    return str(pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True).SeriesInstanceUID)
