"""Delete, rejection and storage commitment.

Standard: PS3.18 13, annex J; IHE RAD IOCM
"""

from typing import Any, cast

import orjson
import pydicom
import pytest

from tests.conformance.archive import DICOM_JSON, Archive
from tests.conformance.storing import make, parts, path_of, post, read
from tests.conformance.wire import Reply, value_of, values_of
from tests.support.dicom import make_uid

pytestmark = pytest.mark.server

COMMITTED, FAILED, REASON = "00081199", "00081198", "00081197"


def store(inbox: Archive, *files: bytes) -> None:
    answer = post(inbox, parts(*files))
    assert answer.status == 200, answer.describe()


def delete(inbox: Archive, path: str) -> Reply:
    return inbox.ask(path, "*/*", method="DELETE")


def levels(file: bytes) -> dict[str, str]:
    path = path_of(file)
    return {
        "study": path.partition("/series")[0],
        "series": path.partition("/instances")[0],
        "instance": path,
    }


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_delete_removes_what_it_names(inbox, level):
    file = make()
    store(inbox, file)
    path = levels(file)[level]
    answer = delete(inbox, path)
    assert (answer.status, answer.body) == (204, b""), answer.describe()
    for target in (path, path + "/metadata"):
        assert inbox.ask(target, "*/*").status == 410, target
    assert inbox.ask(path_of(file) + "/frames/1", "*/*").status == 410
    uid = read(file).SOPInstanceUID
    assert inbox.ask(f"/instances?SOPInstanceUID={uid}", DICOM_JSON).json() == []
    assert inbox.ask(f"/studies?StudyInstanceUID={read(file).StudyInstanceUID}", DICOM_JSON).json() == []


def test_delete_leaves_what_it_does_not_name(inbox):
    study, series = make_uid(), make_uid()
    one, other = (make(study_instance_uid=study, series_instance_uid=series) for _ in range(2))
    store(inbox, one, other)
    assert delete(inbox, path_of(one)).status == 204
    [row] = inbox.ask(f"/studies/{study}/series", DICOM_JSON).json()
    assert value_of(row, "00201209") == 1
    [part] = inbox.ask(f"/studies/{study}", "multipart/related; type=application/dicom").parts()
    assert read(part.body).SOPInstanceUID == read(other).SOPInstanceUID
    [document] = inbox.ask(f"/studies/{study}/metadata", DICOM_JSON).json()
    assert value_of(document, "00080018") == read(other).SOPInstanceUID


def test_delete_twice_is_410_and_unknown_is_404(inbox):
    file = make()
    store(inbox, file)
    path = levels(file)["study"]
    assert delete(inbox, path).status == 204
    assert delete(inbox, path).status in (404, 410)
    assert delete(inbox, "/studies/1.2.3.4.5").status == 404


def test_what_was_deleted_can_be_stored_again(inbox):
    file = make()
    store(inbox, file)
    assert delete(inbox, levels(file)["study"]).status == 204
    store(inbox, file)
    assert inbox.ask(path_of(file), "application/dicom").body[128:] == file[128:]


def test_delete_without_the_right_is_refused(inbox):
    file = make()
    store(inbox, file)
    answer = inbox.ask(
        levels(file)["study"], "*/*", method="DELETE", headers={"Authorization": "Bearer nonsense"}
    )
    assert answer.status == 401, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 200


@pytest.mark.parametrize(
    "code", ["113001%5EDCM", "113001^DCM", "113037%5EDCM", "113038%5EDCM", "113039%5EDCM"]
)
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_reject_hides_what_it_names(inbox, level, code):
    """As OHIF asks for it; the codes of IHE RAD IOCM."""
    file = make()
    store(inbox, file)
    answer = inbox.ask(f"{levels(file)[level]}/reject/{code}", "*/*", method="POST", body=b"")
    assert answer.status == 204, answer.describe()
    assert inbox.ask(f"/instances?SOPInstanceUID={read(file).SOPInstanceUID}", DICOM_JSON).json() == []
    assert inbox.ask(path_of(file), "application/dicom").status in (404, 410)


def test_an_unknown_reason_is_refused(inbox):
    file = make()
    store(inbox, file)
    answer = inbox.ask(f"{levels(file)['series']}/reject/99%5EX", "*/*", method="POST", body=b"")
    assert answer.status in (400, 404), answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 200


def commit(inbox: Archive, transaction: str, items: list[tuple[str, str]], accept: str = DICOM_JSON) -> Reply:
    sequence = [
        {"00081150": {"vr": "UI", "Value": [sop_class]}, "00081155": {"vr": "UI", "Value": [uid]}}
        for sop_class, uid in items
    ]
    body = orjson.dumps({"00081199": {"vr": "SQ", "Value": sequence}})
    return inbox.ask(
        f"/commitment-requests/{transaction}",
        accept,
        method="POST",
        body=body,
        headers={"Content-Type": DICOM_JSON},
    )


def of(dataset: pydicom.Dataset) -> tuple[str, str]:
    return str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)


def result(inbox: Archive, transaction: str, answer: Reply) -> dict[str, Any]:
    """Follow a 202 to its result, as 13.5 has it."""
    if answer.status == 202:
        answer = inbox.ask(f"/commitment-requests/{transaction}", DICOM_JSON)
    assert answer.status == 200, answer.describe()
    document = answer.json()
    return cast("dict[str, Any]", document[0] if isinstance(document, list) else document)


def test_commitment_of_what_is_there(inbox):
    """PS3.18 13.4, table J.2-1."""
    transaction = make_uid()
    answer = commit(inbox, transaction, [of(inbox[name].dataset) for name in ("ct1", "rgb", "sr")])
    document = result(inbox, transaction, answer)
    found = {value_of(item, "00081155") for item in values_of(document, COMMITTED)}
    assert found == {inbox[name].sop_instance_uid for name in ("ct1", "rgb", "sr")}
    assert values_of(document, FAILED) == []


def test_commitment_of_what_is_not_there(inbox):
    """PS3.3 C.14.1.1: 0112 no such object instance, 0119 class or instance conflict."""
    transaction = make_uid()
    known, (sop_class, _) = of(inbox["ct1"].dataset), of(inbox["sr"].dataset)
    answer = commit(
        inbox, transaction, [(known[0], "1.2.3.4"), (sop_class, known[1]), of(inbox["ct2"].dataset)]
    )
    document = result(inbox, transaction, answer)
    failed = {value_of(item, "00081155"): value_of(item, REASON) for item in values_of(document, FAILED)}
    assert failed == {"1.2.3.4": 0x0112, known[1]: 0x0119}
    assert [value_of(item, "00081155") for item in values_of(document, COMMITTED)] == [
        inbox["ct2"].sop_instance_uid
    ]


def test_the_result_can_be_asked_for_again(inbox):
    """PS3.18 13.5."""
    transaction = make_uid()
    first = result(inbox, transaction, commit(inbox, transaction, [of(inbox["ct1"].dataset)]))
    answer = inbox.ask(f"/commitment-requests/{transaction}", DICOM_JSON)
    assert answer.status == 200, answer.describe()
    again = answer.json()
    again = again[0] if isinstance(again, list) else again
    assert values_of(again, COMMITTED) == values_of(first, COMMITTED)


def test_a_transaction_uid_is_used_once(inbox):
    """PS3.18 table 13.4.3-1: 409."""
    transaction = make_uid()
    assert commit(inbox, transaction, [of(inbox["ct1"].dataset)]).status in (200, 202)
    answer = commit(inbox, transaction, [of(inbox["ct2"].dataset)])
    assert answer.status == 409, answer.describe()


def test_an_unknown_transaction_is_404(inbox):
    """PS3.18 13.5.3."""
    answer = inbox.ask(f"/commitment-requests/{make_uid()}", DICOM_JSON)
    assert answer.status == 404, answer.describe()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"00081199":{"vr":"SQ","Value":[]}}',
        b'{"00081199":{"vr":"SQ","Value":[{}]}}',
    ],
)
def test_a_request_that_is_none_is_400(inbox, body):
    answer = inbox.ask(
        f"/commitment-requests/{make_uid()}",
        DICOM_JSON,
        method="POST",
        body=body,
        headers={"Content-Type": DICOM_JSON},
    )
    assert answer.status == 400, answer.describe()


def test_a_transaction_that_is_no_uid_is_400(inbox):
    answer = commit(inbox, "nonsense", [of(inbox["ct1"].dataset)])
    assert answer.status in (400, 404), answer.describe()


def test_what_was_deleted_is_not_committed(inbox):
    file, transaction = make(), make_uid()
    store(inbox, file)
    assert delete(inbox, path_of(file)).status == 204
    document = result(inbox, transaction, commit(inbox, transaction, [of(read(file))]))
    assert [value_of(item, REASON) for item in values_of(document, FAILED)] == [0x0112]
