"""A page of another site makes a browser ask with our cookie: nothing is changed by that."""

import pytest
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory

from access.authentication import issue_token
from access.models import ApiClient
from tests.access.test_authentication import make_person
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db
STUDIES = "/dicom-web/studies"
PASSED, REFUSED = 403, 401  # a person may not store: who gets that far was not taken for a forgery


@pytest.fixture
def browser():
    user, _ = make_person(make_department())
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def post(browser, headers, path=STUDIES):
    return browser.post(path, b"--x--", content_type="multipart/related; boundary=x", headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, REFUSED),
        ({"Origin": "http://testserver"}, PASSED),
        ({"Origin": "https://testserver"}, REFUSED),
        ({"Origin": "http://testserver.evil.example"}, REFUSED),
        ({"Origin": "http://evil.example"}, REFUSED),
        ({"Origin": "null"}, REFUSED),
        ({"Origin": ""}, REFUSED),
        ({"Referer": "http://testserver/"}, REFUSED),
        ({"Sec-Fetch-Site": "same-origin"}, REFUSED),
        ({"X-CSRFToken": "x" * 32}, REFUSED),
    ],
    ids=str,
)
def test_a_session_changes_something_from_our_own_pages_only(browser, headers, status):
    assert post(browser, headers).status_code == status


def test_the_token_of_our_pages_will_do(browser):
    request = RequestFactory().get("/")
    token = get_token(request)
    browser.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    assert post(browser, {"X-CSRFToken": token}).status_code == PASSED
    assert post(browser, {"X-CSRFToken": token, "Origin": "http://evil.example"}).status_code == REFUSED
    browser.cookies["csrftoken"] = "y" * 32
    assert post(browser, {"X-CSRFToken": token}).status_code == REFUSED


def test_configured_viewers_and_origins_may(browser, settings):
    settings.CORS_ORIGINS = frozenset({"https://viewer.example"})
    settings.CSRF_TRUSTED_ORIGINS = ["https://samsyn.example"]
    for origin in ("https://viewer.example", "https://samsyn.example"):
        assert post(browser, {"Origin": origin}).status_code == PASSED


def test_reading_needs_no_origin(browser):
    assert browser.get(STUDIES, headers={"Origin": "http://evil.example"}).status_code == 200


def test_a_token_of_its_own_needs_no_origin():
    client = ApiClient.objects.create(name="viewer", department=make_department())
    headers = {
        "Authorization": f"Bearer {issue_token(client, ('read',)).text}",
        "Origin": "http://evil.example",
    }
    assert post(Client(enforce_csrf_checks=True), headers).status_code == PASSED
