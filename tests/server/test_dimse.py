"""DIMSE as other people's software speaks it: DCMTK and pynetdicom against `manage.py listen_dimse`."""

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from tests.support.certificates import make_certificates
from tests.support.dicom import EXPLICIT, RLE, StudyFacts, make_ct, make_series, make_uid
from tests.support.dimse import (
    OWN_TITLE,
    CallFailed,
    Listener,
    find_responses,
    run_listener,
    run_storescp,
    write_files,
)
from tests.support.http import bearer, make_pool, store
from tests.support.processes import find_free_port
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

ORGANISATION = """
from access.models import CareProvider, CareUnit, Department
for name in ("one", "two"):
    provider = CareProvider.objects.create(hsa_id=f"SE-P-{name}", name=name)
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE-U-{name}", name=name)
    Department.objects.create(unit=unit, hsa_id=f"SE-D-{name}", name=name)
"""


@pytest.fixture(scope="module", params=["embedded", "production"])
def server(
    request: pytest.FixtureRequest,
    start_embedded: Callable[..., SamsynServer],
    start_production: Callable[..., SamsynServer],
) -> SamsynServer:
    started = (start_embedded if request.param == "embedded" else start_production)()
    started.run_code(ORGANISATION)
    started.run_command("create_entity", "HOSPITAL", "--department", "SE-D-one")
    started.run_command("create_entity", "OTHER", "--department", "SE-D-two", "--scope", "read")
    return started


@pytest.fixture(scope="module")
def listener(server: SamsynServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    with run_listener(server, tmp_path_factory.mktemp("dimse")) as running:
        yield running


def send(listener: Listener, folder: Path, *files: bytes, options: tuple[str, ...] = ()) -> str:
    return listener.call("storescu", "HOSPITAL", *options, *write_files(folder, files))


def search(listener: Listener, level: str, *keys: str, title: str = "HOSPITAL") -> list[dict[str, str]]:
    arguments = [part for key in keys for part in ("-k", key)]
    text = listener.call("findscu", title, "-S", "-k", f"QueryRetrieveLevel={level}", *arguments, "-v")
    return find_responses(text)


def test_echo_and_who_may_call(listener: Listener) -> None:
    listener.call("echoscu", "HOSPITAL")
    with pytest.raises(CallFailed, match="Calling AE Title Not Recognized"):
        listener.call("echoscu", "STRANGER", "-v")


def test_what_storescu_sends_is_found_by_qido_and_findscu(
    server: SamsynServer, listener: Listener, tmp_path: Path
) -> None:
    facts = StudyFacts(
        patient_name="Åkerström^Örjan", study_description="MR knä hö", character_set="ISO_IR 100"
    )
    send(listener, tmp_path, *make_series(facts, 3))
    pool, token = make_pool(), server.issue_token()
    url = f"{server.dicomweb_url}/studies?StudyInstanceUID={facts.study_instance_uid}"
    [row] = pool.request("GET", url, headers=bearer(token)).json()
    assert row["00100010"]["Value"] == [{"Alphabetic": "Åkerström^Örjan"}]
    uid = f"StudyInstanceUID={facts.study_instance_uid}"
    [study] = search(
        listener, "STUDY", uid, "PatientName", "StudyDescription", "NumberOfStudyRelatedInstances"
    )
    assert study["00100010"] == "Åkerström^Örjan"
    assert study["00081030"] == "MR knä hö"
    assert study["00201208"] == "3"
    assert len(search(listener, "IMAGE", uid, "SOPInstanceUID", "InstanceNumber")) == 3
    [series] = search(listener, "SERIES", uid, "SeriesInstanceUID", "Modality=CT")
    assert series["00080060"] == "CT"
    assert search(listener, "SERIES", uid, "SeriesInstanceUID", "Modality=MR") == []


def test_a_repeated_instance_is_success_and_other_content_is_a_duplicate(
    listener: Listener, tmp_path: Path
) -> None:
    facts = StudyFacts()
    uid = make_uid()
    series = make_uid()
    first = make_ct(facts, series_instance_uid=series, sop_instance_uid=uid)
    other = make_ct(facts, series_instance_uid=series, sop_instance_uid=uid, seed=5)
    with associate(listener, "HOSPITAL", CTImageStorage) as association:
        answers = [association.send_c_store(dcmread(io.BytesIO(file))) for file in (first, first, other)]
    assert [answer.Status for answer in answers] == [0x0000, 0x0000, 0x0111]
    assert "first version stays" in answers[2].ErrorComment


class associate:  # noqa: N801 (reads as a verb)
    """An association of pynetdicom, released at the end."""

    def __init__(self, listener: Listener, title: str, *classes: Any) -> None:
        ae = AE(title)
        for sop_class in classes:
            ae.add_requested_context(sop_class, [EXPLICIT])
        self.association = ae.associate("127.0.0.1", listener.port, ae_title=OWN_TITLE)

    def __enter__(self) -> Any:
        assert self.association.is_established
        return self.association

    def __exit__(self, *error: object) -> None:
        self.association.release()


def test_a_system_that_may_not_store_is_told_so(listener: Listener) -> None:
    with associate(listener, "OTHER", CTImageStorage) as association:
        answer = association.send_c_store(dcmread(io.BytesIO(make_ct(StudyFacts()))))
    assert answer.Status == 0x0124


def test_another_provider_s_system_sees_and_gets_nothing(listener: Listener, tmp_path: Path) -> None:
    facts = StudyFacts()
    send(listener, tmp_path / "in", *make_series(facts, 2))
    uid = f"StudyInstanceUID={facts.study_instance_uid}"
    assert len(search(listener, "STUDY", uid)) == 1
    assert search(listener, "STUDY", uid, title="OTHER") == []
    got = tmp_path / "got"
    got.mkdir()
    for named in (uid, f"StudyInstanceUID={make_uid()}"):
        listener.call("getscu", "OTHER", "-S", "-od", str(got), "-k", "QueryRetrieveLevel=STUDY", "-k", named)
    assert list(got.iterdir()) == []


def test_getscu_gets_the_study_bit_for_bit(listener: Listener, tmp_path: Path) -> None:
    facts = StudyFacts()
    files = make_series(facts, 3)
    send(listener, tmp_path / "in", *files)
    got = tmp_path / "got"
    got.mkdir()
    uid = f"StudyInstanceUID={facts.study_instance_uid}"
    listener.call("getscu", "HOSPITAL", "-S", "-od", str(got), "-k", "QueryRetrieveLevel=STUDY", "-k", uid)
    assert pixels_of(got) == {
        dcmread(io.BytesIO(f)).SOPInstanceUID: dcmread(io.BytesIO(f)).PixelData for f in files
    }


def pixels_of(folder: Path) -> dict[str, bytes]:
    datasets = [dcmread(path) for path in folder.iterdir()]
    return {dataset.SOPInstanceUID: dataset.PixelData for dataset in datasets}


@pytest.mark.parametrize("options", [("+x=",), ("+xr",)], ids=["uncompressed only", "RLE"])
def test_movescu_brings_a_compressed_series_to_storescp(
    server: SamsynServer, listener: Listener, tmp_path: Path, options: tuple[str, ...]
) -> None:
    facts = StudyFacts()
    file = make_ct(facts, transfer_syntax_uid=RLE)
    send(listener, tmp_path / "in", file, options=("-xr",))
    with run_storescp(tmp_path / "got", "WORKSTATION", *options) as port:
        server.run_command(
            "create_entity",
            "WORKSTATION",
            "--department",
            "SE-D-one",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        )
        uid = f"StudyInstanceUID={facts.study_instance_uid}"
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", uid)
        listener.call("movescu", "HOSPITAL", "-S", "-aem", "WORKSTATION", *keys)
    [got] = [dcmread(path) for path in (tmp_path / "got").iterdir()]
    assert (got.file_meta.TransferSyntaxUID == RLE) == (options == ("+xr",))
    assert (got.pixel_array == dcmread(io.BytesIO(file)).pixel_array).all()


def test_nothing_is_moved_to_a_system_that_may_not_see_it_or_is_not_known(
    server: SamsynServer, listener: Listener, tmp_path: Path
) -> None:
    facts = StudyFacts()
    send(listener, tmp_path / "in", make_ct(facts))
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={facts.study_instance_uid}")
    with run_storescp(tmp_path / "got", "ELSEWHERE") as port:
        server.run_command(
            "create_entity",
            "ELSEWHERE",
            "--department",
            "SE-D-two",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        )
        listener.call("movescu", "HOSPITAL", "-S", "-aem", "ELSEWHERE", *keys)
    assert list((tmp_path / "got").iterdir()) == []
    with pytest.raises(CallFailed, match=r"Move ?Destination ?Unknown"):
        listener.call("movescu", "HOSPITAL", "-v", "-S", "-aem", "NOBODY", *keys)


def test_a_list_that_would_be_cut_ends_with_a_failure(
    server: SamsynServer, tmp_path: Path, listener: Listener
) -> None:
    facts = StudyFacts()
    send(listener, tmp_path, *make_series(facts, 3))
    limited = SamsynServer(server.home, server.environment | {"SAMSYN_DIMSE_FIND_LIMIT": "2"})
    with (
        run_listener(limited, tmp_path) as short,
        associate(short, "HOSPITAL", StudyRootQueryRetrieveInformationModelFind) as association,
    ):
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "IMAGE"
        identifier.StudyInstanceUID = facts.study_instance_uid
        identifier.SOPInstanceUID = ""
        statuses = [
            status.Status
            for status, _ in association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
        ]
    assert statuses == [0xFF00, 0xFF00, 0xA700]


def test_a_question_without_level_is_refused_with_a_reason(listener: Listener) -> None:
    with associate(listener, "HOSPITAL", StudyRootQueryRetrieveInformationModelFind) as association:
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "PATIENT"
        [(status, _)] = association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
    assert status.Status == 0xA900
    assert "PATIENT" in status.ErrorComment


def test_patients_are_found_once_on_their_own_level(listener: Listener, tmp_path: Path) -> None:
    for number in range(2):
        facts = StudyFacts(patient_name="Ek^Ebba", patient_id="197010101010", study_description=str(number))
        send(listener, tmp_path / str(number), make_ct(facts))
    keys = ("-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName=EK*", "-k", "PatientID")
    found = find_responses(listener.call("findscu", "HOSPITAL", "-P", *keys, "-v"))
    assert [row["00100010"] for row in found] == ["Ek^Ebba"]


def test_tls_asks_for_a_certificate_of_the_known_authority(server: SamsynServer, tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    options = ("--tls-certificate", str(made.certificate), "--tls-key", str(made.key))
    with run_listener(server, tmp_path, *options, "--tls-ca", str(made.ca)) as secured:
        shown = ("+tls", str(made.client_key), str(made.client_certificate), "+cf", str(made.ca))
        secured.call("echoscu", "HOSPITAL", *shown)
        with pytest.raises(CallFailed):
            secured.call("echoscu", "HOSPITAL")
        with pytest.raises(CallFailed):
            secured.call("echoscu", "HOSPITAL", "+tla", "+cf", str(made.ca))


def test_storage_commitment_is_reported_to_the_sender(server: SamsynServer, listener: Listener) -> None:
    facts = StudyFacts()
    file = dcmread(io.BytesIO(make_ct(facts)))
    reports: list[tuple[int, Dataset]] = []
    arrived = threading.Event()

    def note(event: Any) -> int:
        reports.append((event.event_type, event.event_information))
        arrived.set()
        return 0x0000

    port = find_free_port()
    server.run_command(
        "create_entity", "MODALITY", "--department", "SE-D-one", "--host", "127.0.0.1", "--port", str(port)
    )
    receiver = AE("MODALITY")
    receiver.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    running = receiver.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, note)]
    )
    try:
        ae = AE("MODALITY")
        ae.add_requested_context(CTImageStorage, [EXPLICIT])
        ae.add_requested_context(StorageCommitmentPushModel)
        association = ae.associate(
            "127.0.0.1",
            listener.port,
            ae_title=OWN_TITLE,
            ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)],
        )
        assert association.send_c_store(file).Status == 0x0000
        request = Dataset()
        request.TransactionUID = make_uid()
        request.ReferencedSOPSequence = [refer(file.SOPInstanceUID), refer(make_uid())]
        status, _ = association.send_n_action(
            request, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
        )
        assert status.Status == 0x0000
        association.release()
        assert arrived.wait(30)
    finally:
        running.shutdown()
    [(event_type, report)] = reports
    assert event_type == 2
    assert report.TransactionUID == request.TransactionUID
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [file.SOPInstanceUID]
    [failed] = report.FailedSOPSequence
    assert failed.FailureReason == 0x0112


def refer(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = uid
    return item


def test_what_was_read_and_refused_is_in_the_access_log(
    server: SamsynServer, listener: Listener, tmp_path: Path
) -> None:
    facts = StudyFacts()
    send(listener, tmp_path / "in", make_ct(facts))
    got = tmp_path / "got"
    got.mkdir()
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={facts.study_instance_uid}")
    for title in ("HOSPITAL", "OTHER"):
        listener.call("getscu", title, "-S", "-od", str(got), *keys)
    rows = server.run_code(
        "from access.models import AuditEvent\n"
        f"rows = AuditEvent.objects.filter(study_instance_uid={facts.study_instance_uid!r}, door='dimse')\n"
        "print(sorted(rows.values_list('action', 'outcome', 'actor')))"
    )
    assert "('read', 'success', 'AE HOSPITAL')" in rows
    assert "('read', 'refused', 'AE OTHER')" in rows
    assert "('store', 'success', 'AE HOSPITAL')" in rows


def test_names_are_not_written_to_the_log(listener: Listener, tmp_path: Path) -> None:
    facts = StudyFacts(patient_name="Hemlig^Person")
    send(listener, tmp_path, make_ct(facts))
    search(listener, "STUDY", "PatientName=Hemlig*", "PatientID")
    assert "Hemlig" not in listener.log_path.read_text(errors="replace")


def test_stow_and_c_store_make_one_study(server: SamsynServer, listener: Listener, tmp_path: Path) -> None:
    facts = StudyFacts()
    token = server.issue_tokens(["STOW"], department="SE-D-one")[0]
    assert store(make_pool(), server.dicomweb_url, token, [make_ct(facts)]).status == 200
    send(listener, tmp_path, make_ct(facts))
    uid = f"StudyInstanceUID={facts.study_instance_uid}"
    [study] = search(listener, "STUDY", uid, "NumberOfStudyRelatedInstances")
    assert study["00201208"] == "2"


def test_verification_works_beside_everything_else(listener: Listener) -> None:
    with associate(listener, "HOSPITAL", Verification) as association:
        assert association.send_c_echo().Status == 0x0000


def test_either_number_of_a_merged_patient_finds_the_studies_of_both(
    server: SamsynServer, listener: Listener, tmp_path: Path
) -> None:
    issuer = "1.2.752.97.1.2.3"
    for number in ("M1", "M2"):
        send(listener, tmp_path / number, make_ct(StudyFacts(patient_id=number, issuer_oid=issuer)))
    server.run_code(
        "from registry.identity import PatientNumber\n"
        "from registry.merges import merge\n"
        f"merge(PatientNumber('M2', {issuer!r}), PatientNumber('M1', {issuer!r}), source='test')"
    )
    for number in ("M1", "M2"):
        found = search(listener, "STUDY", f"PatientID={number}", "StudyInstanceUID")
        assert sorted(row["00100020"] for row in found) == ["M1", "M2"]
