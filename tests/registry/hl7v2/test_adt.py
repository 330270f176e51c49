"""ITI-8: patients made known and updated, merged, linked, parted; visits and what follows from them."""

import pytest
from django.utils import timezone

from access.models import Department
from registry.models import (
    CareRelation,
    Change,
    Encounter,
    Patient,
    PatientIdentifier,
    PatientMerge,
    Study,
)
from tests.registry.factories import make_department, make_study
from tests.support.hl7v2 import LOCAL_OID, PNR, code_of, make_message, make_source, pid, send, take

pytestmark = pytest.mark.django_db

VISIT = "V1^^^&1.2.752.99.9&ISO"


@pytest.fixture
def source(db):
    return make_source()


def person_of(value: str) -> Patient:
    return PatientIdentifier.objects.get(value=value).patient


@pytest.mark.parametrize("event", ["A01", "A04", "A05", "A08", "A28", "A31"])
def test_makes_a_patient_known(source, event) -> None:
    take(make_message(f"ADT^{event}", pid()))
    patient = person_of(PNR)
    assert (patient.patient_name, patient.patient_birth_date, patient.patient_sex) == (
        "Öberg^Åsa",
        "19121212",
        "F",
    )


def test_reads_every_number_and_names_as_dicom_writes_them(source) -> None:
    row = f"PID|1||L7^^^&{LOCAL_OID}&ISO~{PNR}^^^&1.2.752.129.2.1.3.1&ISO||af Öberg&af^Åsa^Lo^III^Dr||19121212|F|||Gatan 1^^Malmö^^21122"
    take(make_message("ADT^A04", row))
    assert person_of("L7") == person_of(PNR)
    assert person_of("L7").patient_name == "af Öberg^Åsa^Lo^Dr^III"
    assert person_of("L7").postal_code == "21122"


def test_updates_what_is_known(source) -> None:
    take(make_message("ADT^A04", pid()))
    take(make_message("ADT^A08", pid(name="Ek^Åsa")))
    assert person_of(PNR).patient_name == "Ek^Åsa"
    assert Patient.objects.count() == 1


def test_merges_and_says_so_in_the_journal(source) -> None:
    study = make_study(source.department)
    PatientIdentifier.objects.create(patient=study.person, value="OLD", issuer=LOCAL_OID)
    take(
        make_message("ADT^A40^ADT_A39", pid("NEW", LOCAL_OID), f"MRG|OLD^^^&{LOCAL_OID}&ISO", control_id="M1")
    )
    assert Study.objects.get(pk=study.pk).person == person_of("NEW")
    row = PatientMerge.objects.get()
    assert (row.message_id, row.source, row.kind) == ("M1", "RIS|NORR", "merge")
    take(make_message("ADT^A40^ADT_A39", pid("NEW", LOCAL_OID), f"MRG|OLD^^^&{LOCAL_OID}&ISO"))
    assert PatientMerge.objects.count() == 1


def test_merges_several_pairs_of_one_message_or_none(source) -> None:
    pairs = [(f"N{i}", f"O{i}") for i in range(3)]
    segments = [part for new, old in pairs for part in (pid(new, LOCAL_OID), f"MRG|{old}^^^&{LOCAL_OID}&ISO")]
    broken = [*segments, pid("N9", LOCAL_OID), f"MRG|N9^^^&{LOCAL_OID}&ISO"]
    answer = send(make_message("ADT^A40", *broken))
    assert code_of(answer) == "AE"
    assert not PatientMerge.objects.exists()
    take(make_message("ADT^A40", *segments))
    assert all(person_of(new) == person_of(old) for new, old in pairs)


def test_refuses_a_merge_without_the_subsumed_number(source) -> None:
    answer = send(make_message("ADT^A40", pid("NEW", LOCAL_OID)))
    assert (code_of(answer), str(answer.segment("ERR")[2])) == ("AE", "MRG^1")
    answer = send(make_message("ADT^A40", pid("NEW", LOCAL_OID), "MRG|"))
    assert (code_of(answer), str(answer.segment("ERR")[2])) == ("AE", "MRG^1^1^1^1")


def test_changes_an_identifier(source) -> None:
    take(make_message("ADT^A04", pid("RESERVE", LOCAL_OID)))
    before = person_of("RESERVE")
    take(make_message("ADT^A47", pid(PNR), f"MRG|RESERVE^^^&{LOCAL_OID}&ISO"))
    assert person_of("RESERVE") == person_of(PNR)
    assert PatientIdentifier.objects.get(value="RESERVE").subsumed_at is not None
    assert before.pk


def test_links_and_parts_again(source) -> None:
    take(make_message("ADT^A04", pid("ONE", LOCAL_OID)))
    take(make_message("ADT^A04", pid("TWO", LOCAL_OID, "Ek^Bo")))
    two = [pid("ONE", LOCAL_OID), pid("TWO", LOCAL_OID, sequence="2")]
    take(make_message("ADT^A24", *two))
    assert person_of("ONE") == person_of("TWO")
    take(make_message("ADT^A37", *two))
    assert person_of("ONE") != person_of("TWO")
    answer = send(make_message("ADT^A37", *two))
    assert code_of(answer) == "AE"


def test_admits_to_a_department_and_lets_its_unit_take_part(source) -> None:
    ward = make_department()
    visit = f"PV1|1|I|{ward.hsa_id}^12^1||||||||||||||||{VISIT}|||||||||||||||||||||||||20250301080000"
    take(make_message("ADT^A01", pid(), visit))
    row = Encounter.objects.get()
    assert (row.number, row.issuer, row.department, row.patient_class) == ("V1", "1.2.752.99.9", ward, "I")
    assert timezone.localtime(row.started_at).strftime("%Y%m%d%H%M") == "202503010800"
    relation = CareRelation.objects.get()
    assert (relation.unit, relation.source) == (ward.unit, "admission")


def test_lets_nobody_take_part_by_a_place_that_nobody_knows(source) -> None:
    take(make_message("ADT^A01", pid(), f"PV1|1|I|NOWHERE^1||||||||||||||||{VISIT}"))
    assert Encounter.objects.get().department is None
    assert not CareRelation.objects.exists()


def test_a_move_within_a_unit_is_told_to_the_feed(source) -> None:
    ward = Department.objects.create(unit=source.department.unit, hsa_id="SE-WARD-2", name="Ward 2")
    visit = "PV1|1|I|%s||||||||||||||||" + VISIT
    take(make_message("ADT^A01", pid(), visit % ""))
    [relation] = CareRelation.objects.all()
    before = Change.objects.filter(kind="relation").count()
    take(make_message("ADT^A08", pid(), visit % ""))
    assert Change.objects.filter(kind="relation").count() == before
    take(make_message("ADT^A02", pid(), visit % ward.hsa_id))
    assert Encounter.objects.get().department == ward
    assert CareRelation.objects.get() == relation
    assert Change.objects.filter(kind="relation").count() == before + 1


def test_ends_takes_back_and_cancels_a_visit(source) -> None:
    visit = f"PV1|1|I|||||||||||||||||{VISIT}"
    take(make_message("ADT^A01", pid(), visit))
    take(make_message("ADT^A03", pid(), visit, at="20250315100000"))
    assert timezone.localtime(Encounter.objects.get().ended_at).strftime("%Y%m%d") == "20250315"
    take(make_message("ADT^A13", pid(), visit))
    assert Encounter.objects.get().ended_at is None
    take(make_message("ADT^A11", pid(), visit))
    assert not Encounter.objects.exists()
    assert not CareRelation.objects.filter(ended_at__isnull=True).exists()


def test_moves_a_visit_to_another_patient(source) -> None:
    take(make_message("ADT^A01", pid("ONE", LOCAL_OID), f"PV1|1|I|||||||||||||||||{VISIT}"))
    answer = send(make_message("ADT^A08", pid("TWO", LOCAL_OID), f"PV1|1|I|||||||||||||||||{VISIT}"))
    assert (code_of(answer), str(answer.segment("ERR")[2])) == ("AE", "PV1^1^19^1^1")
    moved = [pid("TWO", LOCAL_OID), f"MRG|ONE^^^&{LOCAL_OID}&ISO", f"PV1|1|I|||||||||||||||||{VISIT}"]
    take(make_message("ADT^A45", *moved))
    assert Encounter.objects.get().patient == person_of("TWO")
    assert person_of("ONE") != person_of("TWO")


def test_refuses_a_birth_date_that_is_none(source) -> None:
    answer = send(make_message("ADT^A04", pid().replace("19121212|F", "19121399|F")))
    assert (code_of(answer), str(answer.segment("ERR")[2])) == ("AE", "PID^1^7^1^1")
