"""The database is lost: who was found to be one person and what was registered comes back from the journal."""

from dataclasses import replace

import pytest
from django.utils import timezone

from access.database import write_transaction
from registry.documents import register
from registry.identity import Demographics, PatientNumber, feed_patient, find_patient
from registry.merges import link, merge, move_number, undo
from registry.models import (
    Association,
    Block,
    Change,
    DocumentCode,
    DocumentEntry,
    Folder,
    MovedRow,
    Patient,
    PatientMerge,
    ReferenceId,
    Study,
    SubmissionSet,
)
from registry.submission import Origin
from repository.document_store import keep, open_document, store_bytes
from repository.journal.duty import verify_journal, write_journal
from repository.models import StoredDocument
from repository.rebuild.rebuild import rebuild
from tests.registry.care import make_officer
from tests.repository.test_rebuild import lose_database
from tests.support import dicom
from tests.support.submissions import (
    DOMAIN,
    FIRST,
    RPLC,
    SECOND,
    make_entry,
    make_folder,
    make_submission,
    write_id,
)
from tests.support.submissions import link as relate

pytestmark = pytest.mark.django_db
OID = "1.2.752.97.1.2.3"
A, B = (PatientNumber(value, DOMAIN, is_national=True) for value in (FIRST, SECOND))
C, D, E, F, G, H = (PatientNumber(value, OID) for value in "CDEFGH")
DOCUMENTS = (ReferenceId, DocumentCode, Association, DocumentEntry, Folder, SubmissionSet, StoredDocument)


def store(vendor, number, facts=None):
    """Store an instance under a number; returns what its study is."""
    facts = facts or dicom.StudyFacts()
    sent = replace(facts, patient_id=number.value, issuer_oid=number.issuer)
    response = vendor.store(dicom.make_ct(sent))
    assert response.status_code == 200, response.content
    return facts


def make_block(number, unit):
    moment = timezone.now()
    with write_transaction():
        block = Block.objects.create(
            patient=find_patient(number),
            unit=unit,
            valid_from=moment,
            registered_at=moment,
            registered_by="t",
        )
        Change.objects.create(kind="block", detail={"row": block.pk}, appended_at=moment)


def submit(department, number, *, replaces=None, folder=False):
    """Register a document with its bytes; returns the UUID of its entry."""
    content = f"document of {number.value}".encode()
    entry = make_entry(patient_id=write_id(number.value, number.issuer))
    stored = store_bytes(content, entry.unique_id, entry.mime_type)
    entry = replace(entry, hash=stored.sha1.hex(), size=len(content))
    links = (relate(RPLC, entry.entry_uuid, replaces),) if replaces else ()
    folders = (make_folder(patient_id=entry.patient_id),) if folder else ()
    extra = (relate("HasMember", "Folder01", entry.entry_uuid),) if folder else ()
    submission = make_submission(entry, links=(*links, *extra), folders=folders, patient_id=entry.patient_id)
    with write_transaction():
        registered = register(submission, Origin(department.pk, "test"))
        keep(stored)
    return registered.uuids[entry.entry_uuid]


def lose_everything():
    write_journal()
    for model in (MovedRow, PatientMerge, *DOCUMENTS, Block):
        model.objects.all().delete()
    Patient.objects.update(merged_into=None)
    lose_database()


def people():
    """Say of each patient what the region knows, by names that any database has."""
    return sorted(
        (
            sorted(patient.identifiers.values_list("value", "issuer", "subsumed_at")),
            sorted(patient.studies.values_list("study_instance_uid", flat=True)),
            sorted(patient.documents.values_list("unique_id", "status")),
            patient.folders.count(),
            Block.objects.filter(patient=patient, cancelled_at=None).count(),
            patient.merged_into is not None,
        )
        for patient in Patient.objects.all()
        if patient.identifiers.exists() or patient.merged_into
    )


def documents():
    """Every row of the registry, without the keys of this database."""
    found = []
    for model in DOCUMENTS:
        names = [f.name for f in model._meta.concrete_fields if not f.primary_key and not f.is_relation]
        found.append(sorted(repr([getattr(row, name) for name in names]) for row in model.objects.all()))
    return found


def merges():
    columns = ("kind", "source", "message_id", "made_at", "undone_at", "undone_by", "undo_reason")
    return list(PatientMerge.objects.order_by("pk").values_list(*columns))


@pytest.fixture
def region(vendor, department):
    """People who were merged, linked, moved and parted, with studies, blocks and documents of before and after."""
    unit = department.unit
    study = store(vendor, A)
    store(vendor, B)
    make_block(A, unit)
    old = submit(department, A, folder=True)
    merge(B, A, source="RIS", message_id="1")
    store(vendor, B, study)
    store(vendor, A)
    make_block(B, unit)
    submit(department, B, replaces=old)
    store(vendor, C)
    link(D, C, source="officer")
    merge(D, C, source="RIS", message_id="2")
    store(vendor, E)
    undo(merge(F, E, source="RIS", message_id="3").pk, by=make_officer(), reason="two people")
    store(vendor, E)
    with write_transaction():
        feed_patient(G, Demographics("Fed^Person"), [H])
    store(vendor, H)
    store(vendor, G)
    with write_transaction():
        feed_patient(PatientNumber("X", OID), Demographics("Wrong^Person"), [PatientNumber("Y", OID)])
    store(vendor, PatientNumber("Y", OID))
    move_number(PatientNumber("Y", OID), G, source="RIS", message_id="4")
    return study


def test_people_and_documents_come_back_as_they_were(region):
    before = people(), documents(), merges()
    assert [len(rows) for rows in before[1]][3:] == [2, 1, 2, 2]
    lose_everything()
    assert not Patient.objects.exists()
    report = rebuild()
    assert report.faults == []
    assert (people(), documents(), merges()) == before
    assert (report.identities, report.documents) == (8, 2)
    assert verify_journal() == []


def test_a_rebuild_that_runs_twice_changes_nothing(region):
    lose_everything()
    rebuild()
    before = people(), documents(), merges(), MovedRow.objects.count()
    assert rebuild().faults == []
    assert (people(), documents(), merges(), MovedRow.objects.count()) == before


def test_what_came_back_can_be_parted_as_before(region):
    """The undo after the loss gives each the same as the undo without it."""
    lose_everything()
    rebuild()
    row = PatientMerge.objects.get(message_id="1")
    undo(row.pk, by=make_officer(), reason="two people")
    first, second = find_patient(A), find_patient(B)
    assert first != second
    assert (first.studies.count(), second.studies.count()) == (2, 1)
    assert [doc.status for doc in first.documents.all()] == ["deprecated"]
    assert [doc.status for doc in second.documents.all()] == ["approved"]
    assert Study.objects.get(study_instance_uid=region.study_instance_uid).person == first


def test_bytes_are_read_under_the_entry_that_came_back(region):
    lose_everything()
    rebuild()
    for entry in DocumentEntry.objects.all():
        _, blocks = open_document(entry.unique_id)
        assert b"".join(blocks).startswith(b"document of ")


def test_an_older_copy_learns_of_merges_and_documents_that_came_after_it(vendor, department):
    store(vendor, A)
    store(vendor, B)
    write_journal()
    made = merge(B, A, source="RIS", message_id="1")
    submit(department, B)
    write_journal()
    before = people(), documents(), merges()
    for model in DOCUMENTS:
        model.objects.all().delete()
    undo(made.pk, by=make_officer(), reason="not in the copy")
    Change.objects.filter(kind="merge_undone").delete()
    PatientMerge.objects.all().delete()
    assert rebuild().faults == []
    assert (people(), documents(), merges()) == before


def test_what_names_nothing_that_came_back_is_told_and_holds_up_nothing(vendor, department):
    """The line of an undo whose merge the journal lost: the rest comes back, and the fault says which line it was."""
    store(vendor, A)
    store(vendor, B)
    undo(merge(B, A, source="RIS").pk, by=make_officer(), reason="two people")
    Change.objects.filter(kind="merge_made").delete()
    submit(department, A)
    lose_everything()
    [fault] = rebuild().faults
    assert "merge_undone" in fault
    assert "the merge that it is about is not there" in fault
    assert find_patient(A).documents.count() == 1
