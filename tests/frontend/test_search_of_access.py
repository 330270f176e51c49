"""Who is found of whom one may only know something, and who is as unknown as nobody."""

import pytest

from access.models import AuditEvent, Department
from tests.frontend import factory
from tests.frontend.access_world import (
    CLINICIAN,
    agree,
    bare,
    block_provider,
    block_unit,
    log_in,
    mark,
    relate,
    search,
)

NUMBER = "191212121212"
NOBODY = "191011111232"
NOT_FOUND = "No patient that you may know of matches."


@pytest.fixture
def tolvan(world):
    return factory.make_patient("Tolvansson^Tolvan", NUMBER, patient_birth_date="19121212", patient_sex="M")


def assert_as_unknown(portal, text: str) -> None:
    """Hold that a patient is answered byte for byte as one who does not exist."""
    there = bare(search(portal, text)).replace(text, "")
    nobody = bare(search(portal, NOBODY)).replace(NOBODY, "")
    assert NOT_FOUND in there
    assert there == nobody


def test_number_finds_who_needs_a_relation_and_says_nothing_of_studies(world, portal, tolvan):
    factory.make_study(tolvan, world.region.ystad, study_description="Hemlig")
    page = search(portal, NUMBER)
    assert "Tolvan Tolvansson" in page
    assert "19121212-1212" in page
    assert "113 years, man" in page
    assert "Hemlig" not in page
    assert "Östermåla" not in page
    assert "study" not in page.split("hits-title")[1].split("</section>")[0]


@pytest.mark.parametrize("count", [1, 10])
def test_hidden_studies_cannot_be_counted_in_the_results(world, portal, tolvan, count):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    pages = []
    for _ in range(count):
        factory.make_study(tolvan, world.region.private, "MR")
        pages.append(bare(search(portal, NUMBER)))
    assert set(pages) == {pages[0]}
    assert "Tolvan Tolvansson" in pages[0]


@pytest.mark.parametrize("closing", ["no agreement", "silent", "absolute", "opted out", "silent outer"])
def test_patient_with_what_must_not_be_told_is_as_unknown_as_nobody(world, portal, tolvan, closing):
    private = world.region.private
    if closing != "no agreement":
        agree(world.region.lund.unit.provider, private.unit.provider)
    if closing in ("silent", "absolute"):
        factory.make_study(tolvan, world.region.ystad)
        block_unit(
            tolvan, world.region.ystad, is_silent=closing == "silent", is_absolute=closing == "absolute"
        )
    else:
        factory.make_study(tolvan, private)
    if closing == "silent outer":
        block_provider(tolvan, private, is_silent=True)
    if closing == "opted out":
        mark(tolvan, "opted_out")
    assert_as_unknown(portal, NUMBER)
    assert portal.get(f"/patients/{tolvan.pk}/").status_code == 404


def test_patient_without_any_study_is_as_unknown_as_nobody(world, portal, tolvan):
    assert_as_unknown(portal, NUMBER)


def test_patient_in_the_units_care_is_found_whatever_is_hidden(world, portal, tolvan):
    relate(tolvan, world.region.lund)
    before = bare(search(portal, NUMBER))
    factory.make_study(tolvan, world.region.ystad)
    block_unit(tolvan, world.region.ystad, is_silent=True)
    assert bare(search(portal, NUMBER)) == before
    assert "Tolvan Tolvansson" in before


def test_name_and_birth_year_find_who_needs_a_relation_the_name_alone_does_not(world, portal, tolvan):
    factory.make_study(tolvan, world.region.ystad)
    assert "Tolvan Tolvansson" in search(portal, "Tolvansson 1912")
    assert NOT_FOUND in search(portal, "Tolvansson")
    assert NOT_FOUND in search(portal, "Tolvansson 1913")


def test_protected_identity_is_never_found_by_name_and_says_no_place(world, portal):
    mark(world.patient, "protected_1")
    assert NOT_FOUND in search(portal, "Åkesson 1951")
    assert NOT_FOUND in search(portal, "Åkesson")
    page = search(portal, "195103051230")
    assert "Märta Åkesson" in page
    assert "Protected identity" in page
    for place in ("Åstads", "Östermåla", "DT thorax", "2 studies"):
        assert place not in page.split("hits-title")[1]
    assert "Märta Åkesson" not in portal.get("/").content.decode()


def test_accession_number_leads_only_to_what_may_be_known(world, portal, tolvan):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    factory.make_study(tolvan, world.region.private, accession_number="PRIV1")
    factory.make_study(tolvan, world.region.ystad, accession_number="OWN1")
    factory.make_study(tolvan, world.region.ystad, study_date="20200101", accession_number="BLOCKED1")
    assert "Tolvan Tolvansson" in search(portal, "OWN1")
    assert NOT_FOUND in search(portal, "PRIV1")
    block_unit(tolvan, world.region.ystad)
    assert NOT_FOUND in search(portal, "BLOCKED1")


def test_own_record_is_told_of_whether_it_exists_or_not(world):
    for number in (NUMBER, NOBODY):
        user = factory.make_person(world.region.lund, f"self{number}", national_number=number)
        client = log_in(world.region.lund, f"other{number}", CLINICIAN)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        assert "Nobody opens their own record at work" in search(client, number)


def test_finding_is_logged_and_opens_the_page_until_the_next_search(world, portal, tolvan):
    factory.make_study(tolvan, world.region.ystad)
    address = f"/patients/{tolvan.pk}/"
    assert portal.get(address).status_code == 404
    search(portal, NUMBER)
    event = AuditEvent.objects.filter(action="search").latest("pk")
    assert event.detail == {"read_as": "national", "text": NUMBER, "patients": [tolvan.pk]}
    assert portal.get(address).status_code == 200
    search(portal, NOBODY)
    assert portal.get(address).status_code == 404


def test_what_was_found_under_another_assignment_does_not_open(world, portal, tolvan):
    factory.make_study(tolvan, world.region.private)
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    search(portal, NUMBER)
    second = factory.assign(world.person, world.region.ystad, "Jour")
    session = portal.session
    session["assignment"] = second.pk
    session.save()
    assert portal.get(f"/patients/{tolvan.pk}/").status_code == 404


def test_number_search_asks_little(world, portal, tolvan, django_assert_max_num_queries):
    for index in range(20):
        factory.make_study(tolvan, world.region.ystad, accession_number=f"N{index}")
    portal.post("/search/", {"q": NUMBER})
    with django_assert_max_num_queries(16):
        portal.get("/search/")


def test_assignment_that_reads_nothing_is_told_so_before_anything_is_looked_up(world):
    client = log_in(world.region.lund, "skriver", ("report",))
    for address in (world.pages["patient"], world.pages["study"], "/patients/999999/", "/studies/1.2.3/"):
        answer = client.get(address)
        assert answer.status_code == 403
        assert "The assignment gives no right to read studies" in answer.content.decode()
    assert "The assignment gives no right to read studies" in client.get("/").content.decode()


def test_start_page_lists_what_the_own_department_ordered(world):
    ward = Department.objects.create(unit=world.region.lund.unit, hsa_id="SE-U1-W", name="Medicinkliniken")
    ordered = factory.make_study(world.patient, world.region.lund, study_description="DT njurar")
    factory.make_order(ordered, ward, "Sten?")
    elsewhere = factory.make_study(world.patient, world.region.ystad, study_description="MR knä")
    factory.make_order(elsewhere, ward, "Menisk?")
    page = log_in(ward, "avdelning", CLINICIAN).get("/").content.decode()
    assert "DT njurar" in page
    assert "DT thorax" not in page
    assert "MR knä" not in page
