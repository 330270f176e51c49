"""One person is one patient however the number is written; what has no issuer gets one by rule."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.identity import (
    PERSONNUMMER_OID,
    SAMORDNINGSNUMMER_OID,
    Demographics,
    PatientNumber,
    Rule,
    decide_issuer,
    disagreements,
    find_or_create_patient,
    normalise_national,
)
from registry.models import Patient, PatientIdentifier
from registry.swedish_numbers import luhn_digit

TODAY = date(2026, 11, 24)
LOCAL = "1.2.752.999.1"
RESERVE = "1.2.752.999.9"
RULES = (
    Rule("ignore", "WRONG.*", ""),
    Rule("national", "", ""),
    Rule("pattern", r"R[A-Z]{3}\d{6}", RESERVE),
    Rule("local", "", LOCAL),
)


def check_digit(nine: str) -> str:
    return str(luhn_digit([int(digit) for digit in nine]))


@pytest.mark.parametrize(
    "text",
    ["189001019802", "18900101-9802", "900101+9802", " 18900101 9802", "1890 01 01-9802"],
)
def test_every_way_of_writing_a_number_is_one_number(text):
    assert normalise_national(text, today=TODAY) == PatientNumber("189001019802", PERSONNUMMER_OID, True)


def test_ten_digits_take_the_century_of_the_birth_date():
    assert normalise_national("9001019802", "18900101", TODAY).value == "189001019802"
    assert normalise_national("9001019802", "19900101", TODAY).value == "199001019802"
    assert normalise_national("9001019802", "", TODAY).value == "199001019802"
    assert normalise_national("900101-9802", "19550505", TODAY).value == "199001019802"


def test_a_coordination_number_is_national_with_its_own_issuer():
    nine = "900161980"
    number = normalise_national("19" + nine + check_digit(nine), today=TODAY)
    assert number == PatientNumber("19" + nine + check_digit(nine), SAMORDNINGSNUMMER_OID, True)


@pytest.mark.parametrize(
    "text", ["189001019803", "189013019802", "189002309800", "18900101980", "ABC", "", "2100010198021"]
)
def test_what_is_no_valid_number_is_not_national(text):
    assert normalise_national(text, today=TODAY) is None


@given(st.dates(date(1890, 1, 1), date(2026, 11, 24)), st.integers(0, 999))
def test_every_valid_number_survives_its_spellings(day, serial):
    nine = f"{day:%y%m%d}{serial:03d}"
    twelve = f"{day:%Y%m%d}{serial:03d}{check_digit(nine)}"
    sign = "+" if day.year <= 1926 else "-"
    birth = f"{day:%Y%m%d}"
    assert normalise_national(twelve, today=TODAY).value == twelve
    assert normalise_national(f"{twelve[:8]}-{twelve[8:]}", today=TODAY).value == twelve
    assert normalise_national(f"{twelve[2:8]}{sign}{twelve[8:]}", birth, TODAY).value == twelve
    assert normalise_national(twelve[2:], birth, TODAY).value == twelve


def test_the_issuer_is_decided_per_number():
    assert decide_issuer("18900101-9802", "", RULES).issuer == PERSONNUMMER_OID
    assert decide_issuer("RASU001234", "", RULES) == PatientNumber("RASU001234", RESERVE)
    assert decide_issuer("ASU-001000", "", RULES) == PatientNumber("ASU-001000", LOCAL)
    assert decide_issuer("18900101-9802", "1.2.3", RULES) == PatientNumber("18900101-9802", "1.2.3")
    assert decide_issuer("18900101-9802", PERSONNUMMER_OID, ()).value == "189001019802"
    assert decide_issuer("18900101-9802", "WRONG_ISSUER", RULES).issuer == PERSONNUMMER_OID
    assert decide_issuer("", "1.2.3", RULES) == PatientNumber("", "")


def test_names_agree_without_accents_case_and_middle_names_and_differ_otherwise():
    known = Demographics("Åkerström^Åsa^Maria", "18900101", "F")
    assert disagreements(known, Demographics("AKERSTROM^ASA", "18900101", "F")) == ()
    assert disagreements(known, Demographics("", "", "")) == ()
    assert disagreements(known, Demographics("Öberg^Åsa", "18900102", "M")) == (
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
    )


@pytest.mark.django_db
def test_one_number_is_one_patient_and_no_number_is_nobody_known():
    number = PatientNumber("189001019802", PERSONNUMMER_OID, is_national=True)
    first = find_or_create_patient(number, Demographics("Öberg^Åsa"))
    assert find_or_create_patient(number, Demographics("Oberg^Asa")).pk == first.pk
    assert find_or_create_patient(PatientNumber("189001019802", LOCAL), Demographics()).pk != first.pk
    nobody = [find_or_create_patient(PatientNumber("", ""), Demographics("X^Y")) for _ in range(2)]
    assert nobody[0].pk != nobody[1].pk
    assert (Patient.objects.count(), PatientIdentifier.objects.count()) == (4, 2)
