"""Documents become documents with their registration, or nothing of them is ever visible."""

import hashlib
import io
import threading
from dataclasses import replace

import pydicom
import pytest
from django.db import connection
from pydicom.uid import ExplicitVRLittleEndian

from access.models import AuditEvent
from registry.affinity import affinity
from registry.ihe.mtom import Attachment
from registry.models import DocumentEntry
from registry.submission import Code, SubmissionRefused
from repository.document_store import UnknownContent, open_document, store_bytes
from repository.models import StoredDocument
from repository.xds.provide import provide
from tests.registry.factories import make_actor, make_department, make_uid
from tests.support.submissions import FIRST, SECOND, make_entry, make_patient, make_submission, write_id

PDF = b"%PDF-1.7\n" + bytes(1000)
KOS = "1.2.840.10008.5.1.4.1.1.88.59"


def store(data: bytes) -> Attachment:
    content = store_bytes(data, "", "")
    return Attachment(content.key, content.size_bytes, content.sha1, content.sha256)


def new_entry(symbol="Document01", **values):
    return make_entry(symbol, **{"hash": "", "size": None, "repository_unique_id": ""} | values)


def refused(submission, contents, actor) -> list[str]:
    before = DocumentEntry.objects.count(), StoredDocument.objects.count()
    with pytest.raises(SubmissionRefused) as caught:
        provide(submission, contents, actor, door="iti-41")
    assert (DocumentEntry.objects.count(), StoredDocument.objects.count()) == before
    return [error.code for error in caught.value.errors]


@pytest.fixture
def patient(db):
    return make_patient()


@pytest.fixture
def actor(db):
    return make_actor(make_department())


def test_the_repository_says_where_the_document_is_and_what_it_is_made_of(patient, actor):
    entry = new_entry(repository_unique_id="1.2.999")
    provide(make_submission(entry), {"Document01": store(PDF)}, actor, door="iti-41")
    row = DocumentEntry.objects.get()
    assert (row.hash, row.size) == (hashlib.sha1(PDF).hexdigest(), len(PDF))
    assert row.repository_unique_id == affinity().repository_unique_id
    assert b"".join(open_document(entry.unique_id)[1]) == PDF
    event = AuditEvent.objects.get(action="store")
    assert (event.door, event.patient_id, event.detail["document"]) == ("iti-41", patient.pk, entry.unique_id)


def test_what_the_metadata_says_of_the_bytes_has_to_be_true(patient, actor):
    right = new_entry(hash=hashlib.sha1(PDF).hexdigest().upper(), size=len(PDF))
    provide(make_submission(right), {"Document01": store(PDF)}, actor, door="iti-41")
    for wrong in (replace(right, hash="0" * 40), replace(right, size=1)):
        codes = refused(
            make_submission(replace(wrong, unique_id=make_uid())), {"Document01": store(PDF)}, actor
        )
        assert codes == ["XDSRepositoryMetadataError"]


def test_entries_and_documents_come_in_pairs(patient, actor):
    assert refused(make_submission(new_entry()), {}, actor) == ["XDSMissingDocument"]
    contents = {"Document01": store(PDF), "Document02": store(PDF)}
    assert refused(make_submission(new_entry()), contents, actor) == ["XDSMissingDocumentMetadata"]
    twice = make_submission(new_entry(unique_id="1.2.3"), new_entry("Document02", unique_id="1.2.3"))
    assert refused(twice, contents, actor) == ["XDSRepositoryDuplicateUniqueIdInMessage"]


def test_other_bytes_under_a_known_id_are_refused_and_the_same_are_taken(patient, actor):
    entry = new_entry()
    provide(make_submission(entry), {"Document01": store(PDF)}, actor, door="iti-41")
    assert "XDSNonIdenticalHash" in refused(
        make_submission(entry), {"Document01": store(PDF[:-1] + b"x")}, actor
    )
    assert "XDSNonIdenticalSize" in refused(make_submission(entry), {"Document01": store(PDF + b"x")}, actor)
    provide(make_submission(entry), {"Document01": store(PDF)}, actor, door="iti-41")
    assert (DocumentEntry.objects.count(), StoredDocument.objects.count()) == (2, 1)
    assert b"".join(open_document(entry.unique_id)[1]) == PDF


def test_what_the_registry_refuses_leaves_no_document(patient, actor):
    entry = new_entry(patient_id=write_id(SECOND))
    content = store(PDF)
    codes = refused(make_submission(entry, patient_id=write_id(SECOND)), {"Document01": content}, actor)
    assert codes == ["XDSUnknownPatientId"]
    with pytest.raises(UnknownContent):
        open_document(entry.unique_id)


def make_kos(uid: str, patient_id: str = FIRST, sop_class: str = KOS) -> bytes:
    data_set = pydicom.Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID, data_set.PatientID = sop_class, uid, patient_id
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta.MediaStorageSOPClassUID, data_set.file_meta.MediaStorageSOPInstanceUID = sop_class, uid
    file = io.BytesIO()
    pydicom.dcmwrite(file, data_set, enforce_file_format=True)
    return file.getvalue()


def kos_entry(uid: str, **values):
    return new_entry(
        unique_id=uid,
        mime_type="application/dicom",
        format_code=Code(KOS, "1.2.840.10008.2.6.1", "KOS"),
        **values,
    )


def test_a_manifest_is_taken_that_is_what_its_metadata_says(patient, actor):
    uid = make_uid()
    provide(make_submission(kos_entry(uid)), {"Document01": store(make_kos(uid))}, actor, door="rad-68")
    local = make_uid()
    kos = make_kos(local, "4711")  # the number of the source
    provide(make_submission(kos_entry(local)), {"Document01": store(kos)}, actor, door="rad-68")
    assert DocumentEntry.objects.count() == 2


@pytest.mark.parametrize("wrong", ["uid", "patient", "class", "format", "empty"])
def test_a_manifest_of_something_else_is_refused(patient, actor, wrong):
    make_patient(SECOND)
    uid = make_uid()
    data = {
        "uid": make_kos(make_uid()),
        "patient": make_kos(uid, SECOND),
        "class": make_kos(uid, sop_class="1.2.840.10008.5.1.4.1.1.2"),
        "format": PDF,
        "empty": b"",
    }[wrong]
    codes = refused(make_submission(kos_entry(uid)), {"Document01": store(data)}, actor)
    assert set(codes) == {"InvalidDocumentContent"}


@pytest.mark.django_db(transaction=True)
def test_of_racing_submissions_of_one_document_all_find_the_same_bytes():
    make_patient()
    actor = make_actor(make_department())
    entry = new_entry()
    same_set = make_submission(entry)
    outcomes = []

    def submit(submission):
        try:
            provide(submission, {"Document01": store(PDF)}, actor, door="iti-41")
            outcomes.append("taken")
        except SubmissionRefused as error:
            outcomes.append(error.errors[0].code)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit, args=(same_set,)) for _ in range(6)]
    threads += [threading.Thread(target=submit, args=(make_submission(entry),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["XDSDuplicateUniqueIdInRegistry"] * 5 + ["taken"] * 3
    assert StoredDocument.objects.count() == 1
    assert DocumentEntry.objects.count() == 3
    assert b"".join(open_document(entry.unique_id)[1]) == PDF
