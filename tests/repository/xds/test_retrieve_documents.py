"""ITI-43: documents by MTOM, and the same answer for what is unknown and what is not permitted."""

import pytest

from access.models import AuditEvent
from registry.affinity import affinity
from repository.document_store import keep, store_bytes
from tests.registry.factories import make_study
from tests.registry.test_document_visibility import make_entry
from tests.repository.conftest import make_vendor
from tests.support.soap import make_envelope, read_response

pytestmark = pytest.mark.django_db

ACTION = "urn:ihe:iti:2007:RetrieveDocumentSet"
XDSB = "urn:ihe:iti:xds-b:2007"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 2000


def request_for(*unique_ids: str, repository: str | None = None, home: str = "") -> bytes:
    repository = affinity().repository_unique_id if repository is None else repository
    place = f"<HomeCommunityId>{home}</HomeCommunityId>" if home else ""
    asked = "".join(
        f"<DocumentRequest>{place}<RepositoryUniqueId>{repository}</RepositoryUniqueId>"
        f"<DocumentUniqueId>{uid}</DocumentUniqueId></DocumentRequest>"
        for uid in unique_ids
    )
    return make_envelope(
        ACTION, f'<RetrieveDocumentSetRequest xmlns="{XDSB}">{asked}</RetrieveDocumentSetRequest>'
    )


def outcome(reply) -> tuple[str, list[str]]:
    """Return the last part of the status, and the error codes."""
    [response] = reply.body.iter(f"{{{RS}}}RegistryResponse")
    codes = [error.get("errorCode") for error in response.iter(f"{{{RS}}}RegistryError")]
    return response.get("status").rpartition(":")[2], codes


@pytest.fixture
def document(department):
    entry = make_entry(make_study(department), department=department)
    keep(store_bytes(PDF, entry.unique_id, entry.mime_type))
    return entry


def test_a_document_is_given_with_its_bytes(vendor, ask, document):
    reply = ask(vendor, "/ihe/repository", request_for(document.unique_id, home=affinity().home_community_id))
    assert (reply.status, reply.action, reply.relates_to) == (200, f"{ACTION}Response", "urn:uuid:1")
    assert reply.is_package
    assert outcome(reply) == ("Success", [])
    [given] = reply.body.findall(f"{{{XDSB}}}DocumentResponse")
    assert given.findtext(f"{{{XDSB}}}DocumentUniqueId") == document.unique_id
    assert given.findtext(f"{{{XDSB}}}mimeType") == "application/pdf"
    assert reply.content_of(given.find(f"{{{XDSB}}}Document")) == PDF
    event = AuditEvent.objects.get(action="read")
    assert (event.door, event.outcome, event.detail["document"]) == ("iti-43", "success", document.unique_id)


def test_a_simple_message_is_answered_by_mtom(vendor, send, document):
    reply = send(vendor, "/ihe/repository", request_for(document.unique_id), "application/soap+xml")
    assert reply.is_package
    assert outcome(reply) == ("Success", [])


def test_a_deprecated_document_stays_retrievable(vendor, ask, document):
    document.status = "deprecated"
    document.save()
    assert outcome(ask(vendor, "/ihe/repository", request_for(document.unique_id))) == ("Success", [])


def test_what_is_hidden_is_answered_as_what_is_unknown(foreigner, ask, document):
    hidden = ask(foreigner, "/ihe/repository", request_for(document.unique_id))
    unknown = ask(foreigner, "/ihe/repository", request_for("1.2.3"))
    assert outcome(hidden) == outcome(unknown) == ("Failure", ["XDSDocumentUniqueIdError"])
    assert hidden.status == unknown.status == 200
    assert AuditEvent.objects.filter(action="read", outcome="refused").count() == 2


def test_some_of_several_are_a_partial_success(vendor, ask, document):
    reply = ask(vendor, "/ihe/repository", request_for(document.unique_id, "1.2.3"))
    assert outcome(reply) == ("PartialSuccess", ["XDSDocumentUniqueIdError"])
    assert len(reply.parts) == 1


def test_another_repository_or_community_is_told(vendor, ask, document):
    reply = ask(vendor, "/ihe/repository", request_for(document.unique_id, repository="1.2.9"))
    assert outcome(reply) == ("Failure", ["XDSUnknownRepositoryId"])
    reply = ask(vendor, "/ihe/repository", request_for(document.unique_id, home="urn:oid:1.2.9"))
    assert outcome(reply) == ("Failure", ["XDSUnknownCommunity"])


def test_an_entry_whose_bytes_are_damaged_is_an_error_of_the_repository(vendor, ask, document, objects_root):
    for path in (objects_root / "documents").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert outcome(ask(vendor, "/ihe/repository", request_for(document.unique_id))) == (
        "Failure",
        ["XDSRepositoryError"],
    )


def test_the_edge_says_by_http_who_may_not(vendor, department, send, client):
    response = read_response(
        client.post("/ihe/repository", request_for("1.2.3"), content_type="application/soap+xml")
    )
    assert (response.status, response.fault) == (401, "Sender")
    storing = make_vendor(department, "only-stores", ("store",))
    reply = send(storing, "/ihe/repository", request_for("1.2.3"), "application/soap+xml")
    assert (reply.status, reply.fault) == (403, "Sender")
    assert client.get("/ihe/repository").status_code == 405


@pytest.mark.parametrize(
    ("envelope", "fault", "subcode"),
    [
        (make_envelope("urn:unknown", "<x/>"), "Sender", "ActionNotSupported"),
        (make_envelope(ACTION, "<x/>"), "Sender", None),
        (make_envelope(ACTION, f'<RetrieveDocumentSetRequest xmlns="{XDSB}"/>'), "Sender", None),
    ],
)
def test_what_is_no_request_of_this_door_is_a_fault(vendor, send, envelope, fault, subcode):
    reply = send(vendor, "/ihe/repository", envelope, "application/soap+xml")
    assert (reply.status, reply.fault, reply.subcode, reply.relates_to) == (400, fault, subcode, "urn:uuid:1")


def test_no_bytes_stay_of_a_request_that_is_refused(vendor, send, objects_root):
    from tests.support.soap import include, make_package

    body = make_envelope(ACTION, f"<x>{include('nowhere')}</x>")
    for package in (make_package(body, {"a": b"x" * 9}), make_package(request_for("1.2"), {"a": b"x" * 9})):
        send(vendor, "/ihe/repository", *package)
    assert [path for path in objects_root.rglob("*") if path.is_file()] == []
