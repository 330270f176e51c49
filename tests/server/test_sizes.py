"""Large bodies in constant memory, through a real server."""

import hashlib
import io
import itertools
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from tests.support.dicom import (
    StudyFacts,
    iterate_large_ct,
    iterate_multipart,
    make_boundary,
    make_series,
    make_uid,
)
from tests.support.http import bearer, list_stored, make_pool, store_stream
from tests.support.processes import measure_peak_bytes, reset_peak
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

MIB = 1 << 20
GIB = 1 << 30
PREAMBLE_BYTES = 128
RLE, JPEG_LS, EXPLICIT = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Large:
    """A stored instance: its URL, and the digests of its file without the preamble and of its pixels."""

    url: str
    sop_instance_uid: str
    file_digest: bytes
    pixel_digest: bytes

    @property
    def study_url(self) -> str:
        """The study it is alone in."""
        return self.url.partition("/series/")[0]


@pytest.fixture(scope="module")
def token(samsyn_server: SamsynServer) -> str:
    """A token, after one small store and retrieve: what a worker loads at first use is no part of a transfer."""
    token = samsyn_server.issue_token()
    for _ in range(6):
        transfer(samsyn_server, token, 2 * MIB)
    return token


def digest_stream(pieces: Iterator[bytes], digest, skip_bytes: int = 0) -> Iterator[bytes]:
    """Pass pieces on, hashing what comes after the first `skip_bytes`."""
    for piece in pieces:
        digest.update(piece[skip_bytes:])
        skip_bytes = max(skip_bytes - len(piece), 0)
        yield piece


def transfer(server: SamsynServer, token: str, size_bytes: int) -> int:
    """Store one instance of this size and fetch it again; return how many bytes came back, all verified."""
    large = store_large(server, token, size_bytes)
    received = hashlib.sha256()
    received_bytes = 0
    skip_bytes = PREAMBLE_BYTES
    for piece in download(large.url, token, "application/dicom; transfer-syntax=*"):
        received.update(piece[skip_bytes:])
        skip_bytes = max(skip_bytes - len(piece), 0)
        received_bytes += len(piece)
    assert received.digest() == large.file_digest
    return received_bytes


def store_large(server: SamsynServer, token: str, size_bytes: int) -> Large:
    """Store one multi-frame instance of about this size in chunks."""
    study, series_instance_uid, sop_instance_uid = StudyFacts(), make_uid(), make_uid()
    file, pixels = hashlib.sha256(), hashlib.sha256()
    pieces = iterate_large_ct(
        study, size_bytes, sop_instance_uid=sop_instance_uid, series_instance_uid=series_instance_uid
    )
    head = next(pieces)
    pieces = digest_stream(pieces, pixels)
    instance = digest_stream(itertools.chain([head], pieces), file, PREAMBLE_BYTES)
    store_pieces(server, token, instance, sop_instance_uid)
    series_url = f"{server.dicomweb_url}/studies/{study.study_instance_uid}/series/{series_instance_uid}"
    url = f"{series_url}/instances/{sop_instance_uid}"
    return Large(url, sop_instance_uid, file.digest(), pixels.digest())


def store_pieces(server: SamsynServer, token: str, pieces: Iterator[bytes], sop_instance_uid: str) -> None:
    """Store one file that comes in pieces, in chunks of unknown total length."""
    boundary = make_boundary()
    body = iterate_multipart([pieces], boundary)
    answer = store_stream(make_pool(timeout_s=600), server.dicomweb_url, token, body, boundary)
    assert answer.status == 200, answer.data[:500]
    assert list_stored(answer) == (sop_instance_uid,)


def download(url: str, token: str, accept: str) -> Iterator[bytes]:
    """Yield an answer in pieces; another status than 200 is an error."""
    with requests.get(url, headers=bearer(token) | {"Accept": accept}, stream=True, timeout=1200) as answer:
        assert answer.status_code == 200, answer.text[:500]
        yield from answer.iter_content(MIB)


def save(target: Path, pieces: Iterator[bytes]) -> None:
    """Write an answer into a file."""
    with target.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def measure_growth_bytes(server: SamsynServer, work: Callable[[], object]) -> int:
    """Return how far above idle the memory of all server processes went during a piece of work."""
    pids = server.list_pids()
    reset_peak(pids)
    idle_bytes = measure_peak_bytes(pids)
    work()
    assert server.list_pids() == pids, "a process was replaced during the transfer"
    return measure_peak_bytes(pids) - idle_bytes


def test_200_mb_up_and_down_in_constant_memory(samsyn_server: SamsynServer, token: str) -> None:
    growth_bytes = measure_growth_bytes(samsyn_server, lambda: transfer(samsyn_server, token, 200 * MIB))
    assert growth_bytes < 256 * MIB


@pytest.mark.long
def test_2_gib_up_and_down_within_64_mib(samsyn_server: SamsynServer, token: str) -> None:
    growth_bytes = measure_growth_bytes(samsyn_server, lambda: transfer(samsyn_server, token, 2 * GIB))
    assert growth_bytes < 64 * MIB


@pytest.mark.long
def test_2_gib_as_zip_within_64_mib(samsyn_server: SamsynServer, token: str, tmp_path: Path) -> None:
    small, large = (store_large(samsyn_server, token, size_bytes) for size_bytes in (2 * MIB, 2 * GIB))
    target = tmp_path / "study.zip"
    for _ in range(6):
        save(target, download(small.study_url, token, "application/zip"))
    growth_bytes = measure_growth_bytes(
        samsyn_server, lambda: save(target, download(large.study_url, token, "application/zip"))
    )
    assert growth_bytes < 64 * MIB
    received = hashlib.sha256()
    with zipfile.ZipFile(target) as archive, archive.open(archive.namelist()[0]) as file:
        file.read(PREAMBLE_BYTES)
        while piece := file.read(MIB):
            received.update(piece)
    assert received.digest() == large.file_digest


@pytest.mark.long
@pytest.mark.parametrize("syntax", [RLE, JPEG_LS])
def test_512_mib_of_frames_encoded_and_decoded_within_64_mib(
    samsyn_server: SamsynServer, token: str, syntax: str, tmp_path: Path
) -> None:
    """Out in a compressed syntax, in as that, and out again as it was."""
    small, large = (store_large(samsyn_server, token, size_bytes) for size_bytes in (2 * MIB, GIB // 2))
    compressed, plain = tmp_path / "compressed.dcm", tmp_path / "plain.dcm"
    accept = f"application/dicom; transfer-syntax={syntax}"
    for _ in range(6):
        save(compressed, download(small.url, token, accept))
    growth_bytes = measure_growth_bytes(
        samsyn_server, lambda: save(compressed, download(large.url, token, accept))
    )
    assert growth_bytes < 64 * MIB
    assert pydicom.dcmread(compressed, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    copy = store_under_another_uid(samsyn_server, token, compressed, large)
    growth_bytes = measure_growth_bytes(
        samsyn_server,
        lambda: save(plain, download(copy, token, f"application/dicom; transfer-syntax={EXPLICIT}")),
    )
    assert growth_bytes < 64 * MIB
    with plain.open("rb") as file:
        file.seek(-(GIB // 2), os.SEEK_END)
        assert hashlib.file_digest(file, "sha256").digest() == large.pixel_digest


def store_under_another_uid(server: SamsynServer, token: str, path: Path, original: Large) -> str:
    """Store a file as another instance of the same series and return its URL."""
    uid = original.sop_instance_uid
    other = uid[:-1] + ("1" if uid[-1] != "1" else "2")
    with path.open("rb") as file:
        head = file.read(64 * 1024).replace(uid.encode(), other.encode())
        store_pieces(server, token, itertools.chain([head], iter(lambda: file.read(MIB), b"")), other)
    return original.url.replace(uid, other)


def test_dicomweb_client_stores_200_mb_in_chunks(samsyn_server: SamsynServer, token: str) -> None:
    study = StudyFacts()
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in make_series(study, 25, rows=2048, columns=2048)]
    session = requests.Session()
    session.headers.update(bearer(token))
    client = DICOMwebClient(samsyn_server.dicomweb_url, session=session, chunk_size=MIB)
    answer = client.store_instances(datasets)
    uids = {str(dataset.SOPInstanceUID) for dataset in datasets}
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == uids
    assert "FailedSOPSequence" not in answer
    found = client.search_for_instances(study.study_instance_uid)
    assert {item["00080018"]["Value"][0] for item in found} == uids
    by_uid = {dataset.SOPInstanceUID: dataset for dataset in datasets}
    for received in client.iter_series(study.study_instance_uid, datasets[0].SeriesInstanceUID):
        sent = by_uid.pop(received.SOPInstanceUID)
        assert received == sent
    assert by_uid == {}
