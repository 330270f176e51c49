"""Files made to harm: a real server refuses or keeps them, in little memory, and their texts stay texts."""

import io
import json
import struct
import zlib

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.support.dicom import BIG_ENDIAN, DEFLATED, EXPLICIT, StudyFacts, make_ct
from tests.support.http import bearer, list_stored, make_pool, search, store
from tests.support.processes import measure_peak_bytes, reset_peak
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

MIB = 1 << 20
PIXELS = struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OW", 0)
HOSTILE_TEXT = (
    "<script>alert(1)</script>",
    "'; DROP TABLE x; --",
    "../../etc/passwd",
    '@SUM(1+1)"{{7*7}}%s%n',
)


@pytest.fixture(scope="module")
def token(samsyn_server: SamsynServer) -> str:
    """A token, after small stores: what a worker loads at first use is no part of what follows."""
    token = samsyn_server.issue_token()
    for syntax in (EXPLICIT, DEFLATED, BIG_ENDIAN) * 3:
        assert send(samsyn_server, token, make_ct(transfer_syntax_uid=syntax)).status == 200
    return token


def send(server: SamsynServer, token: str, file: bytes):
    return store(make_pool(), server.dicomweb_url, token, [file])


def make_deflate_bomb() -> bytes:
    """Deflate 256 MiB of nothing behind a sound header."""
    head, inflated = split(make_ct(transfer_syntax_uid=DEFLATED))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [compressor.compress(inflated[: inflated.index(PIXELS)] + PIXELS + struct.pack("<I", 256 * MIB))]
    pieces += [compressor.compress(bytes(MIB)) for _ in range(256)]
    return head + b"".join(pieces) + compressor.flush()


def split(deflated: bytes) -> tuple[bytes, bytes]:
    """Return a deflated file up to its data set, and the data set inflated."""
    start = 132 + 12 + struct.unpack_from("<I", deflated, 140)[0]
    return deflated[:start], zlib.decompress(deflated[start:], -zlib.MAX_WBITS)


def make_deep(levels: int = 20_000) -> bytes:
    """Nest sequences in each other, without an end."""
    file = make_ct()
    nested = (
        struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    )
    return file[: file.index(PIXELS)] + nested * levels


def make_huge_length() -> bytes:
    """Announce 4 GiB of pixel data and send 128 bytes."""
    file = make_ct()
    start = file.index(PIXELS) + 8
    return file[:start] + struct.pack("<I", 0xFFFFFFF0) + file[start + 4 :]


def make_many_elements() -> bytes:
    """Give a megabyte of empty private elements to the lenient reader."""
    file = make_ct(transfer_syntax_uid=BIG_ENDIAN)
    start = file.index(struct.pack(">HH2s", 0x7FE0, 0x0010, b"OW"))
    elements = b"".join(struct.pack(">HH2sH", 0x0029, number, b"SH", 0) for number in range(0x1000, 0xFFFF))
    return file[:start] + elements * 2 + file[start:]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_deflate_bomb, "200-fold"),
        (make_deep, "nested"),
        (make_huge_length, "announces 4294967280 bytes"),
        (make_many_elements, ""),
    ],
)
def test_a_bomb_is_refused_in_little_memory(
    samsyn_server: SamsynServer, token: str, make, reason: str
) -> None:
    file = make()
    pids = samsyn_server.list_pids()
    reset_peak(pids)
    idle_bytes = measure_peak_bytes(pids)
    answers = [send(samsyn_server, token, file) for _ in range(4)]
    assert {answer.status for answer in answers} == {409}
    assert all(reason in answer.data.decode() for answer in answers)
    assert samsyn_server.list_pids() == pids
    assert measure_peak_bytes(pids) - idle_bytes < 128 * MIB


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_texts_come_out_as_they_came_in(samsyn_server: SamsynServer, token: str, text: str) -> None:
    change = Dataset()
    change.SeriesDescription = text
    change.ReferringPhysicianName = text
    study = StudyFacts(patient_name=text, study_description=text)
    file = make_ct(study, change=change)
    answer = send(samsyn_server, token, file)
    assert list_stored(answer) == (dcmread(io.BytesIO(file)).SOPInstanceUID,)
    matches = {"StudyDescription": text, "includefield": "StudyDescription"}
    [found] = search(make_pool(), samsyn_server.dicomweb_url, token, "studies", **matches)
    assert found["00081030"]["Value"] == [text]
    assert found["00100010"]["Value"] == [{"Alphabetic": text}]
    url = f"{samsyn_server.dicomweb_url}/studies/{study.study_instance_uid}/metadata"
    metadata = make_pool().request("GET", url, headers=bearer(token))
    assert metadata.headers["Content-Type"] == "application/dicom+json"
    assert metadata.headers["X-Content-Type-Options"] == "nosniff"
    [document] = json.loads(metadata.data)
    assert document["0008103E"]["Value"] == [text]


def test_an_executable_preamble_never_leaves_again(samsyn_server: SamsynServer, token: str) -> None:
    file = make_ct(StudyFacts())
    polyglot = b"MZ<html><script>alert(1)</script>".ljust(128, b"!") + file[128:]
    assert send(samsyn_server, token, polyglot).status == 200
    sent = dcmread(io.BytesIO(file))
    series = f"/studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}"
    url = f"{samsyn_server.dicomweb_url}{series}/instances/{sent.SOPInstanceUID}"
    answer = make_pool().request("GET", url, headers=bearer(token) | {"Accept": "application/dicom"})
    assert answer.data == bytes(128) + file[128:]
    assert answer.headers["Content-Type"].startswith("application/dicom")
