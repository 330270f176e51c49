"""Storage commitment: both forms of the request, every reason, 202 and its result, and who may ask."""

import io
import json
import xml.etree.ElementTree as ET

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from access.models import AuditEvent
from repository import commitment
from repository.models import Commitment, Pack
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db

DICOM_JSON = "application/dicom+json"


@pytest.fixture
def files(vendor):
    """Three stored instances of one series."""
    made = dicom.make_series(dicom.StudyFacts(), 3)
    assert vendor.store(*made).status_code == 200
    return made


def reference(file: bytes, sop_class_uid: str | None = None) -> Dataset:
    received = dcmread(io.BytesIO(file), stop_before_pixels=True)
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid or received.SOPClassUID
    item.ReferencedSOPInstanceUID = received.SOPInstanceUID
    return item


def uid_of(file: bytes) -> str:
    return str(dcmread(io.BytesIO(file), stop_before_pixels=True).SOPInstanceUID)


def ask(vendor, module: Dataset, transaction: str | None = None, **headers):
    return vendor.client.post(
        f"/dicom-web/commitment-requests/{transaction or dicom.make_uid()}",
        module.to_json(),
        content_type=DICOM_JSON,
        headers={**vendor.headers, "Accept": DICOM_JSON, **headers},
    )


def flat(*items: Dataset) -> Dataset:
    module = Dataset()
    module.ReferencedSOPSequence = list(items)
    return module


def answer(response) -> tuple[list[str], dict[str, int]]:
    """Return the UIDs that were committed, and the reason of each that was not, as pydicom reads them."""
    module = Dataset.from_json(response.content.decode())
    good = [item.ReferencedSOPInstanceUID for item in module.get("ReferencedSOPSequence", [])]
    bad = {i.ReferencedSOPInstanceUID: i.FailureReason for i in module.get("FailedSOPSequence", [])}
    return good, bad


def test_what_is_stored_is_committed(vendor, files):
    response = ask(vendor, flat(*map(reference, files)))
    assert response.status_code == 200
    assert response["Content-Type"] == DICOM_JSON
    assert answer(response) == ([uid_of(f) for f in files], {})
    assert "00081198" not in json.loads(response.content)


def test_each_failure_has_its_reason(vendor, foreigner, files, objects_root):
    unknown, invisible, removed = (dicom.make_ct() for _ in range(3))
    foreigner.store(invisible)
    keeper = make_vendor(vendor.department, "keeper", ("store", "read", "delete"))
    keeper.store(removed)
    study = dcmread(io.BytesIO(removed)).StudyInstanceUID
    keeper.client.delete(f"/dicom-web/studies/{study}", headers=keeper.headers)
    [pack] = [p for p in objects_root.rglob("*.pack") if files[1][200:400] in p.read_bytes()]
    data = bytearray(pack.read_bytes())
    data[data.find(files[1][200:400]) + 50] ^= 1
    other = dicom.make_ct()
    vendor.store(other)
    pack.write_bytes(data)
    wrong = reference(other, "1.2.840.10008.5.1.4.1.1.4")
    asked = [reference(f) for f in (files[1], unknown, invisible, removed)]
    good, bad = answer(ask(vendor, flat(*asked, wrong)))
    assert good == []
    assert bad == {
        uid_of(files[1]): 0x0110,
        uid_of(unknown): 0x0112,
        uid_of(invisible): 0x0112,
        uid_of(removed): 0x0112,
        uid_of(other): 0x0119,
    }
    assert json.loads(ask(vendor, flat(*asked)).content)["00081198"]["Value"][0]["00081197"]["vr"] == "US"


def test_a_lost_pack_is_no_commitment(vendor, files, objects_root):
    [pack] = objects_root.rglob("*.pack")
    pack.unlink()
    assert answer(ask(vendor, flat(reference(files[0])))) == ([], {uid_of(files[0]): 0x0110})


def test_a_condemned_pack_is_no_commitment(vendor, files):
    Pack.objects.update(state=Pack.CONDEMNED)
    assert answer(ask(vendor, flat(reference(files[0])))) == ([], {uid_of(files[0]): 0x0110})


def test_references_by_study_and_series_are_answered_so(vendor, files):
    received = dcmread(io.BytesIO(files[0]), stop_before_pixels=True)
    module = by_study(received.StudyInstanceUID, received.SeriesInstanceUID, files[:2])
    found = Dataset.from_json(ask(vendor, module).content.decode())
    assert found == module
    elsewhere = by_study(received.StudyInstanceUID, dicom.make_uid(), files[:1])
    failed = Dataset.from_json(ask(vendor, elsewhere).content.decode())
    assert "ReferencedStudySequence" not in failed
    [study] = failed.FailedStudySequence
    item = (
        study.ReferencedSeriesSequence[0]
        .ReferencedInstancesBySOPClassSequence[0]
        .ReferencedInstanceSequence[0]
    )
    assert (item.ReferencedSOPInstanceUID, item.FailureReason) == (uid_of(files[0]), 0x0112)


def by_study(study_uid, series_uid, files) -> Dataset:
    group, series, study, module = (Dataset() for _ in range(4))
    group.ReferencedSOPClassUID = dicom.CT
    group.ReferencedInstanceSequence = []
    for file in files:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid_of(file)
        group.ReferencedInstanceSequence.append(item)
    series.SeriesInstanceUID, series.ReferencedInstancesBySOPClassSequence = series_uid, [group]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = study_uid, [series]
    module.ReferencedStudySequence = [study]
    return module


def test_much_to_read_is_settled_later(vendor, files, monkeypatch):
    monkeypatch.setattr(commitment, "AT_ONCE_BYTES", 10)
    transaction = dicom.make_uid()
    module = flat(reference(files[0]), reference(dicom.make_ct()))
    accepted = ask(vendor, module, transaction)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert int(accepted["Retry-After"]) > 0
    path = f"/commitment-requests/{transaction}"
    assert vendor.get(path).status_code == 202
    assert commitment.settle_commitments() == 1
    assert commitment.settle_commitments() == 0
    result = vendor.get(path, DICOM_JSON)
    assert result.status_code == 200
    good, bad = answer(result)
    assert good == [uid_of(files[0])]
    assert list(bad.values()) == [0x0112]


def test_what_goes_between_the_request_and_its_settlement_is_not_committed(vendor, files, monkeypatch):
    monkeypatch.setattr(commitment, "AT_ONCE_BYTES", 10)
    transaction = dicom.make_uid()
    ask(vendor, flat(reference(files[0])), transaction)
    keeper = make_vendor(vendor.department, "keeper", ("read", "delete"))
    study = dcmread(io.BytesIO(files[0])).StudyInstanceUID
    assert keeper.client.delete(f"/dicom-web/studies/{study}", headers=keeper.headers).status_code == 204
    commitment.settle_commitments()
    assert answer(vendor.get(f"/commitment-requests/{transaction}")) == ([], {uid_of(files[0]): 0x0112})


def test_a_transaction_uid_is_used_once_by_a_client(vendor, foreigner, files):
    transaction = dicom.make_uid()
    assert ask(vendor, flat(reference(files[0])), transaction).status_code == 200
    again = ask(vendor, flat(reference(files[0])), transaction)
    assert again.status_code == 409
    assert "0131" in json.loads(again.content)["error"]
    path = f"/commitment-requests/{transaction}"
    assert answer(vendor.get(path)) == ([uid_of(files[0])], {})
    assert foreigner.get(path).status_code == 404
    assert answer(ask(foreigner, flat(reference(files[0])), transaction))[1] == {uid_of(files[0]): 0x0112}
    assert vendor.get(f"/commitment-requests/{dicom.make_uid()}").status_code == 404


def test_results_are_kept_for_a_time(vendor, files, settings):
    transaction = dicom.make_uid()
    ask(vendor, flat(reference(files[0])), transaction)
    settings.COMMITMENT_RETENTION_DAYS = 0
    assert vendor.get(f"/commitment-requests/{transaction}").status_code == 404
    assert ask(vendor, flat(reference(files[0])), transaction).status_code == 200
    assert commitment.forget_commitments() == 1
    assert not Commitment.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"[]",
        b"[1]",
        b"null",
        b'"text"',
        b"{}",
        b'{"00081199":{"vr":"SQ"}}',
        b'{"00081199":{"vr":"SQ","Value":[]}}',
        b'{"00081199":{"vr":"SQ","Value":[{}]}}',
        b'{"00081199":{"vr":"SQ","Value":[null]}}',
        b'{"00081199":{"vr":"SQ","Value":{}}}',
        b'{"00081199":[]}',
        b'{"00081199":{"vr":"SQ","Value":[{"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["x"]}}]}}',
        b'{"00081110":{"vr":"SQ","Value":[{"00081115":{"vr":"SQ","Value":[]}}]}}',
        b"[" * 2000,
    ],
)
def test_what_is_no_request_is_refused_readably(vendor, body):
    response = vendor.client.post(
        f"/dicom-web/commitment-requests/{dicom.make_uid()}",
        body,
        content_type=DICOM_JSON,
        headers=vendor.headers,
    )
    assert response.status_code == 400
    assert len(json.loads(response.content)["error"]) > 10


def test_paths_types_and_methods(vendor, files):
    module = flat(reference(files[0]))
    assert ask(vendor, module, "1.2.x").status_code == 400
    assert vendor.get("/commitment-requests/none").status_code == 400
    assert ask(vendor, module, Accept="image/png").status_code == 406
    path = f"/dicom-web/commitment-requests/{dicom.make_uid()}"
    for content_type in (
        "text/plain",
        "application/dicom",
        "multipart/related; type=application/dicom; boundary=b",
    ):
        assert (
            vendor.client.post(path, b"{}", content_type=content_type, headers=vendor.headers).status_code
            == 415
        )
    assert vendor.client.delete(path, headers=vendor.headers).status_code == 405
    assert vendor.client.post(path, b"{}", content_type=DICOM_JSON).status_code == 401


def test_xml_in_and_out(vendor, files):
    item = reference(files[0])
    document = (
        '<NativeDicomModel><DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence"><Item number="1">'
        f'<DicomAttribute tag="00081150" vr="UI"><Value number="1">{item.ReferencedSOPClassUID}</Value></DicomAttribute>'
        f'<DicomAttribute tag="00081155" vr="UI"><Value number="1">{item.ReferencedSOPInstanceUID}</Value>'
        "</DicomAttribute></Item></DicomAttribute></NativeDicomModel>"
    )
    boundary = "b" * 20
    part = f"--{boundary}\r\nContent-Type: application/dicom+xml\r\n\r\n{document}\r\n--{boundary}--\r\n"
    for body, content_type in (
        (document, "application/dicom+xml"),
        (part, f'multipart/related; type="application/dicom+xml"; boundary={boundary}'),
    ):
        response = vendor.client.post(
            f"/dicom-web/commitment-requests/{dicom.make_uid()}",
            body,
            content_type=content_type,
            headers={**vendor.headers, "Accept": "application/dicom+xml"},
        )
        assert response.status_code == 200
        values = [e.text for e in ET.fromstring(response.content).iter() if e.tag.endswith("Value")]
        assert values == [item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID]


def test_a_system_that_only_stores_may_ask(department, vendor, files):
    modality = make_vendor(department, "modality", ("store",))
    assert answer(ask(modality, flat(reference(files[0])))) == ([uid_of(files[0])], {})
    assert ask(make_vendor(department, "eraser", ("delete",)), flat(reference(files[0]))).status_code == 403
    event = AuditEvent.objects.get(action="commit")
    assert (event.actor, event.detail["instances"]) == ("modality", 1)


def test_ten_thousand_references_are_answered_at_once(vendor, files, django_assert_max_num_queries):
    many = [f"2.25.{number}" for number in range(10_000)]
    module = {"vr": "SQ", "Value": [item(uid) for uid in [*many, *map(uid_of, files)]]}
    with django_assert_max_num_queries(60):
        response = vendor.client.post(
            f"/dicom-web/commitment-requests/{dicom.make_uid()}",
            json.dumps({"00081199": module}),
            content_type=DICOM_JSON,
            headers=vendor.headers,
        )
    found = json.loads(response.content)
    assert len(found["00081199"]["Value"]) == 3
    assert len(found["00081198"]["Value"]) == 10_000


def item(uid: str) -> dict:
    return {"00081150": {"vr": "UI", "Value": [dicom.CT]}, "00081155": {"vr": "UI", "Value": [uid]}}


def test_a_client_cannot_let_any_number_of_requests_wait(vendor, files, monkeypatch):
    monkeypatch.setattr(commitment, "AT_ONCE_BYTES", 10)
    monkeypatch.setattr(commitment, "OPEN_AT_MOST", 2)
    module = flat(reference(files[0]))
    answers = [ask(vendor, module) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    commitment.settle_commitments()
    assert ask(vendor, module).status_code == 202


def test_a_body_beyond_the_limit_is_not_read(vendor, monkeypatch):
    monkeypatch.setattr("repository.dicomweb.commitment.MAX_BODY_BYTES", 100)
    assert ask(vendor, flat(reference(dicom.make_ct()))).status_code == 413
