"""Registering documents: whole or not at all, with all that is wrong told at once."""

import threading
from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from access.database import run_write
from registry.documents import deprecate, register
from registry.models import (
    Association,
    Change,
    DocumentCode,
    DocumentEntry,
    Folder,
    PatientIdentifier,
    ReferenceId,
    SubmissionSet,
)
from registry.submission import Code, Origin, Registered, Submission, SubmissionRefused
from tests.registry.factories import make_department, make_study, make_uid
from tests.support.submissions import (
    FIRST,
    SECOND,
    link,
    make_entry,
    make_folder,
    make_patient,
    make_submission,
    spoil,
    write_id,
)

NOBODY = Origin(None, "test")


def take(submission: Submission, origin: Origin = NOBODY) -> Registered:
    return run_write(lambda: register(submission, origin))


def refused(submission: Submission, origin: Origin = NOBODY) -> list[str]:
    """Return the codes of the errors, having seen that nothing was stored."""
    before = [model.objects.count() for model in (SubmissionSet, DocumentEntry, Folder, Association, Change)]
    with pytest.raises(SubmissionRefused) as caught:
        take(submission, origin)
    after = [model.objects.count() for model in (SubmissionSet, DocumentEntry, Folder, Association, Change)]
    assert before == after
    return [error.code for error in caught.value.errors]


@pytest.fixture
def patient(db):
    return make_patient()


def test_everything_of_an_entry_is_kept(patient) -> None:
    draft = make_entry(
        references=("ACC1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession",),
        event_codes=(Code("CT", "1.2.840.10008.2.16.4"), Code("MR", "1.2.840.10008.2.16.4")),
        extra={"urn:example:slot": ("one", "two")},
    )
    taken = take(make_submission(draft))
    entry = DocumentEntry.objects.get()
    assert entry.entry_uuid == taken.uuids["Document01"]
    assert (entry.status, entry.version, entry.patient) == ("approved", 1, patient)
    assert entry.service_start_time_from == "20260301080000"
    assert entry.creation_time_from == "20260301000000"
    assert entry.class_code["code"] == "REPORTS"
    assert entry.extra == {"urn:example:slot": ["one", "two"]}
    assert DocumentCode.objects.filter(entry=entry, kind="event").count() == 2
    assert ReferenceId.objects.get().type_code == "urn:ihe:iti:xds:2013:accession"
    kinds = Change.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["documents_submitted", "document_registered"]
    assert Association.objects.get().source_uuid == taken.uuids["SubmissionSet01"]


def test_a_uuid_stays_and_symbols_become_uuids_everywhere(patient) -> None:
    own = "urn:uuid:0fbf5d0e-8e5e-4c51-9f0a-1f3a3f0b6a77"
    taken = take(make_submission(make_entry(own), make_entry("B"), links=(link("APND", "B", own),)))
    assert taken.uuids[own] == own
    relation = Association.objects.get(kind="APND")
    assert (relation.source_uuid, relation.target_uuid) == (taken.uuids["B"], own)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"class_code": None}, "XDSRegistryMetadataError"),
        ({"confidentiality_codes": ()}, "XDSRegistryMetadataError"),
        ({"hash": ""}, "XDSRegistryMetadataError"),
        ({"hash": "xyz"}, "XDSRegistryMetadataError"),
        ({"size": None}, "XDSRegistryMetadataError"),
        ({"creation_time": "20261301"}, "XDSRegistryMetadataError"),
        ({"creation_time": "20260101120000+0100"}, "XDSRegistryMetadataError"),
        ({"title": "x" * 129}, "XDSRegistryMetadataError"),
        ({"unique_id": "no oid"}, "XDSRegistryMetadataError"),
        ({"language_code": "?"}, "XDSRegistryMetadataError"),
        ({"type_code": Code("", "1.2.3")}, "XDSRegistryMetadataError"),
        ({"references": ("ACC1",)}, "XDSRegistryMetadataError"),
        ({"patient_id": "191212121212"}, "XDSRegistryMetadataError"),
        ({"patient_id": write_id(SECOND)}, "XDSUnknownPatientId"),
        ({"mime_type": "unheard of"}, "XDSRegistryMetadataError"),
        ({"service_stop_time": "2025"}, "XDSRegistryMetadataError"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(patient, values, code) -> None:
    assert code in refused(spoil(make_submission(make_entry()), **values))


def test_all_that_is_wrong_is_told_at_once(patient) -> None:
    spoilt = spoil(make_submission(make_entry()), class_code=None, patient_id=write_id(SECOND), hash="x")
    codes = refused(spoilt)
    assert codes.count("XDSRegistryMetadataError") == 2
    assert "XDSUnknownPatientId" in codes
    assert "XDSPatientIdDoesNotMatch" in codes


def test_an_upper_case_uuid_and_two_submission_sets_are_refused(patient) -> None:
    upper = "urn:uuid:0FBF5D0E-8E5E-4C51-9F0A-1F3A3F0B6A77"
    assert refused(make_submission(make_entry(upper))) == ["XDSRegistryMetadataError"]
    good = make_submission(make_entry())
    second = replace(good.submission_sets[0], entry_uuid="Set2", unique_id=make_uid())
    assert "XDSRegistryMetadataError" in refused(
        replace(good, submission_sets=(good.submission_sets[0], second))
    )


def test_a_subsumed_number_is_unknown_and_numbers_of_one_person_match(patient) -> None:
    PatientIdentifier.objects.create(patient=patient, value="77", issuer="1.2.3.9")
    take(make_submission(make_entry(patient_id="77^^^&1.2.3.9&ISO")))
    PatientIdentifier.objects.filter(value="77").update(subsumed_at=timezone.now())
    assert "XDSUnknownPatientId" in refused(make_submission(make_entry(patient_id="77^^^&1.2.3.9&ISO")))


def test_another_patient_does_not_match(patient) -> None:
    make_patient(SECOND)
    assert refused(make_submission(make_entry(patient_id=write_id(SECOND)))) == ["XDSPatientIdDoesNotMatch"]


def test_unique_ids(patient) -> None:
    first = make_submission(make_entry())
    take(first)
    again = make_submission(replace(first.entries[0]))
    take(again)  # the same document once more is a second entry
    assert DocumentEntry.objects.count() == 2
    assert refused(make_submission(replace(first.entries[0], hash="b" * 40, size=7))) == [
        "XDSNonIdenticalHash",
        "XDSNonIdenticalSize",
    ]
    taken_id = first.submission_sets[0].unique_id
    assert refused(make_submission(make_entry(), unique_id=taken_id)) == ["XDSDuplicateUniqueIdInRegistry"]
    twice = make_submission(make_entry("A", unique_id="1.2.3"), make_entry("B", unique_id="1.2.3"))
    assert refused(twice) == ["XDSRegistryDuplicateUniqueIdInMessage"]


def test_references_that_lead_nowhere(patient) -> None:
    unknown = "urn:uuid:0fbf5d0e-8e5e-4c51-9f0a-1f3a3f0b6a70"
    for kind in ("RPLC", "APND", "HasMember"):
        bad = make_submission(make_entry(), links=(link(kind, "Document01", unknown),))
        assert "UnresolvedReferenceException" in refused(bad)
    inside = make_submission(make_entry("A"), make_entry("B"), links=(link("RPLC", "A", "B"),))
    assert refused(inside) == ["UnresolvedReferenceException"]


def test_a_replacement_deprecates_the_old_and_what_hangs_on_it(patient) -> None:
    old = take(
        make_submission(
            make_entry(), folders=(make_folder(),), links=(link("HasMember", "Folder01", "Document01"),)
        )
    )
    uuid = old.uuids["Document01"]
    Folder.objects.update(last_update_time="20200101000000")
    addendum = take(make_submission(make_entry(), links=(link("APND", "Document01", uuid),)))
    new = take(make_submission(make_entry(), links=(link("RPLC", "Document01", uuid),)))
    states = dict(DocumentEntry.objects.values_list("entry_uuid", "status"))
    assert states == {
        uuid: "deprecated",
        addendum.uuids["Document01"]: "deprecated",
        new.uuids["Document01"]: "approved",
    }
    folder = Folder.objects.get()
    membership = Association.objects.get(source_uuid=folder.entry_uuid, target_uuid=new.uuids["Document01"])
    assert Association.objects.filter(
        source_uuid=new.uuids["SubmissionSet01"], target_uuid=membership.entry_uuid
    ).exists()
    assert folder.last_update_time > "2026"
    again = make_submission(make_entry(), links=(link("RPLC", "Document01", uuid),))
    assert refused(again) == ["XDSRegistryDeprecatedDocumentError"]
    assert Change.objects.filter(kind="document_deprecated").count() == 2


def test_nobody_replaces_the_document_of_another_provider(patient) -> None:
    ours, theirs = make_department(), make_department()
    old = take(make_submission(make_entry()), Origin(theirs.pk, "theirs"))
    replacing = make_submission(make_entry(), links=(link("RPLC", "Document01", old.uuids["Document01"]),))
    assert refused(replacing, Origin(ours.pk, "ours")) == ["UnresolvedReferenceException"]
    take(replacing, Origin(theirs.pk, "theirs"))


def test_a_document_is_about_the_study_of_its_patient_alone(db) -> None:
    study = make_study(make_department())
    PatientIdentifier.objects.create(patient=study.person, value=FIRST, issuer="1.2.752.129.2.1.3.1")
    make_patient(SECOND)
    reference = f"{study.study_instance_uid}^^^^urn:ihe:iti:xds:2016:studyInstanceUID"
    take(make_submission(make_entry(references=(reference,))))
    assert DocumentEntry.objects.get().study == study
    other = make_entry(references=(reference,), patient_id=write_id(SECOND))
    take(make_submission(other, patient_id=write_id(SECOND)))
    assert DocumentEntry.objects.latest("pk").study is None


def test_deprecate_takes_what_was_appended_too(patient) -> None:
    old = take(make_submission(make_entry()))
    take(make_submission(make_entry(), links=(link("APND", "Document01", old.uuids["Document01"]),)))
    entry = DocumentEntry.objects.get(entry_uuid=old.uuids["Document01"])
    assert len(run_write(lambda: deprecate([entry]))) == 2
    assert run_write(lambda: deprecate([entry])) == []
    assert not DocumentEntry.objects.filter(status="approved").exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_replacements_at_once_one_wins() -> None:
    make_patient()
    target = take(make_submission(make_entry())).uuids["Document01"]
    outcomes: list[str] = []

    def replace_it() -> None:
        try:
            take(make_submission(make_entry(), links=(link("RPLC", "Document01", target),)))
            outcomes.append("taken")
        except SubmissionRefused as error:
            outcomes.append(error.errors[0].code)
        finally:
            connection.close()

    threads = [threading.Thread(target=replace_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["XDSRegistryDeprecatedDocumentError"] * 5 + ["taken"]
    assert DocumentEntry.objects.filter(status="approved").count() == 1
