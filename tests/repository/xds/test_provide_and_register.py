"""ITI-41 by SOAP: the message goes in, the document comes out by ITI-43."""

import base64

import pytest

from access.models import AuditEvent
from registry.ihe.ebrim_names import OBJECT_TYPES, RS
from registry.models import DocumentEntry
from repository.models import StoredDocument
from tests.registry.factories import make_uid
from tests.repository.conftest import make_vendor
from tests.repository.xds.messages import PROVIDE, REGISTER, metadata, provide, slot
from tests.repository.xds.test_retrieve_documents import outcome, request_for
from tests.support.soap import include, make_envelope, make_package
from tests.support.submissions import make_patient

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 300


@pytest.fixture(autouse=True)
def patient(db):
    return make_patient()


def files(root) -> list:
    return [path for path in root.rglob("*") if path.is_file()]


def test_what_is_provided_is_retrieved(vendor, send, ask):
    uid = make_uid()
    message = provide(metadata(("Document01", uid)), {"Document01": include("d1%40source")})
    reply = send(vendor, "/ihe/repository", *make_package(message, {"d1@source": PDF}))
    assert outcome(reply) == ("Success", [])
    assert (reply.status, reply.action, reply.relates_to) == (200, f"{PROVIDE}Response", "urn:uuid:1")
    assert reply.is_package
    found = ask(vendor, "/ihe/repository", request_for(uid))
    assert outcome(found) == ("Success", [])
    assert list(found.parts.values()) == [PDF]


def test_documents_may_stand_in_the_message_itself(vendor, send, ask):
    uid = make_uid()
    message = provide(metadata(("Document01", uid)), {"Document01": base64.encodebytes(PDF).decode()})
    assert outcome(send(vendor, "/ihe/repository", message, "application/soap+xml")) == ("Success", [])
    assert list(ask(vendor, "/ihe/repository", request_for(uid)).parts.values()) == [PDF]


def test_what_is_refused_leaves_neither_rows_nor_bytes(vendor, send, objects_root):
    request = metadata(("Document01", make_uid()), extra=slot("hash", "0" * 40))
    message = provide(request, {"Document01": include("d1"), "Document02": include("d2")})
    reply = send(vendor, "/ihe/repository", *make_package(message, {"d1": PDF, "d2": PDF}))
    assert outcome(reply) == ("Failure", ["XDSMissingDocumentMetadata", "XDSRepositoryMetadataError"])
    assert reply.status == 200
    assert (DocumentEntry.objects.count(), StoredDocument.objects.count(), files(objects_root)) == (0, 0, [])
    assert AuditEvent.objects.get(outcome="refused").door == "iti-41"


def test_a_reader_stores_nothing(department, send, objects_root):
    reader = make_vendor(department, "reads", ("read",))
    message = provide(metadata(("Document01", make_uid())), {"Document01": include("d1")})
    reply = send(reader, "/ihe/repository", *make_package(message, {"d1": PDF}))
    assert (reply.status, reply.fault) == (403, "Sender")
    assert files(objects_root) == []


def test_a_request_that_is_cut_leaves_nothing(vendor, send, objects_root):
    message = provide(metadata(("Document01", make_uid())), {"Document01": include("d1")})
    body, kind = make_package(message, {"d1": PDF})
    reply = send(vendor, "/ihe/repository", body[:-1000], kind)
    assert (reply.status, reply.fault, reply.relates_to) == (400, "Sender", "urn:uuid:1")
    assert files(objects_root) == []


def test_an_on_demand_entry_brings_no_document(vendor, send, objects_root):
    stable, on_demand = OBJECT_TYPES["stable"], OBJECT_TYPES["on_demand"]
    request = metadata(("Document01", make_uid())).replace(stable, on_demand)
    message = provide(request, {"Document01": include("d1")})
    reply = send(vendor, "/ihe/repository", *make_package(message, {"d1": PDF}))
    assert outcome_of_root(reply) == "Failure"
    assert {each.get("errorCode") for each in reply.body.iter(f"{{{RS}}}RegistryError")} == {
        "XDSRegistryMetadataError"
    }
    assert files(objects_root) == []
    assert not DocumentEntry.objects.exists()


def test_metadata_alone_goes_to_the_registry(vendor, send):
    extra = slot("hash", "0" * 40) + slot("size", "7") + slot("repositoryUniqueId", "1.2.3.4")
    message = make_envelope(REGISTER, metadata(("Document01", make_uid()), extra=extra))
    reply = send(vendor, "/ihe/registry", message, "application/soap+xml")
    assert outcome_of_root(reply) == "Success"
    assert reply.action == f"{REGISTER}Response"
    assert not reply.is_package
    assert DocumentEntry.objects.get().size == 7


def outcome_of_root(reply) -> str:
    return str(reply.body.get("status")).rpartition(":")[2]
