"""Names, numbers, dates and ages as people read them."""

from datetime import date

import pytest
from django.utils import translation

from frontend.people import describe_age, describe_sex, format_date, format_name, format_number, format_time
from registry.models import PatientIdentifier

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("dicom", "shown"),
    [
        ("Åkesson^Märta", "Märta Åkesson"),
        ("Åkesson^Märta^Eva^Dr^MD", "Dr Märta Eva Åkesson MD"),
        ("Yamada^Tarou=山田^太郎", "Tarou Yamada"),
        ("Ek", "Ek"),
        ("A^B^C^D^E^F", "D B C A E"),
        ("^^", ""),
    ],
)
def test_name_is_turned_into_reading_order(dicom, shown):
    assert format_name(dicom) == shown


def test_national_number_has_a_hyphen_and_others_none():
    assert format_number(PatientIdentifier(value="195103051230", is_national=True)) == "19510305-1230"
    assert format_number(PatientIdentifier(value="195103051230", is_national=False)) == "195103051230"


@pytest.mark.parametrize(("text", "shown"), [("20261102", "2026-11-02"), ("2026", "2026"), ("", "")])
def test_date_is_iso_or_what_was_sent(text, shown):
    assert format_date(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("101500.25", "10:15"), ("1015", "10:15"), ("10", "10"), ("", "")]
)
def test_time_is_hours_and_minutes_or_what_was_sent(text, shown):
    assert format_time(text) == shown


@pytest.mark.parametrize(
    ("born", "shown"),
    [
        ("19511124", "75 years"),
        ("19511125", "74 years"),
        ("20250501", "18 months"),
        ("20261123", "1 day"),
        ("20261124", "0 days"),
        ("20270101", "age unknown"),
        ("19510231", "age unknown"),
        ("", "age unknown"),
    ],
)
def test_age_counts_whole_years_months_days(born, shown):
    with translation.override("en"):
        assert describe_age(born, TODAY) == shown


def test_sex_in_words():
    with translation.override("sv"):
        assert [describe_sex(code) for code in ("F", "M", "O", "")] == [
            "kvinna",
            "man",
            "annat kön",
            "okänt kön",
        ]
