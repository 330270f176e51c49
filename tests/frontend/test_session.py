"""Nobody sees a page without logging in and having an assignment; language and theme are remembered."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from access.authentication import SESSION_ASSIGNMENT, issue_token
from access.models import ApiClient, Assignment
from tests.frontend import factory

LOGIN = {"login": "maria", "password": factory.PASSWORD}


def test_every_page_sends_a_stranger_to_the_login(world):
    for name in ("start", "search", "assignment", "patient", "study", "stepper"):
        response = Client().get(world.pages[name])
        assert response.status_code == 302, name
        assert response.headers["Location"].startswith("/accounts/login/?next="), name


def test_login_leads_to_the_page_that_was_asked_for(world):
    client = Client()
    response = client.post(
        "/accounts/login/?next=" + world.pages["patient"], {**LOGIN, "next": world.pages["patient"]}
    )
    assert response.headers["Location"] == world.pages["patient"]
    assert client.get(world.pages["patient"]).status_code == 200


def test_wrong_password_is_said_in_words(world):
    page = Client(headers={"accept-language": "en"}).post("/accounts/login/", {**LOGIN, "password": "x"})
    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()


def test_person_with_several_assignments_chooses_and_can_switch(world, portal):
    private = factory.assign(world.person, world.region.private)
    response = portal.get(world.pages["patient"])
    assert response.headers["Location"].startswith("/assignment/?next=")
    page = portal.get("/assignment/").content.decode()
    assert "Ortopedkliniken" in page
    assert "Bildkliniken Fyren" in page
    chosen = portal.post("/assignment/", {"assignment": private.pk, "next": "/search/"})
    assert chosen.headers["Location"] == "/search/"
    assert portal.session[SESSION_ASSIGNMENT] == private.pk
    assert portal.get(world.pages["patient"]).status_code == 404
    own = Assignment.objects.get(user=world.person, department=world.region.lund)
    portal.post("/assignment/", {"assignment": own.pk})
    assert portal.get(world.pages["patient"]).status_code == 200
    assert "Change assignment" in portal.get("/").content.decode()


def test_assignment_of_somebody_else_or_out_of_time_cannot_be_chosen(world, portal):
    other = factory.make_person(world.region.private, "olle")
    ended = factory.assign(world.person, world.region.private, "Vikarie")
    Assignment.objects.filter(pk=ended.pk).update(valid_to=timezone.now() - timedelta(hours=1))
    for pk in (other.assignments.get().pk, ended.pk, "x", ""):
        page = portal.post("/assignment/", {"assignment": pk}).content.decode()
        assert "That assignment is not valid now." in page
    assert SESSION_ASSIGNMENT not in portal.session


def test_person_without_assignment_is_told_who_can_help(world):
    client = Client(headers={"accept-language": "en"})
    client.force_login(factory.make_person(None, "ny"), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/", follow=True).content.decode()
    assert "You have no valid assignment" in page


def test_system_is_refused_by_the_portal(world):
    client_row = ApiClient.objects.create(name="pacs", department=world.region.lund)
    token = issue_token(client_row).text
    response = Client().get("/", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 403


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(world, portal, target):
    own = world.person.assignments.get().pk
    assert portal.post("/assignment/", {"assignment": own, "next": target}).headers["Location"] == "/"
    assert portal.post("/preferences/theme/", {"theme": "dark", "next": target}).headers["Location"] == "/"


def test_theme_is_kept_and_odd_ones_are_not(world, portal):
    assert "data-theme" not in portal.get("/").content.decode().split(">", 3)[1]
    portal.post("/preferences/theme/", {"theme": "dark"})
    assert 'data-theme="dark"' in portal.get("/").content.decode()
    portal.post("/preferences/theme/", {"theme": '"><script>'})
    assert 'data-theme="dark"' in portal.get("/").content.decode()
    portal.post("/preferences/theme/", {"theme": "system"})
    assert '<html lang="en">' in portal.get("/").content.decode()


def test_language_is_kept(world, portal):
    portal.post("/i18n/setlang/", {"language": "sv", "next": "/"})
    assert '<html lang="sv">' in portal.get("/").content.decode()


def test_forms_need_their_token(world):
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    client.force_login(world.person, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/search/", {"q": "Åkesson"})
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()


def test_pages_are_kept_by_no_cache(world, portal):
    for name in ("start", "patient", "study", "stepper"):
        assert "no-store" in portal.get(world.pages[name]).headers["Cache-Control"], name


@pytest.mark.parametrize(
    "address",
    [
        "/patients/99999999999999999999999/",
        "/patients/999999999999999999/",
        "/patients/-1/",
        "/studies/1.2%00/",
        "/studies/..%2f/",
        f"/studies/{'1' * 65}/",
        "/studies/1.2/series/%00/",
        "/studies/1.2/series/1.3/documents/%ff/",
    ],
)
def test_odd_addresses_are_not_found(world, portal, address):
    assert portal.get(address).status_code == 404


def test_fault_pages_say_what_to_do(world, portal, settings):
    assert "There is nothing at this address" in portal.get("/no-such-page/").content.decode()
    broken = Client(raise_request_exception=False, headers={"accept-language": "en"})
    response = broken.get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert "could not be understood" in response.content.decode()
