"""The commands of a shell: curl, exactly as one types them."""

import json
import shutil
import subprocess

import pydicom
import pytest

from tests.conformance.archive import Archive
from tests.support.dicom import StudyFacts, make_ct

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def curl(archive: Archive, *arguments: str) -> bytes:
    program = shutil.which("curl")
    assert program, "curl is part of every system that runs these tests"
    command = [
        program,
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--header",
        f"Authorization: Bearer {archive.token}",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, (done.stdout[:500], done.stderr)
    return done.stdout


def test_a_search_without_any_header(archive):
    assert len(json.loads(curl(archive, f"{archive.wire.base}/studies"))) == 3


def test_a_search_with_encoded_keys(archive):
    answer = curl(
        archive,
        "--get",
        f"{archive.wire.base}/studies",
        "--data-urlencode",
        "PatientName=Åkesson*",
        "--data",
        "limit=1",
    )
    assert len(json.loads(answer)) == 1


def test_an_instance_into_a_file(archive, tmp_path):
    target = tmp_path / "instance.dcm"
    curl(
        archive,
        "--header",
        "Accept: application/dicom",
        "--output",
        str(target),
        archive.wire.base + archive["rle"].path,
    )
    assert pydicom.dcmread(target).SOPInstanceUID == archive["rle"].sop_instance_uid


def test_metadata_compressed(archive):
    answer = curl(archive, "--compressed", archive.wire.base + archive["ct1"].study_path + "/metadata")
    assert len(json.loads(answer)) == 4


def test_a_picture(archive, tmp_path):
    target = tmp_path / "picture.jpg"
    curl(
        archive,
        "--output",
        str(target),
        archive.wire.base + archive["ct1"].path + "/rendered?viewport=256,256",
    )
    assert target.read_bytes()[:2] == b"\xff\xd8"


def test_a_download_is_resumed(archive, tmp_path):
    target = tmp_path / "frame"
    url = f"{archive.wire.base}{archive['ct1'].path}/frames/1"
    arguments = ["--header", "Accept: application/octet-stream", "--output", str(target), url]
    curl(archive, *arguments)
    whole = target.read_bytes()
    target.write_bytes(whole[:40])
    curl(archive, "--continue-at", "-", *arguments)
    assert target.read_bytes() == whole


def test_head_and_options(archive):
    assert b"application/dicom+json" in curl(archive, "--head", f"{archive.wire.base}/studies")
    assert b"GET" in curl(archive, "--request", "OPTIONS", "--include", f"{archive.wire.base}/studies")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_of_one_file(inbox, tmp_path, chunked):
    path = tmp_path / "instance.dcm"
    path.write_bytes(make_ct(StudyFacts(patient_id=f"curl-{chunked}")))
    more = ["--header", "Transfer-Encoding: chunked"] if chunked else []
    answer = curl(
        inbox,
        "--header",
        "Content-Type: application/dicom",
        *more,
        "--data-binary",
        f"@{path}",
        f"{inbox.wire.base}/studies",
    )
    assert "00081199" in json.loads(answer)
    uid = pydicom.dcmread(path).StudyInstanceUID
    received = curl(inbox, "--header", "Accept: application/zip", f"{inbox.wire.base}/studies/{uid}")
    assert received[:2] == b"PK"


def test_a_multipart_upload_by_hand(inbox, tmp_path):
    file = make_ct(StudyFacts(patient_id="curl-multipart"))
    path = tmp_path / "body"
    path.write_bytes(b"--XX\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--XX--\r\n")
    kind = "Content-Type: multipart/related; type=application/dicom; boundary=XX"
    answer = curl(
        inbox,
        "--header",
        kind,
        "--header",
        "Expect: 100-continue",
        "--data-binary",
        f"@{path}",
        f"{inbox.wire.base}/studies",
    )
    assert json.loads(answer)["00081199"]["Value"]


def test_a_refusal_is_readable(archive):
    program = shutil.which("curl")
    done = subprocess.run(
        [program, "--silent", f"{archive.wire.base}/studies"], capture_output=True, check=False, timeout=60
    )
    assert "credential" in json.loads(done.stdout)["error"]
