"""Reserve numbers: one however written, checked by their issuer's rule, kept and labelled where they fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.affinity import affinity
from registry.document_patients import read_number
from registry.fhir.identifiers import NUMBER_FAULT
from registry.fhir.resources.patient import make_patient
from registry.identity import (
    PERSONNUMMER_OID,
    Demographics,
    PatientNumber,
    decide_issuer,
    find_number_fault,
    find_or_create_patient,
    find_patient,
)
from registry.models import PatientIdentifier
from registry.swedish_numbers import RESERVE_CHECKS, WRONG_CHECK_DIGIT, WRONG_FORM, find_fault

NATIONAL = "1.2.752.74.9.1"


@pytest.mark.parametrize(
    ("check", "value", "fault"),
    [
        ("reserve", "98240301AA06", ""),  # HL7 Sweden, base profiles R4
        ("reserve", "22790814AA01", ""),  # and the tests of two readers of such numbers
        ("reserve", "22950606FH20", ""),
        ("reserve", "25780404KHD5", ""),
        ("reserve", "00342145BZ31", ""),
        ("reserve", "00749852BZK0", ""),
        ("reserve", "00917250SRC1", ""),
        ("reserve", "00917250SRD1", WRONG_CHECK_DIGIT),
        ("reserve", "22950606HF20", WRONG_CHECK_DIGIT),
        ("reserve", "22950606FH21", WRONG_CHECK_DIGIT),
        ("reserve", "00451245ZZ07", WRONG_FORM),
        ("reserve", "19810829AB12", WRONG_FORM),
        ("reserve", "22811329AB12", WRONG_FORM),
        ("reserve", "22810829IO12", WRONG_FORM),
        ("reserve", "22810829-AB12", WRONG_FORM),
        ("reserve", "228108291234", WRONG_FORM),
        ("reserve_stockholm", "991981000010", ""),
        ("reserve_stockholm", "991945000023", ""),
        ("reserve_stockholm", "991993000033", WRONG_CHECK_DIGIT),
        ("reserve_stockholm", "981993000032", WRONG_FORM),
        ("reserve_gotaland", "19810829M071", ""),
        ("reserve_gotaland", "19450829K088", ""),
        ("reserve_gotaland", "19930829X802", ""),
        ("reserve_gotaland", "19930829X803", WRONG_CHECK_DIGIT),
        ("reserve_gotaland", "19930230M071", WRONG_FORM),
        ("reserve_gotaland", "19810829F071", WRONG_FORM),
        ("reserve_inera", "198108320014", ""),
        ("reserve_inera", "198108320015", WRONG_CHECK_DIGIT),
        ("reserve_inera", "198108310014", WRONG_FORM),
        (r"R[A-Z]{3}\d{6}", "RABC123456", ""),
        (r"R[A-Z]{3}\d{6}", "RABC12345", WRONG_FORM),
        ("none", "anything", ""),
    ],
)
def test_each_register_has_its_rule(check, value, fault):
    """The examples are those of the specifications."""
    assert find_fault(check, value) == fault


@given(st.text(max_size=20), st.sampled_from(sorted(RESERVE_CHECKS)))
def test_whatever_is_sent_has_an_answer(text, check):
    assert find_fault(check, text) in ("", WRONG_FORM, WRONG_CHECK_DIGIT)


@given(st.integers(0, 9), st.sampled_from((*range(8), 10, 11)))
def test_a_miswritten_digit_of_a_national_reserve_number_is_found(digit, place):
    right = "22950606FH20"
    wrong = right[:place] + str(digit) + right[place + 1 :]
    assert (find_fault("reserve", wrong) == "") == (wrong == right)


@given(st.integers(0, 9), st.integers(0, 11))
def test_a_digit_that_is_miswritten_is_found(digit, place):
    right = "198108320014"
    wrong = right[:place] + str(digit) + right[place + 1 :]
    assert (find_fault("reserve_inera", wrong) == "") == (wrong == right or place < 2)


@pytest.mark.parametrize("text", ["22810829AB12", "22810829-AB12", "22810829-ab12", " 22810829 AB12 "])
def test_a_national_reserve_number_is_one_however_it_is_written(text):
    assert decide_issuer(text, NATIONAL, ()) == PatientNumber("22810829AB12", NATIONAL)
    assert read_number(f"{text.strip()}^^^&{NATIONAL}&ISO") == PatientNumber("22810829AB12", NATIONAL)


@pytest.mark.parametrize("text", ["19810829-IO12", "reserv 7"])
def test_what_is_none_is_kept_as_it_came_and_labelled(text):
    assert decide_issuer(text, NATIONAL, ()) == PatientNumber(text, NATIONAL)
    assert find_number_fault(text, NATIONAL) == WRONG_FORM


def test_a_local_rule_comes_from_the_affinity_domain(tmp_path, monkeypatch):
    local = "1.2.752.999.5000.10"
    shipped = affinity_text().replace(
        "oid: 1.2.752.999.5000.10, name: Regionens reservnummer, is_xds: true, check: none",
        "oid: 1.2.752.999.5000.10, name: Regionens reservnummer, is_xds: true, check: reserve_gotaland",
    )
    path = tmp_path / "affinity.yaml"
    path.write_text(shipped)
    monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(path))
    assert next(d.check for d in affinity().patient_domains if d.oid == local) == "reserve_gotaland"
    assert decide_issuer("19810829-m071", local, ()).value == "19810829M071"
    wrong = decide_issuer("19810829-M072", local, ())
    assert (wrong.value, find_number_fault(wrong.value, local)) == ("19810829M072", WRONG_CHECK_DIGIT)


def affinity_text() -> str:
    from registry.affinity import SHIPPED

    return SHIPPED.read_text()


@pytest.mark.django_db
def test_who_reads_a_number_that_fails_is_told(settings):
    wrong = PatientNumber("191212121213", PERSONNUMMER_OID)
    patient = find_or_create_patient(wrong, Demographics("Tolvansson^Tolvan"))
    assert find_patient(wrong) == patient
    good = PatientIdentifier.objects.create(
        patient=patient, value="191212121212", issuer=PERSONNUMMER_OID, is_national=True
    )
    [first, second] = make_patient(patient)["identifier"]
    assert first["value"] == wrong.value
    assert first["extension"] == [{"url": NUMBER_FAULT, "valueString": "no valid number"}]
    assert (second["value"], "extension" in second) == (good.value, False)
