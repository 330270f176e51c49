"""Documents of a study whose patient is merged, and parted again: of whom they are, and what they say."""

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import Department
from registry.document_patients import find_patients
from registry.document_visibility import visible_documents, with_places
from registry.identity import PatientNumber
from registry.merges import merge, undo
from registry.models import DocumentEntry, Report, ReportVersion, Study, SubmissionSet
from registry.models.document import APPROVED
from repository.xds.manifests import read_key_object
from repository.xds.publish import publish_due
from tests.registry.factories import make_actor, make_department, make_study
from tests.repository.xds.test_publish import PERSONNUMMER, body_of, tell

pytestmark = pytest.mark.django_db(transaction=True)
LOCAL = "1.2.752.99.1"
RESERVE, NATIONAL = PatientNumber("R-1", LOCAL), PatientNumber("191212121212", PERSONNUMMER)
OPERATOR = Actor(
    kind="system", subject="test", scope=Scope(region_wide=True), permissions=frozenset({"read"})
)


@pytest.fixture
def study():
    row = make_study(
        make_department(),
        instances=2,
        patient_id=RESERVE.value,
        patient_id_normal=RESERVE.value,
        issuer_of_patient_id=RESERVE.issuer,
    )
    row.person.identifiers.create(value=RESERVE.value, issuer=RESERVE.issuer)
    add_report(row, "final", "Sten.")
    tell("study_quiet", row)
    publish_due()
    return row


def add_report(study, status, text):
    report, _ = Report.objects.get_or_create(
        patient=Study.objects.get(pk=study.pk).person, filler_number="R1"
    )
    report.studies.add(study)
    number = report.versions.count() + 1
    return ReportVersion.objects.create(
        report=report, number=number, status=status, text=text, authored_at=timezone.now()
    )


def documents_of(number):
    patient = find_patients([f"{number.value}^^^&{number.issuer}&ISO"]).popitem()[1]
    return {row.maker: row for row in DocumentEntry.objects.filter(patient=patient, status=APPROVED)}


def patient_ids_in(entries):
    numbers = set()
    for maker in ("kos", "mado"):
        content, _ = read_key_object(body_of(entries[maker]))
        numbers |= {number.value for number in content.patient.identifiers}
    return numbers


def test_a_merge_makes_new_manifests_of_the_survivor(study):
    before = documents_of(RESERVE)
    merge(NATIONAL, RESERVE, source="test")
    assert publish_due() == 1
    after = documents_of(NATIONAL)
    assert set(after) == {"kos", "mado", "fhir", "report"}
    assert patient_ids_in(after) == {NATIONAL.value}
    assert after["report"] == before["report"]  # its text says nothing of whom it is
    assert after["kos"].source_patient_id.startswith("191212121212")
    assert not {after[maker].pk for maker in ("kos", "mado", "fhir")} & {row.pk for row in before.values()}


def test_an_undone_merge_gives_back_what_was_published_since(study):
    row = merge(NATIONAL, RESERVE, source="test")
    publish_due()
    add_report(study, "corrected", "Ingen sten.")
    tell("report_version", study)
    publish_due()
    undo(row.pk, by=OPERATOR, reason="two persons")
    assert publish_due() == 1
    entries = documents_of(RESERVE)
    assert set(entries) == {"kos", "mado", "fhir", "report"}
    assert patient_ids_in(entries) == {RESERVE.value}
    assert body_of(entries["report"]).decode() == "Ingen sten."
    assert entries["report"].source_patient_id == f"{RESERVE.value}^^^&{LOCAL}&ISO"
    survivor = PatientNumber(NATIONAL.value, NATIONAL.issuer)
    assert documents_of(survivor) == {}
    assert not SubmissionSet.objects.filter(patient=row.survivor).exists()
    assert not DocumentEntry.objects.filter(patient=row.survivor).exists()


def test_what_the_survivor_had_stays_with_it(study):
    own = make_study(
        make_department(),
        patient_id=NATIONAL.value,
        patient_id_normal=NATIONAL.value,
        issuer_of_patient_id=NATIONAL.issuer,
        study_date="20250102",
    )
    own.person.identifiers.create(value=NATIONAL.value, issuer=NATIONAL.issuer, is_national=True)
    row = merge(NATIONAL, RESERVE, source="test")
    tell("study_quiet", own)
    publish_due()
    undo(row.pk, by=OPERATOR, reason="two persons")
    publish_due()
    assert {entry.study for entry in documents_of(NATIONAL).values()} == {own}
    assert {entry.study for entry in documents_of(RESERVE).values()} == {study}


def test_a_study_in_conflict_is_published_to_its_custodian_alone(study):
    Study.objects.filter(pk=study.pk).update(in_conflict=True)
    tell("study_quiet", study)
    publish_due()
    neighbour = Department.objects.create(unit=study.custodian.unit, hsa_id="SE-N", name="N")
    entries = DocumentEntry.objects.filter(status=APPROVED).order_by("pk")
    assert visible_documents(make_actor(study.custodian), with_places(entries)) == list(entries)
    assert visible_documents(make_actor(neighbour), with_places(entries)) == []
    Study.objects.filter(pk=study.pk).update(in_conflict=False)
    assert visible_documents(make_actor(neighbour), with_places(entries)) == list(entries)
