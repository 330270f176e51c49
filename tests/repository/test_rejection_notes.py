"""Rejection notes through STOW-RS: key objects made with pydicom, as a PACS sends them."""

import io
import json

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from access.models import AuditEvent
from registry.models import Instance, Removal, RemovedInstance
from registry.remove import restore
from tests.registry.factories import make_department, make_region_actor
from tests.repository.conftest import make_vendor, outcome
from tests.support import dicom

pytestmark = pytest.mark.django_db

TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
    "113000": "Of Interest",
}


def code_item(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def make_note(title: str, files, facts: dicom.StudyFacts, **changes) -> bytes:
    """Return a key object selection that refers to the files, in a series of its own."""
    note = Dataset()
    note.SpecificCharacterSet = "ISO_IR 192"
    note.SOPClassUID, note.SOPInstanceUID = KeyObjectSelectionDocumentStorage, dicom.make_uid()
    note.StudyInstanceUID, note.SeriesInstanceUID = facts.study_instance_uid, dicom.make_uid()
    note.PatientName, note.PatientID = facts.patient_name, facts.patient_id
    note.PatientBirthDate, note.PatientSex = facts.patient_birth_date, facts.patient_sex
    qualifiers = Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = facts.issuer_oid, "ISO"
    note.IssuerOfPatientIDQualifiersSequence = [qualifiers]
    note.Modality, note.SeriesNumber, note.InstanceNumber = "KO", 99, 1
    note.StudyDate, note.StudyTime, note.AccessionNumber = facts.study_date, facts.study_time, "A1"
    note.ContentDate, note.ContentTime = "20260302", "120000"
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ConceptNameCodeSequence = [code_item(title, TITLES[title])]
    note.CurrentRequestedProcedureEvidenceSequence = make_evidence(files)
    for keyword, value in changes.items():
        setattr(note, keyword, value)
    return dicom.write_file(note, dicom.EXPLICIT)


def make_evidence(files) -> list[Dataset]:
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for file in files:
        ds = dcmread(io.BytesIO(file), stop_before_pixels=True)
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        studies.setdefault(ds.StudyInstanceUID, {}).setdefault(ds.SeriesInstanceUID, []).append(item)
    evidence = []
    for study_uid, series in studies.items():
        study_item = Dataset()
        study_item.StudyInstanceUID = study_uid
        study_item.ReferencedSeriesSequence = []
        for series_uid, items in series.items():
            series_item = Dataset()
            series_item.SeriesInstanceUID, series_item.ReferencedSOPSequence = series_uid, items
            study_item.ReferencedSeriesSequence.append(series_item)
        evidence.append(study_item)
    return evidence


def path_of(file: bytes) -> str:
    ds = dcmread(io.BytesIO(file), stop_before_pixels=True)
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


@pytest.fixture
def facts() -> dicom.StudyFacts:
    """The study of the tests."""
    return dicom.StudyFacts()


@pytest.fixture
def files(vendor, facts) -> tuple[bytes, ...]:
    """Three stored instances."""
    made = dicom.make_series(facts, 3)
    assert vendor.store(*made).status_code == 200
    return made


@pytest.mark.parametrize("title", ["113001", "113037", "113038"])
def test_what_a_note_refers_to_goes_and_the_note_stays(vendor, facts, files, title):
    note = make_note(title, files[:2], facts)
    assert vendor.store(note).status_code == 200
    assert [vendor.get(path_of(file)).status_code for file in files] == [410, 410, 200]
    assert vendor.get(path_of(note)).status_code == 200
    [row] = json.loads(vendor.get(f"/studies?StudyInstanceUID={facts.study_instance_uid}").content)
    assert row["00201208"]["Value"] == [2]
    assert row["00080061"]["Value"] == ["CT", "KO"]
    removal = Removal.objects.get()
    assert (removal.code_value, removal.code_meaning) == (title, TITLES[title])
    assert removal.note_sop_instance_uid == path_of(note).rsplit("/", 1)[1]
    [failed] = outcome(vendor.store(files[0]))["failed"]
    assert failed["00081197"]["Value"] == [0x0124]


def test_a_note_about_retention_goes_with_what_it_refers_to(vendor, facts, files):
    note = make_note("113039", files, facts)
    assert vendor.store(note).status_code == 200
    assert {vendor.get(path_of(file)).status_code for file in (*files, note)} == {410}
    assert json.loads(vendor.get("/studies").content) == []
    assert Removal.objects.get().instances == 4


def test_other_titles_reject_nothing(vendor, facts, files):
    assert vendor.store(make_note("113000", files, facts)).status_code == 200
    assert Instance.objects.count() == 4


def test_a_note_may_come_with_what_it_refers_to(vendor, facts):
    files = dicom.make_series(facts, 2)
    assert vendor.store(make_note("113001", files, facts), *files).status_code == 200
    assert [vendor.get(path_of(file)).status_code for file in files] == [410, 410]


def test_a_note_has_its_effect_once(vendor, facts, files):
    note = make_note("113001", files[:1], facts)
    vendor.store(note)
    restore(make_region_actor(), Removal.objects.get().pk, door="command")
    assert vendor.store(note).status_code == 200
    assert vendor.get(path_of(files[0])).status_code == 200


def test_a_note_speaks_for_the_department_that_keeps_the_study(vendor, department, facts, files):
    colleague = make_vendor(make_department(department.unit.provider), "colleague")
    assert colleague.store(make_note("113001", files, facts)).status_code == 200
    assert Instance.objects.count() == 4
    event = AuditEvent.objects.get(action="reject")
    assert (event.outcome, event.actor) == ("refused", "colleague")
    foreign = dicom.StudyFacts()
    stranger = make_vendor(make_department(), "stranger")
    assert stranger.store(make_note("113037", files, foreign)).status_code == 200
    assert Instance.objects.count() == 5
    assert not RemovedInstance.objects.exists()


def test_a_note_of_two_studies_and_unknown_instances(vendor, facts, files):
    other = dicom.StudyFacts()
    second = dicom.make_series(other, 1)
    vendor.store(*second)
    unknown = dicom.make_series(dicom.StudyFacts(), 1)
    assert vendor.store(make_note("113001", [*files[:1], *second, *unknown], facts)).status_code == 200
    assert sorted(Removal.objects.values_list("instances", flat=True)) == [1, 1]
    assert vendor.get(f"/studies/{other.study_instance_uid}").status_code == 410


def test_a_note_without_evidence_is_stored_and_does_nothing(vendor, facts, files):
    for title in ("113001", "113039"):
        assert vendor.store(make_note(title, [], facts)).status_code == 200
    assert not Removal.objects.exists()
    empty = make_note("113001", files, facts, ConceptNameCodeSequence=[])
    assert vendor.store(empty).status_code == 200
    assert Instance.objects.count() == 6


def test_a_note_of_very_many_studies_has_no_effect(vendor, facts, files, monkeypatch):
    monkeypatch.setattr("registry.remove.STUDIES_OF_A_NOTE", 1)
    second = dicom.make_series(dicom.StudyFacts(), 1)
    vendor.store(*second)
    assert vendor.store(make_note("113001", [*files, *second], facts)).status_code == 200
    assert Instance.objects.count() == 5
    event = AuditEvent.objects.get(action="reject")
    assert (event.outcome, event.detail["studies"]) == ("refused", 2)
