"""Storing a zip archive: each member has its outcome, and no archive harms."""

import io
import json
import stat
import struct
import warnings
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.models import Instance
from repository.dicomweb import zip_bodies
from tests.repository.conftest import outcome
from tests.support import dicom

pytestmark = pytest.mark.django_db

NAME, DETAIL = "00091002", "00091001"


def pack(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def send(vendor, body: bytes, content_type: str = "application/zip"):
    return vendor.client.generic(
        "POST", "/dicom-web/studies", body, headers=vendor.headers, CONTENT_TYPE=content_type
    )


def test_a_folder_as_it_is_found_has_an_outcome_for_every_file(vendor):
    first, second = dicom.make_series(dicom.StudyFacts(), 2)
    response = send(vendor, pack(("a/", b""), ("a/1.dcm", first), ("a/notes.txt", b"x"), ("a/2", second)))
    assert response.status_code == 202
    answered = outcome(response)
    assert [item[NAME]["Value"] for item in answered["referenced"]] == [["a/1.dcm"], ["a/2"]]
    [other] = answered["other"]
    assert other[NAME]["Value"] == ["a/notes.txt"]
    assert "DICM" in other[DETAIL]["Value"][0]
    assert "a/notes.txt" in response["Warning"]
    assert Instance.objects.count() == 2


def make_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../etc/cron.d/x", "leads out"),
        ("/etc/passwd", "leads out"),
        ("C:\\x.dcm", "leads out"),
        ("..\\x.dcm", "leads out"),
        ("good.dcm", "comes twice"),
        (make_link("link.dcm"), "symbolic link"),
    ],
)
def test_a_name_that_is_a_trick_is_an_item_and_the_others_go_in(vendor, name, reason):
    file = dicom.make_ct()
    response = send(vendor, pack(("good.dcm", file), (name, dicom.make_ct())))
    assert response.status_code == 202
    [other] = outcome(response)["other"]
    assert reason in other[DETAIL]["Value"][0]
    assert Instance.objects.count() == 1


def test_an_archive_within_the_archive_is_not_opened(vendor):
    response = send(vendor, pack(("inner.zip", pack(("a.dcm", dicom.make_ct())))))
    assert response.status_code == 409
    assert "not opened" in outcome(response)["other"][0][DETAIL]["Value"][0]


def test_a_member_that_grows_beyond_all_bounds_is_not_unpacked(vendor, monkeypatch):
    monkeypatch.setattr(zip_bodies, "RATIO_FREE_BYTES", 0)
    response = send(vendor, pack(("bomb.dcm", bytes(4 << 20)), ("fine.dcm", dicom.make_ct())))
    assert response.status_code == 202
    assert "grows more than 200 times" in outcome(response)["other"][0][DETAIL]["Value"][0]


def test_a_member_that_lies_about_its_size_is_cut_off(vendor, monkeypatch):
    monkeypatch.setattr(zip_bodies, "RATIO_FREE_BYTES", 0)
    body = pack(("bomb.dcm", bytes(4 << 20)))
    body = body.replace(struct.pack("<I", 4 << 20), struct.pack("<I", 1000))
    response = send(vendor, body)
    assert response.status_code == 409
    assert outcome(response)["other"][0][DETAIL]["Value"][0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_not_taken(vendor, method):
    response = send(vendor, pack(("a.dcm", dicom.make_ct()), method=method))
    assert response.status_code == 409
    assert "use deflate" in outcome(response)["other"][0][DETAIL]["Value"][0]


def test_a_damaged_member_is_an_item(vendor):
    first, second = dicom.make_ct(), dicom.make_ct()
    body = bytearray(pack(("a.dcm", first), ("b.dcm", second), method=zipfile.ZIP_STORED))
    body[body.index(first[1200:1300]) + 50] ^= 1
    response = send(vendor, bytes(body))
    assert response.status_code == 202
    assert "damaged" in outcome(response)["other"][0][DETAIL]["Value"][0]
    assert Instance.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"no archive", b"PK\x05\x06" + bytes(3), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_bad_syntax(vendor, body):
    response = send(vendor, body)
    assert response.status_code == 400
    assert json.loads(response.content)["error"]


def test_more_members_than_can_be_looked_through_are_too_many(vendor, monkeypatch):
    monkeypatch.setattr(zip_bodies, "MAX_MEMBERS", 1)
    response = send(vendor, pack(("a", b"x"), ("b", b"y")))
    assert response.status_code == 413


def test_an_archive_of_nothing_is_no_success(vendor):
    assert send(vendor, pack()).status_code == 400
    assert send(vendor, pack(("folder/", b""))).status_code == 400


@pytest.mark.parametrize("at", range(-12, 0))
def test_a_directory_that_is_said_to_lie_elsewhere_gets_an_answer(vendor, at):
    """The last bytes say where the directory begins; members are looked for by the difference."""
    body = bytearray(pack(("a.dcm", dicom.make_ct())))
    body[at] ^= 1
    assert send(vendor, bytes(body)).status_code in (200, 400, 409)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), flip=st.integers(1, 255))
def test_one_wrong_byte_anywhere_gets_an_answer(vendor, share, flip):
    body = bytearray(pack(("a.dcm", dicom.make_ct()), ("b.dcm", b"no DICOM")))
    body[round(share * (len(body) - 1))] ^= flip
    assert send(vendor, bytes(body)).status_code in (200, 202, 400, 409, 413)
