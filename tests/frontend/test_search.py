"""Patients are found by what one knows of them, only through studies one may see, and it is logged."""

import pytest

from access.models import AuditEvent
from tests.frontend import factory


def search(portal, text: str) -> str:
    page: bytes = portal.post("/search/", {"q": text}, follow=True).content
    return page.decode()


@pytest.mark.parametrize(
    "text",
    ["195103051230", "19510305-1230", "510305-1230", "märta åkesson", "Åkesson 1951", "ÅKES", "A1", "B2"],
)
def test_patient_is_found(world, portal, text):
    page = search(portal, text)
    assert "Märta Åkesson" in page
    assert "19510305-1230" in page
    assert "2 studies" in page
    assert "Åstads universitetssjukhus, Östermåla lasarett" in page


@pytest.mark.parametrize(
    "text", ["191212121212", "Åkesson 1952", "kesson", "märta ek", "A9", "%kes", "_kesson"]
)
def test_patient_is_not_found_by_what_does_not_fit(world, portal, text):
    page = search(portal, text)
    assert "Märta Åkesson" not in page
    assert "No patient that you may know of matches." in page


@pytest.mark.parametrize("text", ["191212121212", "Tolvansson", "P1"])
def test_patient_of_another_care_provider_is_not_found(world, portal, text):
    hidden = factory.make_patient("Tolvansson^Tolvan", "191212121212")
    factory.make_study(hidden, world.region.private, accession_number="P1")
    assert search(portal, text).count("Tolvan ") == 0
    assert "No patient that you may know of matches." in search(portal, text)


def test_hidden_studies_of_a_visible_patient_leave_no_trace(world, portal):
    before = search(portal, "Åkesson")
    factory.make_study(world.patient, world.region.private, study_date="20261120", accession_number="P1")
    after = search(portal, "Åkesson")
    assert without_tokens(after) == without_tokens(before)


def test_local_number_finds_the_patient(world, portal):
    other = factory.make_patient("Ek^Olle", "LVL-1234567", national=False, patient_birth_date="20000101")
    factory.make_study(other, world.region.ystad)
    page = search(portal, "LVL-1234567")
    assert "Olle Ek" in page
    assert "born 2000-01-01" in page


def test_page_says_what_it_understood(world, portal):
    assert "Read as the name “märta”, born 1951." in search(portal, "Märta 1951")
    assert "Read as personal number 195103051230." in search(portal, "510305-1230")
    assert "the check digit is wrong" in search(portal, "19510305-1231")
    assert "Type at least three characters." in search(portal, "ek")


def test_every_search_is_logged_with_what_it_found(world, portal):
    search(portal, "Märta Åkesson")
    event = AuditEvent.objects.get(action="search", door="portal")
    assert (event.actor, event.department_hsa_id) == ("maria", world.region.lund.hsa_id)
    assert event.detail == {"read_as": "name", "text": "Märta Åkesson", "patients": [world.patient.pk]}


def test_what_was_typed_is_in_no_address(world, portal):
    response = portal.post("/search/", {"q": "19510305-1230"})
    assert response.headers["Location"] == "/search/"


def test_many_hits_are_cut_and_said_to_be(world, portal):
    for index in range(51):
        factory.make_study(factory.make_patient("Ek^Olle", f"L{index}", national=False), world.region.lund)
    page = search(portal, "Olle Ek")
    assert page.count("Olle Ek</a>") == 50
    assert "There are more than 50." in page


def test_start_page_lists_the_newest_of_the_own_department(world, portal):
    page = portal.get("/").content.decode()
    assert "Newest at Ortopedkliniken, Åstads universitetssjukhus" in page
    assert "DT thorax uppföljning" in page
    assert "UL buk" not in page
    event = AuditEvent.objects.get(action="search")
    assert event.detail["patients"] == [world.patient.pk]


def without_tokens(page: str) -> list[str]:
    """Drop the lines that differ between any two answers."""
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]
