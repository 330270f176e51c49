"""The registry's address over HTTP, spoken to by zeep: registering, all fourteen queries, and every fault."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import zeep
from lxml import etree

from registry.ihe.ebrim_names import ASSOCIATION_TYPES, LCM, QUERY, RIM, STATUSES
from tests.registry.factories import make_uid
from tests.support.ebrim import check_answer, check_schema
from tests.support.http import bearer
from tests.support.samsyn import SamsynServer
from tests.support.soap import SOAP, WSA, make_envelope, read_reply
from tests.support.submissions import write_id
from tests.support.xds_client import (
    XdsClient,
    codes_of,
    ids_of,
    objects_of,
    text_of,
    write_entry,
    write_folder,
    write_link,
    write_set,
    write_slot,
)

pytestmark = pytest.mark.server

MAKE_PATIENT = "from tests.support.submissions import make_patient; make_patient()"
ENTRY = "$XDSDocumentEntry"
HAS_MEMBER, RPLC = ASSOCIATION_TYPES["HasMember"], ASSOCIATION_TYPES["RPLC"]
APPROVED = f"('{STATUSES['approved']}')"
PATIENT = write_id()
REFERENCE = "A1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession"
HOLD_THE_PATIENTS = """
import time
from pathlib import Path
from access.database import write_transaction
from registry.models import Patient
with write_transaction():
    list(Patient.objects.select_for_update())
    Path({began!r}).touch()
    while not Path({stop!r}).exists():
        time.sleep(0.05)
"""
SOAP_1_1 = "http://schemas.xmlsoap.org/soap/envelope/"
REGISTER = "urn:ihe:iti:2007:RegisterDocumentSet-b"
STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"


@dataclass(frozen=True)
class Place:
    """A client of one server, and what it registered: the UUIDs by their ids, the old entry's unique id."""

    client: XdsClient
    server: SamsynServer
    uuids: dict[str, str]
    unique_id: str
    set_unique_id: str
    folder_unique_id: str


@pytest.fixture(scope="module", params=["start_embedded", "start_production"])
def place(request: pytest.FixtureRequest) -> Place:
    """A registry with a document in a folder, replaced by another."""
    start: Callable[[], SamsynServer] = request.getfixturevalue(request.param)
    server = start()
    server.run_code(MAKE_PATIENT)
    client = XdsClient(server.url, server.issue_token())
    old, held, folder = make_uid(), make_uid(), make_uid()
    described = [
        write_slot("hash", "a" * 40),
        write_slot("size", "1000"),
        write_slot("repositoryUniqueId", "1.2.3.4.5"),
        write_slot("urn:ihe:iti:xds:2013:referenceIdList", REFERENCE),
    ]
    first = [
        write_entry("Document01", old, PATIENT, *described),
        write_set(held, PATIENT),
        write_folder(folder, PATIENT),
        write_link(
            HAS_MEMBER, "SubmissionSet01", "Document01", write_slot("SubmissionSetStatus", "Original")
        ),
        write_link(HAS_MEMBER, "SubmissionSet01", "Folder01"),
        write_link(HAS_MEMBER, "Folder01", "Document01"),
    ]
    taken = client.register(first)
    assert codes_of(taken) == [], taken
    check_schema(client.sent_envelope().find(f".//{{{LCM}}}SubmitObjectsRequest"), "lcm.xsd")
    [entry] = objects_of(
        client.ask("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", (f"{ENTRY}UniqueId", [f"('{old}')"])),
        "ExtrinsicObject",
    )
    second = [
        write_entry("Document02", make_uid(), PATIENT, *described),
        write_set(make_uid(), PATIENT, "SubmissionSet02"),
        write_link(
            HAS_MEMBER, "SubmissionSet02", "Document02", write_slot("SubmissionSetStatus", "Original")
        ),
        write_link(RPLC, "Document02", entry.id),
    ]
    taken = client.register(second)
    assert codes_of(taken) == [], taken
    found = client.ask(
        "14d4debf-8f97-4251-9a74-a90016b0af0d",
        (f"{ENTRY}PatientId", [f"'{PATIENT}'"]),
        (f"{ENTRY}Status", [APPROVED]),
    )
    check_schema(client.sent_envelope().find(f".//{{{QUERY}}}AdhocQueryRequest"), "query.xsd")
    [new] = ids_of(found)
    sets = client.ask("51224314-5390-4169-9b91-b1980040715a", ("$uuid", [f"('{entry.id}')"]))
    [container] = ids_of(sets, "RegistryPackage")
    folders = client.ask(
        "958f3006-baad-4929-a4de-ff1114824431",
        ("$XDSFolderPatientId", [f"'{PATIENT}'"]),
        ("$XDSFolderStatus", [APPROVED]),
    )
    [group] = ids_of(folders, "RegistryPackage")
    uuids = {"old": entry.id, "new": new, "set": container, "folder": group}
    return Place(client, server, uuids, old, held, folder)


def test_what_was_registered_is_told_in_full(place: Place) -> None:
    answer = place.client.ask(
        "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", (f"{ENTRY}EntryUUID", [f"('{place.uuids['old']}')"])
    )
    [entry] = objects_of(answer, "ExtrinsicObject")
    slots = {slot.name: slot.ValueList.Value for slot in entry.Slot}
    assert entry.status == STATUSES["deprecated"]
    assert slots["hash"] == ["a" * 40]
    assert slots["urn:ihe:iti:xds:2013:referenceIdList"] == [REFERENCE]
    assert {each.value for each in entry.ExternalIdentifier} == {PATIENT, place.unique_id}
    assert {each.nodeRepresentation for each in entry.Classification} >= {"REPORTS", "N", "18748-4"}
    assert entry.Name.LocalizedString[0].value == "Utlåtande"


def test_the_find_queries(place: Place) -> None:
    ask, uuids = place.client.ask, place.uuids
    patient, status = (f"{ENTRY}PatientId", [f"'{PATIENT}'"]), (f"{ENTRY}Status", [APPROVED])
    assert ids_of(ask("14d4debf-8f97-4251-9a74-a90016b0af0d", patient, status)) == {uuids["new"]}
    by_reference = (f"{ENTRY}ReferenceIdList", [f"('{REFERENCE}')"])
    found = ask("12941a89-e02e-4be5-967c-ce4bfc8fe492", patient, status, by_reference)
    assert ids_of(found) == {uuids["new"]}
    sets = ask(
        "f26abbcb-ac74-4422-8a30-edb644bbc1a9",
        ("$XDSSubmissionSetPatientId", [f"'{PATIENT}'"]),
        ("$XDSSubmissionSetStatus", [APPROVED]),
    )
    assert uuids["set"] in ids_of(sets, "RegistryPackage")
    folders = ask(
        "958f3006-baad-4929-a4de-ff1114824431",
        ("$XDSFolderPatientId", [f"'{PATIENT}'"]),
        ("$XDSFolderStatus", [APPROVED]),
    )
    assert ids_of(folders, "RegistryPackage") == {uuids["folder"]}
    every = ask(
        "10b545ea-725c-446d-9b95-8aeb444eddf3",
        ("$patientId", [f"'{PATIENT}'"]),
        status,
        ("$XDSSubmissionSetStatus", [APPROVED]),
        ("$XDSFolderStatus", [APPROVED]),
    )
    assert ids_of(every) == {uuids["new"]}
    assert ids_of(every, "RegistryPackage") >= {uuids["set"], uuids["folder"]}


def test_the_get_queries_by_uuid_and_unique_id(place: Place) -> None:
    ask, uuids = place.client.ask, place.uuids
    for slot in (
        (f"{ENTRY}EntryUUID", [f"('{uuids['old']}')"]),
        (f"{ENTRY}UniqueId", [f"('{place.unique_id}')"]),
    ):
        assert ids_of(ask("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slot)) == {uuids["old"]}
        both = ask("bab9529a-4a10-40b3-a01f-f68a615d247a", slot)
        assert ids_of(both) == {uuids["old"]}
        assert len(ids_of(both, "Association")) == 3
        folders = ask("10cae35a-c7f9-4cf5-b61e-fc3278ffb578", slot)
        assert ids_of(folders, "RegistryPackage") == {uuids["folder"]}
        related = ask("d90e5407-b356-4d91-a89f-873917b4b0e6", slot, ("$AssociationTypes", [f"('{RPLC}')"]))
        assert ids_of(related) == {uuids["old"], uuids["new"]}
    assert ids_of(
        ask("a7ae438b-4bc2-4642-93e9-be891f7bb155", ("$uuid", [f"('{uuids['old']}')"])), "Association"
    )
    for slot in (
        ("$XDSFolderEntryUUID", [f"('{uuids['folder']}')"]),
        ("$XDSFolderUniqueId", [f"('{place.folder_unique_id}')"]),
    ):
        found = ask("5737b14c-8a1a-4539-b659-e03a34a5e1e4", slot)
        assert ids_of(found, "RegistryPackage") == {uuids["folder"]}
        contents = ask("b909a503-523d-4517-8acf-8e5834dfc4c7", (slot[0], [slot[1][0].strip("()")]))
        assert ids_of(contents) == {uuids["old"], uuids["new"]}
    sets = ask("51224314-5390-4169-9b91-b1980040715a", ("$uuid", [f"('{uuids['old']}')"]))
    assert ids_of(sets, "RegistryPackage") == {uuids["set"]}
    for slot in (
        ("$XDSSubmissionSetEntryUUID", [f"'{uuids['set']}'"]),
        ("$XDSSubmissionSetUniqueId", [f"'{place.set_unique_id}'"]),
    ):
        inside = ask("e8e3cb2c-e39c-46b9-99e4-c12f57260b83", slot)
        assert ids_of(inside) == {uuids["old"]}
        assert ids_of(inside, "RegistryPackage") == {uuids["set"], uuids["folder"]}


def test_references_instead_of_objects(place: Place) -> None:
    slot = (f"{ENTRY}UniqueId", [f"('{place.unique_id}')"])
    answer = place.client.ask("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slot, return_type="ObjectRef")
    assert ids_of(answer, "ObjectRef") == {place.uuids["old"]}


def test_what_is_wrong_with_the_content_is_an_error_and_no_fault(place: Place) -> None:
    ask = place.client.ask
    assert codes_of(ask("00000000-0000-4000-8000-000000000000")) == ["XDSUnknownStoredQuery"]
    assert codes_of(ask("14d4debf-8f97-4251-9a74-a90016b0af0d")) == ["XDSStoredQueryMissingParam"]
    bad = [write_entry("Document01", make_uid(), PATIENT), write_set(make_uid(), PATIENT)]
    answer = place.client.register(bad)
    assert answer.status.endswith(":Failure")
    assert set(codes_of(answer)) == {"XDSRegistryMetadataError"}
    assert "hash is missing" in " ".join(e.codeContext for e in answer.RegistryErrorList.RegistryError)


def test_a_header_that_has_to_be_understood_and_is_not_is_a_fault(place: Place) -> None:
    block = etree.Element("{urn:x}Security")
    block.set(f"{{{SOAP}}}mustUnderstand", "true")
    with pytest.raises(zeep.exceptions.Fault) as caught:
        place.client.at("/ihe/registry").RegistryStoredQuery(
            ResponseOption={"returnType": "LeafClass"},
            AdhocQuery={"id": "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"},
            _soapheaders=[block],
        )
    assert caught.value.code.endswith(":MustUnderstand")
    assert "Security" in caught.value.message
    assert place.client.history.last_received["envelope"].find(f".//{{{SOAP}}}NotUnderstood") is not None


@pytest.mark.parametrize("path", ["/ihe/repository", "/ihe/imaging"])
def test_a_transaction_at_another_address_is_a_fault(place: Place, path: str) -> None:
    with pytest.raises(zeep.exceptions.Fault) as caught:
        place.client.at(path).RegistryStoredQuery(
            ResponseOption={"returnType": "LeafClass"},
            AdhocQuery={"id": "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"},
        )
    assert [name.localname for name in caught.value.subcodes] == ["ActionNotSupported"]


def test_a_transaction_of_the_repository_is_a_fault_at_the_registry(place: Place) -> None:
    with pytest.raises(zeep.exceptions.Fault) as caught:
        place.client.at("/ihe/registry", "Repository").RetrieveDocumentSet(
            DocumentRequest=[{"RepositoryUniqueId": "1.2.3", "DocumentUniqueId": "1.2.4"}]
        )
    assert [name.localname for name in caught.value.subcodes] == ["ActionNotSupported"]


def send(place: Place, message: bytes, content_type: str = "application/soap+xml"):
    headers = bearer(place.client.token) | {"Content-Type": content_type}
    answer = requests.post(f"{place.server.url}/ihe/registry", data=message, headers=headers, timeout=60)
    reply = read_reply(answer.status_code, answer.headers["Content-Type"], answer.content)
    check_answer(reply.root)
    return reply


def write_request(place: Place) -> bytes:
    """Return a good request as zeep sends it."""
    place.client.ask("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", (f"{ENTRY}UniqueId", ["('1.2.3')"]))
    return text_of(place.client.sent_envelope())


def test_what_is_no_message_of_soap_1_2_is_a_fault(place: Place) -> None:
    good = write_request(place)
    assert send(place, good).fault is None
    older = send(place, good.replace(SOAP.encode(), SOAP_1_1.encode()), "text/xml")
    assert (older.status, older.fault) == (500, "VersionMismatch")
    declared = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + good.replace(b"1.2.3", b"&e;")
    assert (send(place, declared).status, send(place, declared).fault) == (400, "Sender")
    cut = send(place, good[:-20])
    assert (cut.status, cut.fault) == (400, "Sender")
    other = send(place, good, "application/json")
    assert (other.status, other.fault) == (415, "Sender")


def test_an_action_and_a_body_that_do_not_belong_together_are_faults(place: Place) -> None:
    good = write_request(place)
    wrong = send(place, good.replace(STORED_QUERY.encode(), b"urn:ihe:iti:2007:Nothing"))
    assert (wrong.status, wrong.subcode) == (400, "ActionNotSupported")
    mixed = send(place, good.replace(STORED_QUERY.encode(), REGISTER.encode()))
    assert (mixed.status, mixed.fault) == (400, "Sender")
    none = send(place, make_envelope(None, f'<x:AdhocQueryRequest xmlns:x="{QUERY}"/>'))
    assert (none.status, none.subcode) == (400, "MessageAddressingHeaderRequired")
    header = f'<a:ReplyTo xmlns:a="{WSA}"><a:Address>http://elsewhere/</a:Address></a:ReplyTo>'
    away = send(
        place, make_envelope(STORED_QUERY, f'<x:AdhocQueryRequest xmlns:x="{QUERY}"/>', header=header)
    )
    assert (away.status, away.subcode) == (400, "InvalidAddressingHeader")


def test_who_may_not_is_told_by_http_and_a_fault(place: Place) -> None:
    reader = XdsClient(place.server.url, place.server.issue_token("reader", scopes=("read",)))
    with pytest.raises(zeep.exceptions.Fault) as caught:
        reader.register([write_set(make_uid(), PATIENT)])
    assert "may not store" in caught.value.message
    stranger = XdsClient(place.server.url, "nobody")
    with pytest.raises(zeep.exceptions.Fault):
        stranger.ask("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", (f"{ENTRY}UniqueId", ["('1.2.3')"]))


def test_every_answer_was_held_to_the_schemas(place: Place) -> None:
    answer = place.client.ask(
        "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", (f"{ENTRY}UniqueId", [f"('{place.unique_id}')"])
    )
    assert objects_of(answer, "ExtrinsicObject")
    assert place.client.checks.checked > 5
    spoilt = etree.fromstring(text_of(place.client.history.last_received["envelope"]))
    del spoilt.find(f".//{{{RIM}}}Slot").attrib["name"]
    with pytest.raises(etree.DocumentInvalid):
        check_answer(spoilt)


def test_a_registry_that_is_busy_says_so_and_takes_it_later(place: Place, tmp_path: Path) -> None:
    objects = [write_folder(make_uid(), PATIENT), write_set(make_uid(), PATIENT)]
    objects.append(write_link(HAS_MEMBER, "SubmissionSet01", "Folder01"))
    began, stop = tmp_path / "began", tmp_path / "stop"
    holder = place.server.begin_code(HOLD_THE_PATIENTS.format(began=str(began), stop=str(stop)))
    try:
        deadline = time.monotonic() + 60
        while not began.exists() and holder.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert began.exists(), "nobody holds the patients"
        answer = place.client.register(objects)
    finally:
        stop.touch()
        holder.communicate(timeout=60)
    assert codes_of(answer) == ["XDSRegistryBusy"]
    assert codes_of(place.client.register(objects)) == []
