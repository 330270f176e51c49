"""The repository's address over HTTP: documents provided by requests-toolbelt or zeep, and fetched by zeep."""

from typing import Any

import pytest
import requests
from requests_toolbelt import MultipartEncoder

from registry.affinity import affinity
from tests.registry.factories import make_uid
from tests.repository.xds.messages import metadata, provide
from tests.support.ebrim import check_answer
from tests.support.http import bearer
from tests.support.samsyn import SamsynServer
from tests.support.soap import include, package_type, read_reply
from tests.support.submissions import write_id
from tests.support.xds_client import XdsClient, codes_of, write_entry, write_link, write_set, write_slot

pytestmark = pytest.mark.server

HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
MAKE_PATIENT = "from tests.support.submissions import make_patient; make_patient()"
ROOT_TYPE = 'application/xop+xml; charset=UTF-8; type="application/soap+xml"'
CONTENT = b"%PDF-1.7 " + bytes(range(256)) * 40


@pytest.fixture(scope="module")
def client(samsyn_server: SamsynServer) -> XdsClient:
    """A client of a server that knows a patient."""
    samsyn_server.run_code(MAKE_PATIENT)
    return XdsClient(samsyn_server.url, samsyn_server.issue_token())


def send_package(client: XdsClient, envelope: bytes, documents: dict[str, bytes]) -> Any:
    """Send MTOM as requests-toolbelt streams it, and hold the answer to the schemas."""
    fields = {"root@x": ("", envelope, ROOT_TYPE, {"Content-ID": "<root@x>"})} | {
        name: ("", data, "application/octet-stream", {"Content-ID": f"<{name}>"})
        for name, data in documents.items()
    }
    package = MultipartEncoder(fields)
    headers = bearer(client.token) | {"Content-Type": package_type(package.boundary_value, "root@x")}
    answer = requests.post(f"{client.url}/ihe/repository", data=package, headers=headers, timeout=60)
    reply = read_reply(answer.status_code, answer.headers["Content-Type"], answer.content)
    check_answer(reply.root)
    return reply


def retrieve(client: XdsClient, *uids: str) -> Any:
    """Ask for documents (ITI-43)."""
    repository = affinity().repository_unique_id
    asked = [{"RepositoryUniqueId": repository, "DocumentUniqueId": uid} for uid in uids]
    return client.at("/ihe/repository", "Repository").RetrieveDocumentSet(DocumentRequest=asked)


def test_what_requests_toolbelt_provides_zeep_retrieves(client: XdsClient) -> None:
    first, second = make_uid(), make_uid()
    envelope = provide(metadata(("A", first), ("B", second)), {"A": include("a@x"), "B": include("b@x")})
    reply = send_package(client, envelope, {"b@x": CONTENT[::-1], "a@x": CONTENT})
    assert reply.is_package
    assert reply.body.get("status").endswith(":Success")
    answer = retrieve(client, first, second)
    assert answer.RegistryResponse.status.endswith(":Success")
    assert [each.Document for each in answer.DocumentResponse] == [CONTENT, CONTENT[::-1]]
    assert [each.mimeType for each in answer.DocumentResponse] == ["application/pdf"] * 2


def test_what_zeep_provides_inline_is_the_same_document(client: XdsClient) -> None:
    uid = make_uid()
    status = write_slot("SubmissionSetStatus", "Original")
    objects = [
        write_entry("Document01", uid, write_id()),
        write_set(make_uid(), write_id()),
        write_link(HAS_MEMBER, "SubmissionSet01", "Document01", status),
    ]
    answer = client.at("/ihe/repository", "Repository").ProvideAndRegisterDocumentSet(
        SubmitObjectsRequest={"RegistryObjectList": {"_value_1": objects}},
        Document=[{"id": "Document01", "_value_1": CONTENT}],
    )
    assert codes_of(answer) == []
    [given] = retrieve(client, uid).DocumentResponse
    assert given.Document == CONTENT


def test_an_unknown_document_is_told_beside_the_known_one(client: XdsClient) -> None:
    uid = make_uid()
    send_package(client, provide(metadata(("A", uid)), {"A": include("a@x")}), {"a@x": CONTENT})
    answer = retrieve(client, uid, "1.2.3.4.5.6")
    assert answer.RegistryResponse.status.endswith(":PartialSuccess")
    assert codes_of(answer.RegistryResponse) == ["XDSDocumentUniqueIdError"]
    assert [each.DocumentUniqueId for each in answer.DocumentResponse] == [uid]
