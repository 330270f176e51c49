"""The database is lost: orders, reports with their versions and visits come back from the journal, whose they were."""

import pytest

from access.actor import Actor, Scope
from access.models import Department
from registry.identity import PatientNumber
from registry.linking import link_changes
from registry.merge_requests import ask_to_merge, make_request
from registry.merges import merge, undo
from registry.models import (
    AwaitedStudy,
    CareRelation,
    DocumentEntry,
    Encounter,
    Hl7Source,
    MergeRequest,
    MovedRow,
    Order,
    Patient,
    PatientMerge,
    Report,
    ReportVersion,
    Study,
)
from repository.delivery.contents.report_uids import document_uid, instance_number, note_uid, series_uid
from repository.journal.columns import plain_values
from repository.journal.duty import verify_journal, write_journal
from repository.rebuild.rebuild import rebuild
from repository.xds.publish import publish_study
from tests.registry.care import make_officer
from tests.registry.queue_of_merges import queue
from tests.repository.test_rebuild import lose_database
from tests.repository.test_rebuild_identity import DOCUMENTS
from tests.support import dicom
from tests.support.hl7v2 import (
    LOCAL_OID,
    PNR,
    PNR_OID,
    make_message,
    make_source,
    pid,
    segment,
    take,
)

__all__ = ["queue"]

pytestmark = pytest.mark.django_db
VISIT_OID = "1.2.752.99.9"
PERSON = PatientNumber(PNR, PNR_OID, is_national=True)
LOCAL = PatientNumber("L1", LOCAL_OID)
OTHER = PatientNumber("L2", LOCAL_OID)
ASKED = PatientNumber("Q1", "1.2.752.99.66")
OPERATOR = Actor("system", "test", Scope(region_wide=True), frozenset())
WORKFLOW = (ReportVersion, AwaitedStudy, Report, Order, Encounter, MergeRequest)


def pv1(number, event_at="20250314100000"):
    return segment("PV1", f2="I", f19=f"{number}^^^&{VISIT_OID}&ISO", f44=event_at)


def order(accession, placer, number=PERSON, *, visit="", at="20250314120000", question="Lungemboli?"):
    sent = pid(number.value, number.issuer)
    rows = (
        segment("ORC", f1="NW", f2=placer, f9=at, f12="D7^Ek^Bo"),
        segment("OBR", f1="1", f2=placer, f4="CT-THX^CT thorax^L", f31=f"^{question}"),
    )
    more = (f"IPC|{accession}|RP1||S1|CT",) if accession else ()
    return make_message("OMI^O23^OMI_O23", sent, *((pv1(visit),) if visit else ()), *rows, *more)


def report(filler, status, text, at, *, accession="", placer="", number=PERSON):
    return make_message(
        "ORU^R01",
        pid(number.value, number.issuer),
        segment(
            "OBR",
            f1="1",
            f2=placer,
            f3=filler,
            f4="CT-THX^CT thorax^L",
            f18=accession,
            f22=at,
            f25=status,
            f32="D9&Ek&Eva",
        ),
        segment("OBX", f1="1", f2="TX", f3="1^Utlåtande", f5=text, f11=status),
    )


def store(vendor, accession, number=PERSON):
    facts = dicom.StudyFacts(accession_number=accession, patient_id=number.value, issuer_oid=number.issuer)
    dataset = dicom.make_ct(facts)
    assert vendor.store(dataset).status_code == 200
    link_changes()
    return facts.study_instance_uid


@pytest.fixture
def source(department):
    return make_source(department, encounter_issuer=VISIT_OID)


@pytest.fixture
def region(vendor, source):
    """Orders and reports of before and after the images, of people who were merged and parted, and visits that moved."""
    take(make_message("ADT^A01", pid(), pv1("V1")))
    take(make_message("ADT^A01", pid(), pv1("V2")))
    take(make_message("ADT^A11", pid(), pv1("V2")))
    take(order("A1", "P1", visit="V1"))
    store(vendor, "A1")
    take(report("F1", "P", "Preliminärt", "20250314130000", accession="A1", placer="P1"))
    take(report("F1", "C", "Rättat", "20250314150000", accession="A1", placer="P1"))
    take(report("F1", "F", "Slutligt", "20250314140000", accession="A1", placer="P1"))
    take(report("F2", "F", "Ingen bild", "20250314140000"))
    write_journal()
    take(order("", "P2", LOCAL))
    take(order("A2", "P2", LOCAL, at="20250315120000"))
    take(report("F3", "F", "Före bilden", "20250315140000", accession="A2", number=LOCAL))
    store(vendor, "A2", LOCAL)
    take(order("A3", "P3", OTHER))
    first = merge(LOCAL, OTHER, source="RIS", message_id="1")
    take(order("A4", "P4", LOCAL))
    take(order("A3", "P3", OTHER, at="20250316120000", question="Ändrad"))
    write_journal()
    undo(first.pk, by=make_officer(), reason="two people")
    link_changes()
    take(order("A5", "P5", OTHER, visit="V3"))
    take(
        make_message(
            "ADT^A45", pid(), segment("MRG", f1=f"L2^^^&{LOCAL_OID}&ISO", f5=f"V3^^^&{VISIT_OID}&ISO")
        )
    )
    take(order("A6", "P6", LOCAL))
    merge(PERSON, LOCAL, source="RIS", message_id="2")
    take(report("F6", "F", "Efter", "20250317140000", accession="A6", placer="P6", number=LOCAL))
    link_changes()


def rows():
    """Every row, by names that any database has."""
    found = {}
    for model in (Encounter, Order, Report, AwaitedStudy, ReportVersion, MergeRequest):
        found[model.__name__] = sorted(repr((plain_values(row), named(row))) for row in model.objects.all())
    columns = ("study_instance_uid", "ordered_at", "preliminary_at", "final_at", "corrected_at")
    found["Study"] = sorted(map(repr, Study.objects.values_list(*columns)))
    return found


def named(row):
    """Name what a row points to."""
    departments = ("department", "ordering_department", "performing_department")
    singles = ("encounter", "order", "report")
    names = [
        *(getattr(getattr(row, name, None), "hsa_id", "") for name in departments),
        *(str(getattr(row, name, None) or "") for name in singles),
        *(sorted(map(str, getattr(row, name).all())) for name in ("studies", "orders") if hasattr(row, name)),
    ]
    if isinstance(row, MergeRequest):
        names.append(repr(row.merge and row.merge.made_at))
    if hasattr(row, "patient"):
        names += sorted(row.patient.identifiers.values_list("value", "issuer"))
    return names


def lose_everything():
    write_journal()
    for model in (MovedRow, *DOCUMENTS, *WORKFLOW, PatientMerge, CareRelation, Hl7Source):
        model.objects.all().delete()
    Patient.objects.update(merged_into=None)
    lose_database()


def test_orders_reports_and_visits_come_back_as_they_were(region):
    before = rows()
    assert [len(before[name]) for name in ("Encounter", "Order", "Report", "ReportVersion")] == [2, 6, 4, 6]
    lose_everything()
    assert not any(model.objects.exists() for model in WORKFLOW)
    found = rebuild()
    assert found.faults == []
    assert found.workflow > 0
    assert rows() == before
    assert rebuild().faults == []
    assert rows() == before
    assert verify_journal() == []


def test_an_older_copy_of_the_database_is_brought_up_to_date(vendor, source):
    take(order("A1", "P1"))
    take(report("F1", "P", "Preliminärt", "20250314130000", accession="A1"))
    write_journal()
    old = Report.objects.get().versions.get()
    take(report("F1", "F", "Slutligt", "20250314140000", accession="A1"))
    take(order("A1", "P1", at="20250316120000", question="Ny fråga"))
    take(order("A2", "P2"))
    write_journal()
    before = rows()
    Order.objects.filter(accession_number="A2").delete()
    ReportVersion.objects.exclude(pk=old.pk).delete()
    Order.objects.update(question="Lungemboli?", changed_at=Order.objects.get().ordered_at)
    assert rows() != before
    rebuild()
    assert rows() == before


def test_documents_made_of_them_are_theirs_again_and_not_made_twice(vendor, source):
    take(order("A1", "P1"))
    take(report("F1", "F", "Slutligt", "20250314140000", accession="A1"))
    uid = store(vendor, "A1")
    publish_study(uid)
    before = made_documents()
    assert [maker for maker, *_ in before] == ["report", "request"]
    lose_everything()
    rebuild()
    assert made_documents() == before
    publish_study(uid)
    assert made_documents() == before
    make_source(Department.objects.get(), encounter_issuer=VISIT_OID)
    take(report("F1", "C", "Rättat", "20250314150000", accession="A1"))
    publish_study(uid)
    assert [maker for maker, *_ in made_documents()] == ["report", "report", "request"]


def test_what_is_sent_of_a_report_has_the_uid_that_its_receivers_know(region):
    before = sent_uids()
    assert len(set(before)) == 6
    keys = set(ReportVersion.objects.values_list("pk", flat=True))
    lose_everything()
    rebuild()
    assert set(ReportVersion.objects.values_list("pk", flat=True)) != keys
    assert sent_uids() == before


def sent_uids():
    """Series, document, note and number of every version."""
    return sorted(
        (series_uid(row.report), document_uid(row), note_uid(row), instance_number(row))
        for row in ReportVersion.objects.select_related("report")
    )


def made_documents():
    """The documents of orders and reports, with what each was made of."""
    return sorted(
        (row.maker, row.unique_id, str(row.order or ""), str(getattr(row.report_version, "number", "")))
        for row in DocumentEntry.objects.exclude(order=None, report_version=None)
    )


def test_merges_that_wait_wait_again_and_those_that_were_decided_do_not(source, queue):
    queue(ASKED.issuer)
    for number in (LOCAL, OTHER):
        ask_to_merge(
            number,
            ASKED if number is LOCAL else PatientNumber("Q2", ASKED.issuer),
            source="RIS",
            actor=OPERATOR,
        )
    write_journal()
    make_request(MergeRequest.objects.order_by("pk")[0].pk, by=OPERATOR, reason="Same card")
    before = rows()["MergeRequest"]
    lose_everything()
    assert rebuild().faults == []
    assert rows()["MergeRequest"] == before
    assert MergeRequest.objects.get(decision="made").merge == PatientMerge.objects.get()
