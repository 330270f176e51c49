"""Reports by ORU^R01 and MDM: chains of versions, files, the studies and orders they are about, notices."""

import base64

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.actor import Actor, Scope
from access.models import AuditEvent, User
from registry import changes
from registry.linking import link_changes
from registry.models import (
    Change,
    Order,
    Participation,
    Patient,
    PatientIdentifier,
    Report,
    ReportReading,
    ReportVersion,
    Study,
)
from registry.noted import UnknownEntry
from registry.report_readings import acknowledge, list_corrections, note_reading, note_receipt
from repository.document_store import open_document
from tests.registry.factories import make_department, make_study, make_uid
from tests.support.access_situations import rolled_back
from tests.support.hl7v2 import (
    ACCESSION_OID,
    PNR,
    PNR_OID,
    code_of,
    make_message,
    make_source,
    pid,
    segment,
    send,
    take,
)

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture
def source(db):
    return make_source()


@pytest.fixture
def study(source) -> Study:
    patient = Patient.objects.create(patient_name="Öberg^Åsa")
    PatientIdentifier.objects.create(patient=patient, value=PNR, issuer=PNR_OID, is_national=True)
    return _study(source, patient)


def _study(source, patient: Patient) -> Study:
    made = make_study(source.department, accession_number="A1", accession_issuer=ACCESSION_OID)
    made.person, made.state, made.quiet_generation = patient, "complete", 1
    made.save()
    changes.append("store", made.study_instance_uid)
    return made


def oru(
    status: str = "F",
    text: str = "Ingen lungemboli.",
    changed_at: str = "20250314130000",
    *observations: str,
    sent_at: str = "20250314140000",
    filler: str = "R1",
    placer: str = "P1",
) -> str:
    rows = observations or (f"OBX|1|TX|18748-4^Utlåtande^LN||{text}||||||{status}",)
    return make_message(
        "ORU^R01^ORU_R01",
        pid(),
        segment(
            "OBR",
            f1="1",
            f2=placer,
            f3=filler,
            f4="CT-THX^CT thorax^L",
            f18="A1",
            f22=changed_at,
            f25=status,
            f32="D7&Ek&Bo",
        ),
        *rows,
        at=sent_at,
    )


def chain() -> list[tuple[str, str]]:
    return [(row.status, row.text) for row in Report.objects.get().versions.order_by("number")]


def newest() -> ReportVersion:
    return Report.objects.get().versions.order_by("-number")[0]


def test_makes_a_final_report_that_verifies_its_study(source, study) -> None:
    user = User.objects.create(username="bo", hsa_id="D7")
    take(oru("P"))
    take(oru("F", changed_at="20250314150000"))
    report = Report.objects.get()
    assert [row.status for row in report.versions.all()] == ["final", "preliminary"]
    assert newest().author == "Ek^Bo"
    study.refresh_from_db()
    assert study.state == "verified"
    assert timezone.localtime(study.preliminary_at).hour == 13
    assert timezone.localtime(study.final_at).hour == 15
    assert Participation.objects.get(kind="reported").user == user
    told = Change.objects.filter(kind="report_version", study_instance_uid=study.study_instance_uid)
    assert [row.detail["is_newest"] for row in told.order_by("pk")] == [True, True]
    event = AuditEvent.objects.filter(action="report_feed").latest("pk")
    assert event.detail["report_version"] == newest().pk


def test_verifies_nothing_where_the_source_does_not(study, source) -> None:
    source.verifies_by_report = False
    source.save()
    take(oru("F"))
    study.refresh_from_db()
    assert study.state != "verified"


@pytest.mark.parametrize(
    ("code", "status"),
    [("P", "preliminary"), ("F", "final"), ("C", "corrected"), ("X", "cancelled"), ("R", "preliminary")],
)
def test_reads_the_state(source, study, code, status) -> None:
    take(oru(code))
    assert newest().status == status


def test_takes_the_state_of_observations_where_the_order_has_none(source, study) -> None:
    take(oru("C").replace("|C|||||||D7", "||||||||D7"))
    assert newest().status == "corrected"


def test_withdraws_what_is_deleted(source, study) -> None:
    take(oru("F"))
    take(oru("", "Ingen lungemboli.", "20250314160000", "OBX|1|TX|18748-4||x||||||D"))
    assert [status for status, _ in chain()] == ["final", "cancelled"]
    study.refresh_from_db()
    assert study.state == "complete"


def test_adds_nothing_for_a_repeated_message(source, study) -> None:
    take(oru("F"))
    take(oru("F", sent_at="20250314190000"))
    assert len(chain()) == 1
    take(oru("F", changed_at="", sent_at="20250314200000"))
    take(oru("F", changed_at="", sent_at="20250314210000"))
    assert len(chain()) == 2


def test_never_moves_backwards(source, study) -> None:
    take(oru("C", "Rättat.", "20250314160000"))
    take(oru("F", "Första.", "20250314150000"))
    take(oru("P", "Preliminärt.", "20250314170000"))
    assert chain() == [("preliminary", "Preliminärt."), ("final", "Första."), ("corrected", "Rättat.")]


versions = st.lists(
    st.tuples(
        st.sampled_from("PFCX"),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["", "20250314130000", "20250314140000", "20250314150000"]),
        st.sampled_from(["20250314160000", "20250314170000", "20250314180000"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=versions, data=st.data())
def test_ends_in_the_same_state_in_any_order(source, study, sent, data) -> None:
    ends = []
    for order_of in (sent, data.draw(st.permutations(sent))):
        with rolled_back():
            for status, text, changed_at, sent_at in order_of:
                take(oru(status, text, changed_at, sent_at=sent_at))
            study.refresh_from_db()
            ends.append((chain(), study.state, study.final_at, study.corrected_at))
    assert ends[0] == ends[1]


def test_reads_text_with_escapes_lines_and_headings(source, study) -> None:
    take(
        oru(
            "F",
            "",
            "20250314130000",
            "OBX|1|FT|19005-8^Bedömning^LN||Rad 1\\.br\\Rad 2 \\T\\ 3||||||F",
            "OBX|2|TX|19005-8^Bedömning^LN||~Rad 4||||||F",
            "OBX|3|TX|59776-5^Fynd^LN||5 \\F\\ 6||||||F",
            "OBX|4|HD|113014^DICOM Study^DCM||1.2.3.4||||||F",
        )
    )
    assert newest().text == "Bedömning\nRad 1\nRad 2 & 3\n\nRad 4\n\nFynd\n5 | 6"
    awaited = Report.objects.get().awaited.exclude(study_instance_uid="")
    assert [row.study_instance_uid for row in awaited] == ["1.2.3.4"]


def test_links_by_study_uid_before_the_images(source, study) -> None:
    uid = make_uid()
    observation = f"OBX|2|ST|113014^DICOM Study^DCM||{uid}||||||F"
    take(oru("F", "", "20250314130000", "OBX|1|TX|X||Text||||||F", observation))
    late = make_study(source.department, study_instance_uid=uid)
    late.person = study.person
    late.save()
    changes.append("store", uid)
    link_changes()
    late.refresh_from_db()
    assert late.state == "verified"
    assert late.reports.get() == study.reports.get()


def test_is_about_several_orders_that_come_before_or_after(source, study) -> None:
    order = make_message("ORM^O01", pid(), "ORC|NW|P1|A1", "OBR|1|P1|A1|CT")
    take(order)
    second = segment("OBR", f1="2", f2="P2", f3="R2", f4="CT", f18="A2", f25="F")
    take(oru("F").rstrip("\r") + "\r" + second + "\r")
    report = Report.objects.get()
    assert [row.accession_number for row in report.orders.all()] == ["A1"]
    take(make_message("ORM^O01", pid(), "ORC|NW|P2|A2", "OBR|1|P2|A2|CT"))
    assert sorted(row.accession_number for row in report.orders.all()) == ["A1", "A2"]
    assert Order.objects.count() == 2


def test_keeps_a_file_as_a_document(source, study) -> None:
    data = base64.b64encode(PDF).decode()
    observation = f"OBX|1|ED|18748-4^Utlåtande^LN||^application^pdf^Base64^{data}||||||F"
    take(oru("F", "", "20250314130000", observation))
    version = newest()
    row, blocks = open_document(version.document_unique_id)
    assert (b"".join(blocks), row.mime_type) == (PDF, "application/pdf")
    take(oru("F", "", "20250314130000", observation))
    assert len(chain()) == 1


@pytest.mark.parametrize(
    ("observation", "place"),
    [
        ("OBX|1|ED|X||^application^pdf^Base64^%%%||||||F", "OBX^1^5^1^5"),
        ("OBX|1|ED|X||^application^pdf^Base64^aGVq||||||F", "OBX^1^5^1^5"),
        ("OBX|1|ED|X||^application^x-exe^Base64^aGVq||||||F", "OBX^1^5^1^3"),
        ("OBX|1|TX|X||text||||||Q", "OBX^1^11"),
    ],
)
def test_names_what_is_wrong_with_a_report(source, study, observation, place) -> None:
    answer = send(oru("F", "", "20250314130000", observation))
    assert (code_of(answer), str(answer.segment("ERR")[2])) == ("AE", place)
    assert not Report.objects.exists()


def test_refuses_the_report_of_another_patient(source, study) -> None:
    take(oru("F"))
    answer = send(oru("C").replace(PNR, "195001011234"))
    assert code_of(answer) == "AE"


def mdm(event: str, number: str, text: str, at: str, parent: str = "", status: str = "LA") -> str:
    return make_message(
        f"MDM^{event}",
        pid(),
        segment(
            "TXA",
            f1="1",
            f2="DI^Utlåtande",
            f3="TX",
            f7=at,
            f9="D7^Ek^Bo",
            f12=f"{number}^RIS",
            f13=parent,
            f15="A1",
            f17=status,
        ),
        f"OBX|1|TX|18748-4^Utlåtande^LN||{text}||||||F",
    )


def test_follows_documents_with_addenda_and_replacements(source, study) -> None:
    take(mdm("T10", "D3", "Ersatt.", "20250314150000", parent="D1"))
    take(mdm("T02", "D1", "Första.", "20250314130000"))
    take(mdm("T06", "D2", "Tillägg.", "20250314140000", parent="D1"))
    take(mdm("T08", "D3", "Ändrat.", "20250314160000"))
    assert chain() == [
        ("final", "Första."),
        ("addendum", "Tillägg."),
        ("corrected", "Ersatt."),
        ("corrected", "Ändrat."),
    ]
    assert list(Report.objects.get().studies.all()) == [study]


def test_takes_a_dictated_document_as_preliminary(source, study) -> None:
    take(mdm("T02", "D1", "Diktat.", "20250314130000", status="DI"))
    assert newest().status == "preliminary"


@pytest.fixture
def reader(db) -> Actor:
    user = User.objects.create(username="kim")
    department = make_department()
    scope = Scope(department.pk, department.unit_id, department.unit.provider_id)
    return Actor("person", "kim", scope, frozenset({"read_studies"}), subject_id=user.pk)


def test_tells_whoever_read_until_it_is_acknowledged(source, study, reader) -> None:
    take(oru("F"))
    read = newest()
    note_reading(reader, [read])
    note_reading(reader, [read])
    assert not list_corrections(reader)
    take(oru("C", "Lungemboli!", "20250314160000"))
    [notice] = list_corrections(reader)
    assert (notice.version, notice.correction) == (read, newest())
    with pytest.raises(UnknownEntry):
        acknowledge(Actor("person", "other", Scope(), frozenset(), subject_id=0), notice.pk)
    acknowledge(reader, notice.pk, door="portal")
    assert not list_corrections(reader)
    event = AuditEvent.objects.get(action="correction_seen")
    assert event.detail["report_version"] == read.pk
    take(oru("C", "Ändå inte.", "20250314170000"))
    [again] = list_corrections(reader)
    assert (again.version, again.correction) == (read, newest())


def test_tells_a_department_whose_system_received(source, study, reader) -> None:
    take(oru("F"))
    department = make_department()
    note_receipt(newest(), department)
    take(oru("X", "", "20250314160000"))
    assert not list_corrections(reader)
    scope = Scope(department.pk, department.unit_id)
    there = Actor("person", "lo", scope, frozenset(), subject_id=reader.subject_id)
    assert len(list_corrections(there)) == 1


def test_tells_nobody_of_the_way_from_preliminary_to_final(source, study, reader) -> None:
    take(oru("P"))
    note_reading(reader, [newest()])
    take(oru("F", "Annat.", "20250314160000"))
    assert not list_corrections(reader)
    note_reading(reader, [newest()])
    take(oru("C", "Rättat.", "20250314170000"))
    assert len(list_corrections(reader)) == 1
    assert ReportReading.objects.filter(correction__isnull=False).count() == 1


def test_tells_whoever_reads_an_old_version_while_it_is_corrected(source, study, reader) -> None:
    take(oru("F"))
    read = newest()
    take(oru("C", "Rättat.", "20250314170000"))
    note_reading(reader, [read])
    assert len(list_corrections(reader)) == 1
