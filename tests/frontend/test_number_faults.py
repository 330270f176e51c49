"""A number that its issuer's rule is against says so in words wherever it stands; it is the person's all the same."""

import pytest
from django.utils import translation

from frontend.people import describe_fault
from registry.models import PatientIdentifier
from tests.frontend import factory
from tests.frontend.test_search import search

PERSONNUMMER, RESERVE, LOCAL = "1.2.752.129.2.1.3.1", "1.2.752.74.9.1", "1.2.752.1.1"
WORDS = "Invalid number: wrong date or check digit"


@pytest.mark.parametrize(
    ("value", "issuer", "english", "swedish"),
    [
        ("191212121212", PERSONNUMMER, "", ""),
        ("191212121213", PERSONNUMMER, WORDS, "Ogiltigt nummer: fel datum eller kontrollsiffra"),
        ("22950606FH20", RESERVE, "", ""),
        (
            "22950606FH21",
            RESERVE,
            "Invalid number: wrong check digit",
            "Ogiltigt nummer: fel kontrollsiffra",
        ),
        ("reserv 7", RESERVE, "Invalid number: wrong form", "Ogiltigt nummer: fel format"),
        ("anything", LOCAL, "", ""),
    ],
)
def test_a_fault_is_said_in_words(value, issuer, english, swedish):
    identifier = PatientIdentifier(value=value, issuer=issuer)
    with translation.override("en"):
        assert describe_fault(identifier) == english
    with translation.override("sv"):
        assert describe_fault(identifier) == swedish


@pytest.fixture
def invalid(world):
    """The patient of the region, whose number has been wrong since somebody wrote it down."""
    PatientIdentifier.objects.filter(patient=world.patient).update(value="195103051231")


def test_it_stands_beside_the_number_on_the_pages(world, portal, invalid):
    label = f'19510305-1231</span> <span class="state warn">{WORDS}</span>'
    assert label in portal.get(f"/patients/{world.patient.pk}/").content.decode()
    assert label in portal.get("/").content.decode()
    assert label in search(portal, "Åkesson")


def test_a_number_that_is_right_has_no_label(world, portal):
    PatientIdentifier.objects.filter(patient=world.patient).update(value="191212121212")
    other = factory.make_patient("Ek^Bo", "L7", national=False)
    factory.make_study(other, world.region.ystad)
    for page in (portal.get("/").content.decode(), search(portal, "Åkesson"), search(portal, "Ek")):
        assert "Invalid number" not in page
