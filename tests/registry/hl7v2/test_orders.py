"""Orders by OMI^O23 and ORM^O01: what is kept of them, in any order of messages, and which studies they are about."""

from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from registry import changes
from registry.linking import link_changes
from registry.models import (
    CareRelation,
    Change,
    Encounter,
    Hl7Source,
    Order,
    Patient,
    PatientIdentifier,
    Report,
)
from tests.registry.factories import make_department, make_study, make_uid
from tests.support.hl7v2 import (
    ACCESSION_OID,
    PLACER_OID,
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


@pytest.fixture
def source(db):
    return make_source()


@pytest.fixture
def person(db) -> Patient:
    patient = Patient.objects.create(patient_name="Öberg^Åsa")
    PatientIdentifier.objects.create(patient=patient, value=PNR, issuer=PNR_OID, is_national=True)
    return patient


def omi(
    control: str = "NW", accession: str = "A1", uid: str = "", at: str = "20250314120000", clinic: str = ""
) -> str:
    return make_message(
        "OMI^O23^OMI_O23",
        pid(),
        segment("ORC", f1=control, f2="P1", f9=at, f12="D7^Ek^Bo", f17=clinic),
        segment("TQ1", f1="1", f7="20250320090000", f9="S"),
        segment(
            "OBR", f1="1", f2="P1", f4="CT-THX^CT thorax^L", f13="Rökare\\.br\\50 år", f31="^Lungemboli?"
        ),
        "NTE|1||Andnöd sedan igår",
        "OBX|1|ST|33914-3^eGFR^LN||61|mL/min",
        f"IPC|{accession}|RP1|{uid}|S1|CT",
    )


def orm(
    control: str = "NW", accession: str = "A1", uid: str = "", at: str = "20250314120000", extra: str = ""
) -> str:
    return make_message(
        "ORM^O01",
        pid(),
        f"ORC|{control}|P1|F1||{extra}||||{at}",
        f"OBR|1|P1|F1|CT-THX^CT thorax^L||||||||||||||{accession}",
        f"ZDS|{uid}^SAMSYN^Application^DICOM",
        version="2.3.1",
    )


def link_study_of(person: Patient, department, **values):
    study = make_study(department, **values)
    study.person = person
    study.save()
    changes.append("store", study.study_instance_uid)
    return study


def test_keeps_what_an_order_says(source) -> None:
    clinic = make_department()
    take(omi(clinic=clinic.hsa_id))
    order = Order.objects.get()
    assert (order.accession_number, order.accession_issuer) == ("A1", ACCESSION_OID)
    assert (order.placer_order_number, order.placer_issuer) == ("P1", PLACER_OID)
    assert (order.procedure_code, order.procedure_text) == ("CT-THX", "CT thorax")
    assert order.question == "Lungemboli?\nAndnöd sedan igår"
    assert order.history == "Rökare\n50 år\neGFR: 61 mL/min"
    assert (order.urgency, order.status, order.requested_procedure_id) == ("urgent", "requested", "RP1")
    assert order.requester == "Ek^Bo"
    assert (order.ordering_department, order.performing_department) == (clinic, source.department)
    assert timezone.localtime(order.scheduled_at).strftime("%Y%m%d%H") == "2025032009"
    assert timezone.localtime(order.ordered_at).strftime("%Y%m%d%H") == "2025031412"


def test_lets_those_who_ask_and_were_asked_take_part_until_it_is_cancelled(source) -> None:
    clinic = make_department()
    now = timezone.localtime().strftime("%Y%m%d%H%M%S")
    take(omi(clinic=clinic.hsa_id, at=now))
    relations = set(CareRelation.objects.values_list("unit", "source"))
    assert relations == {(clinic.unit_id, "order"), (source.department.unit_id, "referral")}
    take(omi("CA", at=now))
    assert Order.objects.get().status == "cancelled"
    assert not CareRelation.objects.filter(ended_at__isnull=True).exists()


@pytest.mark.parametrize("make", [omi, orm])
def test_links_a_study_by_its_uid_before_and_after_the_images(source, person, make) -> None:
    uid = make_uid()
    take(make(uid=uid))
    order = Order.objects.get()
    assert not order.studies.exists()
    study = link_study_of(person, source.department, study_instance_uid=uid)
    link_changes()
    assert list(order.studies.all()) == [study]
    study.refresh_from_db()
    assert study.ordered_at == order.ordered_at
    link_changes()
    told = Change.objects.filter(kind="order_changed", study_instance_uid=uid)
    assert told.count() == 1
    other = link_study_of(person, source.department)
    take(make(control="XO", uid=other.study_instance_uid, at="20250314130000"))
    assert set(order.studies.all()) == {study, other}


def test_links_by_accession_number_within_its_issuer(source, person) -> None:
    other = make_source(sending_application="RIS2", accession_issuer="1.2.752.99.77")
    take(omi())
    order = Order.objects.get()
    ours = link_study_of(person, source.department, accession_number="A1", accession_issuer=ACCESSION_OID)
    silent = link_study_of(person, source.department, accession_number="A1")
    theirs = link_study_of(person, other.department, accession_number="A1", accession_issuer="1.2.752.99.77")
    foreign = link_study_of(person, other.department, accession_number="A1")
    link_changes()
    assert set(order.studies.all()) == {ours, silent}
    assert not theirs.orders.exists()
    assert not foreign.orders.exists()


def test_links_by_the_requests_of_series(source, person) -> None:
    requests = [
        {"00080050": {"vr": "SH", "Value": [number]}, "00401001": {"vr": "SH", "Value": ["X"]}}
        for number in ("A1", "A2")
    ]
    take(omi(accession="A1"))
    study = link_study_of(person, source.department, series_values={"request_attributes_sequence": requests})
    link_changes()
    take(omi(accession="A2"))
    assert study.orders.count() == 2


def test_links_nothing_of_another_person(source, person) -> None:
    uid = make_uid()
    take(omi(uid=uid))
    study = make_study(source.department, study_instance_uid=uid, accession_number="A1")
    changes.append("store", uid)
    link_changes()
    assert not study.orders.exists()
    study.person = person
    study.save()
    changes.append("patient_merged", uid)
    link_changes()
    assert study.orders.count() == 1
    study.person = Patient.objects.create()
    study.save()
    changes.append("patient_merge_undone", uid)
    link_changes()
    assert not study.orders.exists()


def test_leaves_the_same_order_behind_in_any_order_of_messages(source) -> None:
    messages: list[tuple[str, str, dict[str, Any]]] = [
        ("NW", "20250314120000", {}),
        ("XO", "20250314130000", {}),
        ("CA", "20250314140000", {}),
    ]
    found = set()
    for number, order_of in enumerate(permutations(messages)):
        for control, at, _ in order_of:
            take(omi(control, accession=f"B{number}", at=at).replace("|P1|", f"|P{number}|"))
        order = Order.objects.get(accession_number=f"B{number}")
        found.add((order.status, order.question, order.changed_at, order.ordered_at))
    assert len(found) == 1
    assert found.pop()[0] == "cancelled"


def test_fills_from_a_late_message_what_no_later_one_told(source) -> None:
    take(make_message("ORM^O01", pid(), "ORC|SC|P1|A1||IP||||20250314130000"))
    take(omi(accession="A1"))
    order = Order.objects.get()
    assert (order.status, order.question) == ("in_progress", "Lungemboli?\nAndnöd sedan igår")


def test_knows_a_placed_order_again_when_it_gets_its_accession_number(source) -> None:
    take(make_message("ORM^O01", pid(), "ORC|NW|P1", "OBR|1|P1||CT-THX^CT thorax^L"))
    assert Order.objects.get().accession_number == ""
    take(make_message("ORM^O01", pid(), "ORC|NW|P2", "OBR|1|P2||CT-THX^CT thorax^L"))
    take(orm("SC", extra="SC"))
    order = Order.objects.get(placer_order_number="P1")
    assert (order.accession_number, order.status) == ("A1", "scheduled")
    assert Order.objects.count() == 2


def test_reads_the_accession_number_where_the_source_has_it(person) -> None:
    make_source(accession_field="OBR-20")
    row = "OBR|1|P1|F1|CT^CT^L||||||||||||||NOT||THIS"
    take(make_message("ORM^O01", pid(), "ORC|NW|P1|F1", row))
    assert Order.objects.get().accession_number == "THIS"


def test_takes_several_orders_and_several_accession_numbers(source) -> None:
    take(
        make_message(
            "OMI^O23",
            pid(),
            "ORC|NW|P1",
            "OBR|1|P1||X^X^L",
            "IPC|A1||1.2.3",
            "IPC|A2||1.2.4",
            "ORC|NW|P9",
            "OBR|2|P9||Y^Y^L",
            "IPC|A3",
        )
    )
    assert sorted(Order.objects.values_list("accession_number", flat=True)) == ["A1", "A2", "A3"]
    awaited = Order.objects.get(accession_number="A2").awaited.exclude(study_instance_uid="")
    assert [row.study_instance_uid for row in awaited] == ["1.2.4"]


@pytest.mark.parametrize(
    ("segments", "code", "place"),
    [
        ((), "100", "ORC^1"),
        (("OBR|1|P1||X",), "100", "ORC^1"),
        (("ORC||P1",), "101", "ORC^1^1^1^1"),
        (("ORC|ZZ|P1",), "103", "ORC^1^1"),
        (("ORC|NW",), "101", "ORC^1^2^1^1"),
        (("ORC|NW|P1|||||||2025-03-14",), "102", "ORC^1^9^1^1"),
    ],
)
def test_names_what_is_wrong_with_an_order(source, segments, code, place) -> None:
    answer = send(make_message("ORM^O01", pid(), *segments))
    assert code_of(answer) == "AE"
    assert str(answer.segment("ERR")[3]).startswith(code)
    assert str(answer.segment("ERR")[2]) == place
    assert not Order.objects.exists()


def test_refuses_the_order_of_another_patient(source) -> None:
    take(omi())
    answer = send(omi("XO").replace(PNR, "195001011234"))
    assert code_of(answer) == "AE"
    assert Hl7Source.objects.count() == 1


def test_a_moved_visit_takes_its_orders_and_their_reports_along(source, person) -> None:
    """Nothing stays linked across two persons, and what the right one has is linked instead."""
    visit = "PV1|1|I|||||||||||||||||V7^^^&1.2.752.99.9&ISO"
    wrong, right = (
        make_study(source.department, accession_number="A1", accession_issuer=ACCESSION_OID) for _ in range(2)
    )
    other = Patient.objects.create(patient_name="Ek^Bo")
    PatientIdentifier.objects.create(patient=other, value="TWO", issuer="1.2.752.97.1")
    for study, owner in ((wrong, person), (right, other)):
        study.person = owner
        study.save()
    take(make_message("ADT^A01", pid(), visit))
    take(omi())
    order = Order.objects.get()
    order.encounter = Encounter.objects.get()
    order.save()
    report = Report.objects.create(patient=person, filler_number="R1")
    report.orders.add(order)
    report.studies.add(wrong)
    shared = Report.objects.create(patient=person, filler_number="R2")
    shared.orders.add(order, Order.objects.create(patient=person, accession_number="A2"))
    assert list(order.studies.all()) == [wrong]
    take(make_message("ADT^A45", pid("TWO", "1.2.752.97.1"), f"MRG|{PNR}^^^&{PNR_OID}&ISO", visit))
    for row in (order, report, shared):
        row.refresh_from_db()
    assert (order.patient, order.encounter.patient, report.patient) == (other, other, other)
    assert shared.patient == person
    assert list(shared.orders.values_list("accession_number", flat=True)) == ["A2"]
    assert list(order.studies.all()) == list(report.studies.all()) == [right]
    wrong.refresh_from_db()
    assert wrong.person == person
