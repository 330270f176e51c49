"""Store: bodies, statuses, the response module.

Standard: PS3.18 10.5, annex I
"""

import io
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.conformance.archive import DICOM_JSON
from tests.conformance.storing import BOUNDARY, make, parts, path_of, post, read
from tests.conformance.wire import Part, value_of, values_of, write_multipart
from tests.support.dicom import StudyFacts, make_ct, make_uid

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

STORED, FAILED, OTHERS, REASON = "00081199", "00081198", "0008119A", "00081197"


def remove(file: bytes, keyword: str) -> bytes:
    """Write the file again without an element of its data set."""
    dataset = read(file)
    delattr(dataset, keyword)
    target = io.BytesIO()
    pydicom.dcmwrite(target, dataset, enforce_file_format=False)
    return target.getvalue()


def test_an_instance_is_stored_and_named(inbox):
    """PS3.18 10.5.3, table I.2-1."""
    file = make()
    answer = post(inbox, parts(file))
    assert answer.status == 200, answer.describe()
    assert answer.media_type == DICOM_JSON
    [item] = values_of(answer.json(), STORED)
    assert value_of(item, "00081150") == read(file).SOPClassUID
    assert value_of(item, "00081155") == read(file).SOPInstanceUID
    assert value_of(item, "00081190").endswith(path_of(file))
    assert FAILED not in answer.json()
    assert inbox.ask(value_of(item, "00081190"), "application/dicom").status == 200


def test_the_retrieve_url_of_the_study_is_there(inbox):
    """PS3.18 table I.2-1: Retrieve URL (0008,1190) of the study."""
    file = make()
    answer = post(inbox, parts(file))
    url = value_of(answer.json(), "00081190")
    assert url.endswith(f"/studies/{read(file).StudyInstanceUID}")
    assert inbox.ask(url, "multipart/related; type=application/dicom").status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/related; type=application/dicom; boundary={BOUNDARY}",
        f'multipart/related; boundary="{BOUNDARY}"; type="application/dicom"',
        f'Multipart/Related;TYPE="application/dicom";BOUNDARY={BOUNDARY}',
        f'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1; boundary={BOUNDARY}',
        f'multipart/related;  boundary={BOUNDARY} ; type="application/dicom" ; charset=utf-8',
    ],
)
def test_quoted_and_plain_parameters_are_equal(inbox, content_type):
    """PS3.18 8.7.1."""
    answer = post(inbox, parts(make()), content_type)
    assert answer.status == 200, answer.describe()


@pytest.mark.parametrize(
    "boundary", ["x", "a" * 70, "'()+_,-./:=?", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "with space"]
)
def test_every_legal_boundary_works(inbox, boundary):
    """RFC 2046 5.1.1."""
    body = write_multipart([Part({"Content-Type": "application/dicom"}, make())], boundary)
    answer = post(inbox, body, f'multipart/related; type="application/dicom"; boundary="{boundary}"')
    assert answer.status == 200, answer.describe()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"},
        {"Content-Type": "application/dicom", "Content-Location": "http://x/1"},
        {"content-type": "Application/DICOM"},
        {"Content-Type": "application/dicom", "Content-Length": "9"},
        {"Content-Type": "application/dicom", "MIME-Version": "1.0"},
        {},
    ],
)
def test_headers_of_a_part_do_not_disturb(inbox, headers):
    file = make()
    body = write_multipart([Part(headers, file)], BOUNDARY)
    answer = post(inbox, body)
    assert answer.status == 200, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 200


def test_preamble_and_epilogue_are_ignored(inbox):
    """RFC 2046 5.1.1."""
    answer = post(inbox, b"a preamble\r\n" + parts(make()) + b"an epilogue\r\n--x--\r\n")
    assert answer.status == 200, answer.describe()


def test_a_delimiter_with_spaces_behind_is_one(inbox):
    body = parts(make()).replace(f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}  \t\r\n".encode())
    answer = post(inbox, body)
    assert answer.status == 200, answer.describe()


def test_a_boundary_inside_pixels_does_not_split(inbox):
    """RFC 2046 5.1.1: a delimiter stands at the begin of a line."""
    change = Dataset()
    change.ImageComments = f"--{BOUNDARY}--"
    file = make(change=change)
    answer = post(inbox, parts(file))
    assert answer.status == 200, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").body[128:] == file[128:]


def test_several_studies_in_one_request(inbox):
    files = [make(patient_id=f"conformance-{number}", study_instance_uid=make_uid()) for number in range(6)]
    answer = post(inbox, parts(*files))
    assert answer.status == 200, answer.describe()
    assert [value_of(item, "00081155") for item in values_of(answer.json(), STORED)] == [
        read(file).SOPInstanceUID for file in files
    ]


def test_storing_into_a_study(inbox):
    """PS3.18 10.5.1.1: POST /studies/{study}."""
    file = make()
    answer = post(inbox, parts(file), target=f"/studies/{read(file).StudyInstanceUID}")
    assert answer.status == 200, answer.describe()


def test_an_instance_of_another_study_fails(inbox):
    """PS3.18 10.5.1.1, table 10.5.3-1: 409 when none is left."""
    answer = post(inbox, parts(make()), target=f"/studies/{make_uid()}")
    assert answer.status == 409, answer.describe()
    [item] = values_of(answer.json(), FAILED)
    assert 0xA900 <= value_of(item, REASON) <= 0xA9FF


def test_some_of_another_study_is_202(inbox):
    one, other = make(), make()
    answer = post(inbox, parts(one, other), target=f"/studies/{read(one).StudyInstanceUID}")
    assert answer.status == 202, answer.describe()
    assert [value_of(item, "00081155") for item in values_of(answer.json(), STORED)] == [
        read(one).SOPInstanceUID
    ]
    assert [value_of(item, "00081155") for item in values_of(answer.json(), FAILED)] == [
        read(other).SOPInstanceUID
    ]


def test_good_and_bad_is_202_with_both(inbox):
    """PS3.18 table 10.5.3-1."""
    file = make()
    answer = post(inbox, parts(file, b"this is no DICOM"))
    assert answer.status == 202, answer.describe()
    assert len(values_of(answer.json(), STORED)) == 1
    [item] = values_of(answer.json(), OTHERS)
    assert 0xC000 <= value_of(item, REASON) <= 0xCFFF


def test_only_bad_is_409_with_reasons(inbox):
    answer = post(inbox, parts(b"this is no DICOM", b""))
    assert answer.status in (400, 409), answer.describe()
    assert len(values_of(answer.json(), OTHERS)) == 2


@pytest.mark.parametrize(
    "keyword", ["SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_an_instance_without_identity_fails_with_a_reason(inbox, keyword):
    answer = post(inbox, parts(remove(make(), keyword)))
    assert answer.status in (400, 409), answer.describe()
    failed = values_of(answer.json(), FAILED) + values_of(answer.json(), OTHERS)
    assert len(failed) == 1
    assert value_of(failed[0], REASON)


@pytest.mark.parametrize("uid", ["../../x", "1..2", "1.2.*", "1.2.a", "1" * 70])
def test_what_is_no_uid_is_not_stored(inbox, uid):
    dataset = read(make())
    dataset.StudyInstanceUID = uid
    target = io.BytesIO()
    pydicom.dcmwrite(target, dataset)
    answer = post(inbox, parts(target.getvalue()))
    assert answer.status == 409, answer.describe()


def test_the_same_again_is_200(inbox):
    body = parts(make())
    assert post(inbox, body).status == 200
    again = post(inbox, body)
    assert again.status == 200, again.describe()
    assert len(values_of(again.json(), STORED)) == 1


def test_other_content_under_the_same_uid_does_not_replace(inbox):
    uids = {
        "sop_instance_uid": make_uid(),
        "series_instance_uid": make_uid(),
        "study_instance_uid": make_uid(),
    }
    first, second = make(seed=1, **uids), make(seed=2, **uids)
    assert post(inbox, parts(first)).status == 200
    answer = post(inbox, parts(second))
    assert answer.status in (202, 409), answer.describe()
    assert inbox.ask(path_of(first), "application/dicom").body[128:] == first[128:]


def test_another_patient_under_the_same_study_is_not_merged(inbox):
    study = StudyFacts(patient_id="conformance-first")
    assert post(inbox, parts(make_ct(study))).status == 200
    answer = post(
        inbox, parts(make_ct(replace(study, patient_id="conformance-second", patient_name="Other^Person")))
    )
    assert answer.status == 409, answer.describe()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/json",
        f'multipart/related; type="text/plain"; boundary={BOUNDARY}',
        f'multipart/related; type="image/jpeg"; boundary={BOUNDARY}',
        f"multipart/form-data; boundary={BOUNDARY}",
        "application/octet-stream",
        "multipart/mixed; boundary=x",
    ],
)
def test_another_media_type_is_415(inbox, content_type):
    """PS3.18 table 10.5.3-1, 8.5."""
    answer = post(inbox, parts(make()), content_type)
    assert answer.status == 415, answer.describe()


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom"',
        'multipart/related; type="application/dicom"; boundary=',
        'multipart/related; type="application/dicom"; boundary="' + "b" * 80 + '"',
    ],
)
def test_a_boundary_is_needed(inbox, content_type):
    answer = post(inbox, parts(make()), content_type)
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize(
    "body",
    [b"", b"no delimiter at all", b"--other\r\n\r\nx\r\n--other--\r\n", f"--{BOUNDARY}--\r\n".encode()],
)
def test_a_body_that_is_none_is_400(inbox, body):
    """Nothing may be answered 200 that stores nothing."""
    answer = post(inbox, body)
    assert answer.status == 400, answer.describe()


def test_a_missing_close_delimiter_is_400_and_nothing_stays(inbox):
    file = make()
    answer = post(inbox, parts(file).removesuffix(f"--{BOUNDARY}--\r\n".encode()))
    assert answer.status == 400, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 404


def test_a_single_part_is_an_instance(inbox):
    """An extension: application/dicom as the body."""
    file = make()
    answer = post(inbox, file, "application/dicom")
    assert answer.status == 200, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 200


def test_a_zip_of_instances_is_stored(inbox):
    """An extension: application/zip as the body."""
    files = [make(), make()]
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as writer:
        for number, file in enumerate(files):
            writer.writestr(f"folder/{number}.dcm", file)
        writer.writestr("readme.txt", "not DICOM")
    answer = post(inbox, box.getvalue(), "application/zip")
    assert answer.status in (200, 202), answer.describe()
    assert len(values_of(answer.json(), STORED)) == 2


@pytest.mark.parametrize(
    "accept", [DICOM_JSON, "application/json", "*/*", "application/dicom+json;q=0.3, text/html"]
)
def test_the_answer_is_json(inbox, accept):
    answer = post(inbox, parts(make()), accept=accept)
    assert answer.status == 200, answer.describe()
    assert values_of(answer.json(), STORED)


@pytest.mark.parametrize(
    "accept", ["application/dicom+xml", 'multipart/related; type="application/dicom+xml"']
)
def test_the_answer_is_xml_on_demand(inbox, accept):
    """PS3.18 10.5.4: application/dicom+json and application/dicom+xml."""
    file = make()
    answer = post(inbox, parts(file), accept=accept)
    assert answer.status == 200, answer.describe()
    content = answer.parts()[0].body if answer.media_type.startswith("multipart") else answer.body
    root = ElementTree.fromstring(content)
    assert root.tag.endswith("NativeDicomModel")
    assert str(read(file).SOPInstanceUID) in "".join(root.itertext())


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/dicom"])
def test_an_answer_that_is_not_there_is_406_before_anything_is_stored(inbox, accept):
    file = make()
    answer = post(inbox, parts(file), accept=accept)
    assert answer.status == 406, answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 404


def test_comments_are_short_enough_for_their_vr(inbox):
    """PS3.6: Error Comment (0000,0902) is LO, 64 characters."""
    answer = post(inbox, parts(b"this is no DICOM", remove(make(), "StudyInstanceUID")))
    for item in values_of(answer.json(), OTHERS) + values_of(answer.json(), FAILED):
        assert len(value_of(item, "00000902") or "") <= 64, item


def test_a_store_without_a_token_is_401(inbox):
    answer = post(inbox, parts(make()), Authorization="Bearer nonsense")
    assert answer.status == 401, answer.describe()
    assert "bearer" in answer.headers["www-authenticate"].lower()


@pytest.mark.parametrize("target", ["/studies/nonsense", "/studies/1..2"])
def test_storing_into_what_is_no_uid_is_refused(inbox, target):
    answer = post(inbox, parts(make()), target=target)
    assert answer.status in (400, 404, 409), answer.describe()


def test_put_and_patch_are_405_with_allow(inbox):
    """RFC 9110 15.5.6."""
    for method in ("PUT", "PATCH"):
        answer = inbox.ask("/studies", "*/*", method=method, body=b"")
        assert answer.status == 405, answer.describe()
        assert {"GET", "POST"} <= {name.strip() for name in answer.headers["allow"].split(",")}
