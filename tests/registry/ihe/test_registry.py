"""ITI-42: ebRIM is read and written without loss, and a registration is answered as the standard says."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from access.models import AuditEvent
from registry.ihe.ebrim import read_submission
from registry.ihe.ebrim_names import RIM, RS
from registry.ihe.registry import handle
from registry.models import DocumentEntry
from registry.submission import Author, Code, EntryDraft, SubmissionRefused
from tests.registry.factories import make_actor, make_department
from tests.support.ebrim import check_schema, write_request
from tests.support.submissions import link, make_entry, make_folder, make_patient, make_submission, spoil

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=30
)
codes = st.builds(Code, texts, texts, texts)
authors = st.builds(Author, texts, *[st.lists(texts, max_size=2).map(tuple)] * 4)
entries = st.builds(
    EntryDraft,
    entry_uuid=st.just("Document01"),
    unique_id=texts,
    patient_id=texts,
    mime_type=texts,
    class_code=codes,
    event_codes=st.lists(codes, max_size=3).map(tuple),
    title=texts,
    comments=texts,
    authors=st.lists(authors, max_size=2).map(tuple),
    size=st.integers(0, 2**40) | st.none(),
    references=st.lists(texts, max_size=3).map(tuple),
    extra=st.dictionaries(
        texts.map("urn:x:{}".format), st.lists(texts, min_size=1, max_size=2).map(tuple), max_size=2
    ),
)


@settings(max_examples=60, deadline=None)
@given(entry=entries)
def test_what_is_written_is_read_back(entry: EntryDraft) -> None:
    submission = make_submission(entry, folders=(make_folder(),))
    request = write_request(submission)
    assert read_submission(etree.fromstring(etree.tostring(request))) == submission


def test_what_is_written_keeps_the_schema() -> None:
    check_schema(write_request(make_submission(make_entry(), folders=(make_folder(),))), "lcm.xsd")


@pytest.fixture
def actor(db):
    make_patient()
    return make_actor(make_department())


def errors_of(answer) -> list[str]:
    return [each.get("errorCode") for each in answer.iter(f"{{{RS}}}RegistryError")]


def test_a_registration_succeeds_and_is_recorded(actor) -> None:
    answer = handle(write_request(make_submission(make_entry())), actor)
    assert answer.get("status").endswith(":Success")
    check_schema(answer, "rs.xsd")
    entry = DocumentEntry.objects.get()
    assert entry.department_id == actor.scope.department_id
    event = AuditEvent.objects.get(door="iti-42")
    assert event.action == "register_documents"
    assert event.patient_id == entry.patient_id


def test_every_error_is_told_and_the_refusal_recorded(actor) -> None:
    answer = handle(write_request(spoil(make_submission(make_entry()), class_code=None, hash="x")), actor)
    assert answer.get("status").endswith(":Failure")
    assert errors_of(answer) == ["XDSRegistryMetadataError"] * 2
    check_schema(answer, "rs.xsd")
    event = AuditEvent.objects.get(door="iti-42")
    assert (event.action, event.outcome) == ("register_documents", "refused")
    assert not DocumentEntry.objects.exists()


def test_what_is_no_metadata_is_named() -> None:
    request = write_request(make_submission(make_entry(), links=(link("APND", "Document01", "x"),)))
    entry = request.find(f".//{{{RIM}}}ExtrinsicObject")
    entry.append(etree.fromstring(etree.tostring(entry.find(f"{{{RIM}}}Slot"))))
    for each in request.iter(f"{{{RIM}}}Association"):
        each.set("associationType", "urn:nothing")
    with pytest.raises(SubmissionRefused) as caught:
        read_submission(request)
    told = [error.context for error in caught.value.errors]
    assert any("creationTime more than once" in text and "Document01" in text for text in told)
    assert any("associationType" in text for text in told)


def test_classifications_beside_the_objects_are_read_too() -> None:
    submission = make_submission(make_entry())
    request = write_request(submission)
    listed = request[0]
    for each in request.findall(f".//{{{RIM}}}Classification"):
        listed.append(each)
    assert replace(read_submission(request)) == submission


def test_a_document_of_another_care_provider_cannot_be_replaced(actor) -> None:
    handle(write_request(make_submission(make_entry())), actor)
    old = DocumentEntry.objects.get()
    replacing = write_request(
        make_submission(make_entry(), links=(link("RPLC", "Document01", old.entry_uuid),))
    )
    stranger = make_actor(make_department())
    assert errors_of(handle(replacing, stranger)) == ["UnresolvedReferenceException"]
    assert DocumentEntry.objects.get().status == "approved"
    assert errors_of(handle(replacing, actor)) == []
    old.refresh_from_db()
    assert old.status == "deprecated"
