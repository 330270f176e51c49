"""Large bodies in constant memory, through a real server."""

import hashlib
import io
from collections.abc import Iterator

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
    study, sop_instance_uid, boundary = StudyFacts(), make_uid(), make_boundary()
    sent = hashlib.sha256()
    instance = iterate_large_ct(study, size_bytes, sop_instance_uid=sop_instance_uid)
    body = iterate_multipart([digest_stream(instance, sent, PREAMBLE_BYTES)], boundary)
    answer = store_stream(make_pool(timeout_s=600), server.dicomweb_url, token, body, boundary)
    assert answer.status == 200, answer.data[:500]
    assert list_stored(answer) == (sop_instance_uid,)

    url = f"{server.dicomweb_url}/studies/{study.study_instance_uid}"
    series = requests.get(f"{url}/series", headers=bearer(token), timeout=60).json()
    url += f"/series/{series[0]['0020000E']['Value'][0]}/instances/{sop_instance_uid}"
    headers = bearer(token) | {"Accept": "application/dicom; transfer-syntax=*"}
    received = hashlib.sha256()
    received_bytes = 0
    with requests.get(url, headers=headers, stream=True, timeout=600) as download:
        assert download.status_code == 200
        skip_bytes = PREAMBLE_BYTES
        for piece in download.iter_content(MIB):
            received.update(piece[skip_bytes:])
            skip_bytes = max(skip_bytes - len(piece), 0)
            received_bytes += len(piece)
    assert received.digest() == sent.digest()
    return received_bytes


def measure_growth_bytes(server: SamsynServer, token: str, size_bytes: int) -> int:
    """Return how far above idle the memory of all server processes went during a transfer."""
    pids = server.list_pids()
    reset_peak(pids)
    idle_bytes = measure_peak_bytes(pids)
    assert transfer(server, token, size_bytes) >= size_bytes
    assert server.list_pids() == pids, "a process was replaced during the transfer"
    return measure_peak_bytes(pids) - idle_bytes


def test_200_mb_up_and_down_in_constant_memory(samsyn_server: SamsynServer, token: str) -> None:
    assert measure_growth_bytes(samsyn_server, token, 200 * MIB) < 256 * MIB


@pytest.mark.long
def test_2_gib_up_and_down_within_64_mib(samsyn_server: SamsynServer, token: str) -> None:
    assert measure_growth_bytes(samsyn_server, token, 2 * GIB) < 64 * MIB


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
