"""An emergency opening takes two steps, stands on every page in red, and is closed with one button."""

import re

import pytest

from access.models import AuditEvent
from registry.models import EmergencyOpening, Notice
from tests.frontend import factory
from tests.frontend.access_world import (
    CLINICIAN,
    HEAD,
    agree,
    bare,
    block_unit,
    log_in,
    relate,
    search,
)

NUMBER = "191212121212"
NOBODY = "191011111232"
STEP_ONE = {"reason_code": "unconscious", "reason": "Medvetslös efter fall från stege"}


@pytest.fixture
def blocked(world):
    """A patient in the unit's care of whom another unit's data are blocked."""
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    relate(patient, world.region.lund)
    study = factory.make_study(patient, world.region.ystad, study_description="DT skalle")
    block_unit(patient, world.region.ystad)
    return study


@pytest.fixture
def doctor(world):
    return log_in(world.region.lund, "doktor", CLINICIAN)


def take_step_one(client, study):
    return client.post(f"/patients/{study.person_id}/emergency/", STEP_ONE)


def open_all(client, study) -> EmergencyOpening:
    take_step_one(client, study)
    opening = EmergencyOpening.objects.get()
    client.post(f"/emergency/{opening.pk}/", {"hours": 2})
    opening.refresh_from_db()
    return opening


def test_step_one_names_providers_and_opens_nothing(world, doctor, blocked):
    answer = doctor.get(f"/patients/{blocked.person_id}/emergency/")
    page = answer.content.decode()
    assert "step 1 of 2" in page
    assert "Region Mellansjö" not in page
    assert "autofocus" not in page
    answer = take_step_one(doctor, blocked)
    opening = EmergencyOpening.objects.get()
    assert answer.headers["Location"] == f"/emergency/{opening.pk}/"
    page = doctor.get(answer.headers["Location"]).content.decode()
    assert "step 2 of 2" in page
    assert "<li>Region Mellansjö</li>" in page
    assert "DT skalle" not in page
    assert "Östermåla" not in page
    assert re.search(r'value="4"[^>]*checked', page)
    assert doctor.get(f"/studies/{blocked.study_instance_uid}/").status_code == 404
    assert AuditEvent.objects.get(action="emergency_locate").door == "portal"


@pytest.mark.parametrize(
    "values", [{}, {"reason_code": "unconscious", "reason": "kort"}, {"reason_code": "x", "reason": "a" * 20}]
)
def test_step_one_without_a_reason_is_asked_for_again(world, doctor, blocked, values):
    page = doctor.post(f"/patients/{blocked.person_id}/emergency/", values).content.decode()
    assert "This has to be corrected:" in page
    assert not EmergencyOpening.objects.exists()


def test_step_two_opens_with_a_bar_on_every_clinical_page(world, doctor, blocked):
    opening = open_all(doctor, blocked)
    assert (opening.ends_at - opening.opened_at).total_seconds() == 2 * 3600
    series = factory.make_series(blocked)
    base = f"/studies/{blocked.study_instance_uid}/"
    for address in (
        f"/patients/{blocked.person_id}/",
        base,
        f"{base}series/{series.series_instance_uid}/",
        f"/patients/{blocked.person_id}/decisions/",
    ):
        page = doctor.get(address).content.decode()
        assert "Open by emergency access until" in page, address
        assert f'action="/emergency/{opening.pk}/close/"' in page, address
    assert "Opened in an emergency; the opening is reviewed." in doctor.get(base).content.decode()
    event = AuditEvent.objects.filter(action="read", rule="13").latest("pk")
    assert event.detail["basis"] == [f"opening:{opening.pk}"]
    assert Notice.objects.get().subject_row == f"opening:{opening.pk}"
    assert "Open by emergency access" not in doctor.get(f"/patients/{world.patient.pk}/").content.decode()


def test_closing_ends_it_at_once(world, doctor, blocked):
    opening = open_all(doctor, blocked)
    answer = doctor.post(
        f"/emergency/{opening.pk}/close/", {"next": f"/patients/{blocked.person_id}/"}, follow=True
    )
    page = answer.content.decode()
    assert "The emergency opening is closed." in page
    assert "Open by emergency access" not in page
    assert doctor.get(f"/studies/{blocked.study_instance_uid}/").status_code == 404
    again = doctor.post(f"/emergency/{opening.pk}/close/", {"next": "https://evil.example/"})
    assert again.headers["Location"] == f"/patients/{blocked.person_id}/"


def test_closing_what_nothing_else_let_be_seen_leads_to_the_start_page(world, doctor):
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    study = factory.make_study(patient, world.region.ystad)
    block_unit(patient, world.region.ystad, is_silent=True)
    doctor.post("/emergency/", STEP_ONE | {"number": NUMBER})
    opening = EmergencyOpening.objects.get()
    doctor.post(f"/emergency/{opening.pk}/", {"hours": 1})
    assert doctor.get(f"/patients/{patient.pk}/").status_code == 200
    assert doctor.post(f"/emergency/{opening.pk}/close/").headers["Location"] == "/"
    assert doctor.get(f"/studies/{study.study_instance_uid}/").status_code == 404


def test_head_of_unit_closes_an_opening_from_the_review(world, doctor, blocked):
    opening = open_all(doctor, blocked)
    head = log_in(world.region.lund, "chef", HEAD)
    address = f"/review/openings/{opening.pk}/"
    assert f'action="/emergency/{opening.pk}/close/"' in head.get(address).content.decode()
    answer = head.post(f"/emergency/{opening.pk}/close/", {"next": address}, follow=True)
    assert "The emergency opening is closed." in answer.content.decode()
    assert doctor.get(f"/studies/{blocked.study_instance_uid}/").status_code == 404


def test_step_two_is_of_who_took_step_one_and_once(world, doctor, blocked):
    take_step_one(doctor, blocked)
    opening = EmergencyOpening.objects.get()
    other = log_in(world.region.lund, "annan", CLINICIAN)
    assert other.get(f"/emergency/{opening.pk}/").status_code == 404
    assert other.post(f"/emergency/{opening.pk}/", {"hours": 2}).status_code == 404
    assert other.post(f"/emergency/{opening.pk}/close/").status_code == 404
    assert doctor.post(f"/emergency/{opening.pk}/", {"hours": 5}).status_code == 200
    assert doctor.post(f"/emergency/{opening.pk}/", {"hours": 1}).status_code == 302
    assert doctor.post(f"/emergency/{opening.pk}/", {"hours": 8}).status_code == 404


def test_without_the_right_there_is_no_button_and_no_page(world, portal, blocked):
    page = portal.get(f"/patients/{blocked.person_id}/").content.decode()
    assert "Blocked information exists." in page
    assert "emergency" not in page.lower().replace("emergency-bar", "")
    assert portal.get(f"/patients/{blocked.person_id}/emergency/").status_code == 403
    assert take_step_one(portal, blocked).status_code == 403
    assert not EmergencyOpening.objects.exists()


def test_second_factor_is_asked_for_before_step_two(world, doctor, blocked, settings):
    settings.STEP_UP = True
    answer = take_step_one(doctor, blocked)
    address = answer.headers["Location"]
    for answer in (doctor.get(address), doctor.post(address, {"hours": 2})):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/2fa/")
    assert EmergencyOpening.objects.get().opened_at is None


def test_number_that_no_search_finds_is_opened_by_number(world, doctor):
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    study = factory.make_study(patient, world.region.ystad)
    block_unit(patient, world.region.ystad, is_silent=True)
    assert 'href="/emergency/"' in search(doctor, NUMBER)
    answer = doctor.post("/emergency/", STEP_ONE | {"number": "19121212-1212"})
    opening = EmergencyOpening.objects.get()
    assert answer.headers["Location"] == f"/emergency/{opening.pk}/"
    doctor.post(f"/emergency/{opening.pk}/", {"hours": 1})
    assert doctor.get(f"/studies/{study.study_instance_uid}/").status_code == 200


@pytest.mark.parametrize("closing", ["absolute", "no agreement"])
def test_what_no_emergency_opens_is_answered_as_what_does_not_exist(world, doctor, closing):
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    if closing == "absolute":
        factory.make_study(patient, world.region.ystad)
        block_unit(patient, world.region.ystad, is_absolute=True)
    else:
        factory.make_study(patient, world.region.private)
    pages = [
        bare(doctor.post("/emergency/", STEP_ONE | {"number": number}).content.decode())
        for number in (NUMBER, NOBODY)
    ]
    assert pages[0] == pages[1]
    assert "There is nothing more that an emergency opens." in pages[0]
    assert AuditEvent.objects.filter(action="emergency_locate").count() == 2


def test_other_providers_open_too(world, doctor):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    study = factory.make_study(world.patient, world.region.private)
    take_step_one(doctor, study)
    opening = EmergencyOpening.objects.get()
    page = doctor.get(f"/emergency/{opening.pk}/").content.decode()
    assert "Bildkliniken Fyren AB" in page
    doctor.post(f"/emergency/{opening.pk}/", {"hours": 1})
    assert doctor.get(f"/studies/{study.study_instance_uid}/").status_code == 200


def test_head_of_unit_is_told_on_the_start_page_and_reviews(world, doctor, blocked):
    opening = open_all(doctor, blocked)
    doctor.get(f"/studies/{blocked.study_instance_uid}/")
    head = log_in(world.region.lund, "chef", HEAD)
    start = head.get("/").content.decode()
    assert "An emergency opening was made at the unit and waits for review." in start
    assert "Tolvansson" not in start
    page = head.get("/review/").content.decode()
    assert "Emergency openings that wait for review (1)" in page
    assert "The patient is unconscious" in page
    page = head.get(f"/review/openings/{opening.pk}/").content.decode()
    assert "Medvetslös efter fall från stege" in page
    assert "DT skalle" in page
    answer = head.post(f"/review/openings/{opening.pk}/", {"finding": "question", "text": ""})
    assert "Say in at least 10 characters what was found." in answer.content.decode()
    answer = head.post(f"/review/openings/{opening.pk}/", {"finding": "justified"}, follow=True)
    assert "Emergency openings that wait for review (0)" in answer.content.decode()
    notice = Notice.objects.get()
    assert head.post(f"/notices/{notice.pk}/seen/", {"next": "/"}).status_code == 302
    assert "waits for review" not in head.get("/").content.decode()


def test_overdue_openings_are_marked_and_nobody_reviews_their_own(world, blocked):
    head = log_in(world.region.lund, "chef", (*HEAD, "break_glass"))
    opening = open_all(head, blocked)
    EmergencyOpening.objects.update(located_at="2026-01-01T00:00:00Z")
    assert "Overdue" in head.get("/review/").content.decode()
    page = head.post(f"/review/openings/{opening.pk}/", {"finding": "justified"}).content.decode()
    assert "reviewed by somebody else than the person who made it" in page


def test_review_is_of_the_own_unit_only(world, doctor, blocked):
    opening = open_all(doctor, blocked)
    stranger = log_in(world.region.ystad, "annanchef", HEAD)
    assert "(0)" in stranger.get("/review/").content.decode()
    assert stranger.get(f"/review/openings/{opening.pk}/").status_code == 404
    assert doctor.get("/review/").status_code == 403
