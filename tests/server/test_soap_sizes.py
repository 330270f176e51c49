"""Large documents by SOAP in constant memory, through a real server."""

import hashlib
from collections.abc import Iterator

import pytest
import requests

from tests.registry.factories import make_uid
from tests.repository.xds.messages import metadata, provide
from tests.repository.xds.test_retrieve_documents import request_for
from tests.server.test_sizes import MIB, measure_growth_bytes
from tests.support.http import bearer
from tests.support.samsyn import SamsynServer
from tests.support.soap import include, make_package, package_type

pytestmark = pytest.mark.server

MAKE_PATIENT = "from tests.support.submissions import make_patient; make_patient()"


@pytest.fixture(scope="module")
def token(samsyn_server: SamsynServer) -> str:
    """A token, a known patient, and workers that have loaded what they load at first use."""
    samsyn_server.run_code(MAKE_PATIENT)
    token = samsyn_server.issue_token()
    for _ in range(4):
        transfer(samsyn_server, token, MIB)
    return token


def iterate_package(envelope: bytes, size_bytes: int, digest) -> Iterator[bytes]:
    """Yield a package whose one attachment is of this size."""
    mark = b"the bytes of the document"
    head, tail = make_package(envelope, {"d1": mark})[0].split(mark)
    yield head
    block = bytes(range(256)) * (MIB // 256)
    for _ in range(size_bytes // MIB):
        digest.update(block)
        yield block
    yield tail


def transfer(server: SamsynServer, token: str, size_bytes: int) -> None:
    """Provide a document of this size and retrieve it again."""
    uid, sent, received = make_uid(), hashlib.sha256(), 0
    envelope = provide(metadata(("Document01", uid)), {"Document01": include("d1")})
    headers = bearer(token) | {"Content-Type": package_type("MIME_boundary")}
    body = iterate_package(envelope, size_bytes, sent)
    answer = requests.post(f"{server.url}/ihe/repository", data=body, headers=headers, timeout=300)
    assert answer.status_code == 200, answer.text[:500]
    assert b"ResponseStatusType:Success" in answer.content, answer.text[:1500]
    headers["Content-Type"] = "application/soap+xml"
    with requests.post(
        f"{server.url}/ihe/repository", data=request_for(uid), headers=headers, stream=True, timeout=300
    ) as found:
        assert found.status_code == 200
        for piece in found.iter_content(MIB):
            received += len(piece)
    assert size_bytes < received < size_bytes + 10_000


def test_a_document_of_32_mb_in_and_out_in_constant_memory(samsyn_server: SamsynServer, token: str) -> None:
    growth_bytes = measure_growth_bytes(samsyn_server, lambda: transfer(samsyn_server, token, 32 * MIB))
    assert growth_bytes < 24 * MIB


@pytest.mark.long
def test_a_document_of_100_mb_in_and_out_within_64_mib(samsyn_server: SamsynServer, token: str) -> None:
    growth_bytes = measure_growth_bytes(samsyn_server, lambda: transfer(samsyn_server, token, 100 * MIB))
    print(f"grew by {growth_bytes / MIB:.1f} MiB")
    assert growth_bytes < 64 * MIB
