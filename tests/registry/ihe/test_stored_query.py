"""ITI-18: each query finds what it should, shows what may be seen, and says what is wrong with it."""

import pytest
from django.utils import timezone

from access.database import run_write
from access.models import AuditEvent
from registry.documents import register
from registry.ihe import stored_query
from registry.ihe.ebrim_names import ASSOCIATION_TYPES, OBJECT_TYPES, RIM, RS, STATUSES
from registry.ihe.queries import QUERIES
from registry.ihe.query_parameters import QueryRefused, like_pattern, read_values
from registry.ihe.stored_query import handle
from registry.models import DocumentEntry, Patient, PatientIdentifier
from registry.submission import Author, Code, Origin
from tests.registry.factories import make_actor, make_department, make_region_actor
from tests.support.ebrim import check_schema, write_query
from tests.support.submissions import (
    SECOND,
    link,
    make_entry,
    make_folder,
    make_patient,
    make_submission,
    write_id,
)

IDS = {answer.__name__: uuid for uuid, answer in QUERIES.items()}
ENTRY = "$XDSDocumentEntry"
APPROVED, DEPRECATED = STATUSES["approved"], STATUSES["deprecated"]
PATIENT = (f"{ENTRY}PatientId", [f"'{write_id()}'"])
STATUS = (f"{ENTRY}Status", [f"('{APPROVED}')"])


class Room:
    """A registry with one patient, and somebody who sees everything."""

    def __init__(self) -> None:
        make_patient()
        self.department = make_department()
        self.actor = make_region_actor()

    def take(self, submission):
        origin = Origin(self.department.pk, "test")
        return run_write(lambda: register(submission, origin)).uuids

    def ask(self, name, *slots, actor=None, return_type="LeafClass", home=""):
        answer = handle(write_query(IDS[name], slots, return_type, home), actor or self.actor)
        check_schema(answer, "query.xsd")
        return answer


@pytest.fixture
def room(db) -> Room:
    return Room()


def ids_of(answer, name="ExtrinsicObject") -> set[str]:
    assert answer.get("status").endswith(":Success"), errors_of(answer)
    return {each.get("id") for each in answer.iter(f"{{{RIM}}}{name}")}


def errors_of(answer) -> list[str]:
    return [each.get("errorCode") for each in answer.iter(f"{{{RS}}}RegistryError")]


def test_find_documents_by_its_parameters(room) -> None:
    ct, mr = Code("CT", "1.2.840.10008.2.16.4"), Code("MR", "1.2.840.10008.2.16.4")
    one = room.take(
        make_submission(
            make_entry(
                event_codes=(ct, mr),
                service_start_time="20260110",
                service_stop_time="20260111",
                authors=(Author("^O'Hara^Lena"),),
                creation_time="20260115",
            )
        )
    )["Document01"]
    two = room.take(
        make_submission(make_entry(event_codes=(ct,), service_start_time="", service_stop_time=""))
    )["Document01"]

    def find(*slots):
        return ids_of(room.ask("find_documents", PATIENT, STATUS, *slots))

    code = "('{}^^1.2.840.10008.2.16.4')".format
    assert find() == {one, two}
    assert find((f"{ENTRY}EventCodeList", [code("CT"), code("MR")])) == {one, two}
    assert find((f"{ENTRY}EventCodeList", [code("CT")]), (f"{ENTRY}EventCodeList", [code("MR")])) == {one}
    assert find((f"{ENTRY}ServiceStartTimeFrom", ["20260110"])) == {one, two}
    assert find((f"{ENTRY}ServiceStartTimeTo", ["20260110"])) == {two}
    assert find((f"{ENTRY}CreationTimeTo", ["'20260201'"])) == {one}
    assert find((f"{ENTRY}AuthorPerson", ["('%O''Hara%')"])) == {one}
    assert find((f"{ENTRY}ClassCode", ["('REPORTS^^1.3.6.1.4.1.19376.1.2.6.1')"])) == {one, two}
    assert find((f"{ENTRY}ClassCode", ["('REPORTS^^1.2.3')"])) == set()
    assert find((f"{ENTRY}Type", [f"('{OBJECT_TYPES['on_demand']}')"])) == set()
    event = AuditEvent.objects.filter(door="iti-18").first()
    assert event.patient_id is not None
    assert event.action == "search"


def test_find_documents_by_reference_id(room) -> None:
    first = "A1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession"
    second = "O1^^^&1.2.4&ISO^urn:ihe:iti:xds:2013:order"
    both = room.take(make_submission(make_entry(references=(first, second))))["Document01"]
    single = room.take(make_submission(make_entry(references=(first,))))["Document01"]
    name = f"{ENTRY}ReferenceIdList"

    def find(*slots):
        return ids_of(room.ask("find_documents_by_reference_id", PATIENT, STATUS, *slots))

    assert find((name, [f"('{first}')"])) == {both, single}
    assert find((name, [f"('{first}')"]), (name, [f"('{second}')"])) == {both}
    assert find((name, ["('O1%')"])) == {both}
    assert find((name, ["('nothing')"])) == set()
    assert errors_of(room.ask("find_documents_by_reference_id", PATIENT, STATUS)) == [
        "XDSStoredQueryMissingParam"
    ]


def test_find_sets_folders_and_all(room) -> None:
    held = room.take(
        make_submission(
            make_entry(), folders=(make_folder(),), links=(link("HasMember", "Folder01", "Document01"),)
        )
    )
    sets = room.ask(
        "find_submission_sets",
        ("$XDSSubmissionSetPatientId", [f"'{write_id()}'"]),
        ("$XDSSubmissionSetStatus", [f"('{APPROVED}')"]),
        ("$XDSSubmissionSetSourceId", ["('1.2.3.4.6')"]),
        ("$XDSSubmissionSetSubmissionTimeFrom", ["20260302"]),
        ("$XDSSubmissionSetContentType", ["('18748-4^^2.16.840.1.113883.6.1')"]),
    )
    assert ids_of(sets, "RegistryPackage") == {held["SubmissionSet01"]}
    folders = room.ask(
        "find_folders",
        ("$XDSFolderPatientId", [f"'{write_id()}'"]),
        ("$XDSFolderStatus", [f"('{APPROVED}')"]),
        ("$XDSFolderCodeList", ["('18748-4^^2.16.840.1.113883.6.1')"]),
    )
    assert ids_of(folders, "RegistryPackage") == {held["Folder01"]}
    every = room.ask(
        "get_all",
        ("$patientId", [f"'{write_id()}'"]),
        STATUS,
        ("$XDSSubmissionSetStatus", [f"('{APPROVED}')"]),
        ("$XDSFolderStatus", [f"('{APPROVED}')"]),
    )
    assert ids_of(every, "RegistryPackage") == {held["SubmissionSet01"], held["Folder01"]}
    assert len(ids_of(every, "Association")) == 3


def test_get_queries(room) -> None:
    entry = make_entry()
    held = room.take(
        make_submission(entry, folders=(make_folder(),), links=(link("HasMember", "Folder01", "Document01"),))
    )
    old, folder, container = held["Document01"], held["Folder01"], held["SubmissionSet01"]
    new = room.take(make_submission(make_entry(), links=(link("RPLC", "Document01", old),)))["Document01"]
    by_uuid = (f"{ENTRY}EntryUUID", [f"('{old}')"])
    assert ids_of(room.ask("get_documents", by_uuid)) == {old}
    assert ids_of(room.ask("get_documents", (f"{ENTRY}UniqueId", [f"('{entry.unique_id}')"]))) == {old}
    related = room.ask(
        "get_related_documents",
        (f"{ENTRY}EntryUUID", [f"'{old}'"]),
        ("$AssociationTypes", [f"('{ASSOCIATION_TYPES['RPLC']}')"]),
    )
    assert ids_of(related) == {old, new}
    none = room.ask(
        "get_related_documents",
        (f"{ENTRY}EntryUUID", [f"'{old}'"]),
        ("$AssociationTypes", [f"('{ASSOCIATION_TYPES['XFRM']}')"]),
    )
    assert ids_of(none) == set()
    folders = room.ask("get_folders_for_document", (f"{ENTRY}EntryUUID", [f"'{new}'"]))
    assert ids_of(folders, "RegistryPackage") == {folder}
    contents = room.ask("get_folder_and_contents", ("$XDSFolderEntryUUID", [f"'{folder}'"]))
    assert ids_of(contents) == {old, new}
    assert len(ids_of(contents, "Association")) == 2
    assert ids_of(room.ask("get_folders", ("$XDSFolderEntryUUID", [f"('{folder}')"])), "RegistryPackage") == {
        folder
    }
    inside = room.ask("get_submission_set_and_contents", ("$XDSSubmissionSetEntryUUID", [f"'{container}'"]))
    assert ids_of(inside) == {old}
    assert ids_of(inside, "RegistryPackage") == {container, folder}
    sets = room.ask("get_submission_sets", ("$uuid", [f"('{old}')"]))
    assert ids_of(sets, "RegistryPackage") == {container}
    assert len(ids_of(sets, "Association")) == 1
    assert len(ids_of(room.ask("get_associations", ("$uuid", [f"('{old}')"])), "Association")) == 3
    both = room.ask("get_documents_and_associations", by_uuid)
    assert (len(ids_of(both)), len(ids_of(both, "Association"))) == (1, 3)
    refs = room.ask("get_documents", by_uuid, return_type="ObjectRef")
    assert ids_of(refs, "ObjectRef") == {old}


def test_what_is_wrong_with_a_query_is_told(room) -> None:
    assert errors_of(room.ask("find_documents", STATUS)) == ["XDSStoredQueryMissingParam"]
    assert errors_of(room.ask("find_documents", PATIENT, (f"{ENTRY}Status", ["('urn:x')"]))) == [
        "XDSStoredQueryMissingParam"
    ]
    two = (f"{ENTRY}PatientId", ["'a'", "'b'"])
    assert errors_of(room.ask("find_documents", two, STATUS)) == ["XDSStoredQueryParamNumber"]
    keys = [(f"{ENTRY}EntryUUID", ["('a')"]), (f"{ENTRY}UniqueId", ["('b')"])]
    assert errors_of(room.ask("get_documents", *keys)) == ["XDSStoredQueryParamNumber"]
    assert errors_of(room.ask("get_documents")) == ["XDSStoredQueryMissingParam"]
    assert errors_of(room.ask("find_documents", PATIENT, STATUS, home="urn:oid:1.2.3")) == [
        "XDSUnknownCommunity"
    ]
    unknown = handle(write_query("00000000-0000-4000-8000-000000000000", []), room.actor)
    assert errors_of(unknown) == ["XDSUnknownStoredQuery"]


def test_unknown_parameters_are_ignored(room) -> None:
    found = room.take(make_submission(make_entry()))["Document01"]
    more = ((f"{ENTRY}Nothing", ["('x')"]), ("$XDSFolderStatus", [f"('{DEPRECATED}')"]))
    assert ids_of(room.ask("find_documents", PATIENT, STATUS, *more)) == {found}


def test_more_than_the_limit_is_given_as_references_only(room, monkeypatch) -> None:
    monkeypatch.setattr(stored_query, "MAX_OBJECTS", 2)
    held = room.take(make_submission(make_entry("A"), make_entry("B")))
    assert ids_of(room.ask("find_documents", PATIENT, STATUS)) == {held["A"], held["B"]}
    third = room.take(make_submission(make_entry()))["Document01"]
    assert errors_of(room.ask("find_documents", PATIENT, STATUS)) == ["XDSTooManyResults"]
    references = room.ask("find_documents", PATIENT, STATUS, return_type="ObjectRef")
    assert ids_of(references, "ObjectRef") == {held["A"], held["B"], third}
    event = AuditEvent.objects.filter(door="iti-18", outcome="refused").get()
    assert event.detail == {"query": "find_documents", "error": "XDSTooManyResults"}


@pytest.mark.django_db(transaction=True)  # on PostgreSQL what was given up spoils the transaction around it
def test_a_query_that_takes_too_long_is_given_up(room, settings) -> None:
    now, patient = timezone.now(), Patient.objects.get()
    ids = [f"urn:uuid:00000000-0000-4000-8000-{number:012}" for number in range(3000)]
    common = {"patient": patient, "department": room.department, "mime_type": "text/plain"}
    DocumentEntry.objects.bulk_create(
        DocumentEntry(
            entry_uuid=each, logical_uuid=each, unique_id=each, registered_at=now, updated_at=now, **common
        )
        for each in ids
    )
    settings.SEARCH_TIMEOUT_S = 0.0001
    like = (f"{ENTRY}ClassCode", ["('X^^1.2.3')"])
    assert errors_of(room.ask("find_documents", PATIENT, STATUS, like)) == ["XDSRegistryOutOfResources"]
    settings.SEARCH_TIMEOUT_S = 10
    assert ids_of(room.ask("find_documents", PATIENT, STATUS, like)) == set()


def test_on_demand_entries_are_found_when_they_are_asked_for(room) -> None:
    made = {"object_type": "on_demand", "creation_time": "", "hash": "", "size": None}
    found = room.take(make_submission(make_entry(**made)))["Document01"]
    room.take(make_submission(make_entry()))
    kinds = (f"{ENTRY}Type", [f"('{OBJECT_TYPES['on_demand']}')"])
    late = (f"{ENTRY}CreationTimeFrom", ["20400101"])
    answer = room.ask("find_documents", PATIENT, STATUS, kinds, late)
    assert ids_of(answer) == {found}
    [entry] = answer.iter(f"{{{RIM}}}ExtrinsicObject")
    assert entry.get("objectType") == OBJECT_TYPES["on_demand"]


def test_an_unknown_or_subsumed_patient_has_nothing(room) -> None:
    room.take(make_submission(make_entry()))
    nobody = (f"{ENTRY}PatientId", [f"'{write_id(SECOND)}'"])
    assert ids_of(room.ask("find_documents", nobody, STATUS)) == set()
    PatientIdentifier.objects.update(subsumed_at="2026-01-01T00:00:00Z")
    assert ids_of(room.ask("find_documents", PATIENT, STATUS)) == set()


def test_documents_of_two_patients_are_only_referred_to(room) -> None:
    make_patient(SECOND)
    one = room.take(make_submission(make_entry()))["Document01"]
    other = make_entry(patient_id=write_id(SECOND))
    two = room.take(make_submission(other, patient_id=write_id(SECOND)))["Document01"]
    both = (f"{ENTRY}EntryUUID", [f"('{one}','{two}')"])
    assert errors_of(room.ask("get_documents", both)) == ["XDSResultNotSinglePatient"]
    assert ids_of(room.ask("get_documents", both, return_type="ObjectRef"), "ObjectRef") == {one, two}


def test_a_stranger_sees_nothing_by_any_query(room) -> None:
    held = room.take(
        make_submission(
            make_entry(), folders=(make_folder(),), links=(link("HasMember", "Folder01", "Document01"),)
        )
    )
    stranger = make_actor(make_department())
    old, folder, container = held["Document01"], held["Folder01"], held["SubmissionSet01"]
    asked = {
        "find_documents": [PATIENT, STATUS],
        "find_submission_sets": [
            ("$XDSSubmissionSetPatientId", [f"'{write_id()}'"]),
            ("$XDSSubmissionSetStatus", [f"('{APPROVED}')"]),
        ],
        "find_folders": [
            ("$XDSFolderPatientId", [f"'{write_id()}'"]),
            ("$XDSFolderStatus", [f"('{APPROVED}')"]),
        ],
        "get_documents": [(f"{ENTRY}EntryUUID", [f"('{old}')"])],
        "get_documents_and_associations": [(f"{ENTRY}EntryUUID", [f"('{old}')"])],
        "get_folders": [("$XDSFolderEntryUUID", [f"('{folder}')"])],
        "get_associations": [("$uuid", [f"('{old}','{folder}')"])],
        "get_submission_sets": [("$uuid", [f"('{old}','{folder}')"])],
        "get_submission_set_and_contents": [("$XDSSubmissionSetEntryUUID", [f"'{container}'"])],
        "get_folder_and_contents": [("$XDSFolderEntryUUID", [f"'{folder}'"])],
        "get_folders_for_document": [(f"{ENTRY}EntryUUID", [f"'{old}'"])],
    }
    for name, slots in asked.items():
        answer = room.ask(name, *slots, actor=stranger)
        assert answer.get("status").endswith(":Success")
        assert len(next(answer.iter(f"{{{RIM}}}RegistryObjectList"))) == 0, name


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("20260101", ["20260101"]),
        ("'a'", ["a"]),
        ("'it''s'", ["it's"]),
        ("('a','b')", ["a", "b"]),
        ("( 'a' , 'b,c' )", ["a", "b,c"]),
        ("(1,2)", ["1", "2"]),
    ],
)
def test_values_are_read(text, values) -> None:
    assert read_values("x", text) == values


def test_a_value_without_end_is_refused() -> None:
    with pytest.raises(QueryRefused):
        read_values("x", "('a")
    assert like_pattern("a%_c").fullmatch("axxbc")
