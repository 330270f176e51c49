"""Systems take the short way, people the long one, to the same view."""

import pytest

from access.authentication import issue_token
from access.models import ApiClient, User
from tests.registry.factories import make_department
from tests.support.people import give_assignment

pytestmark = pytest.mark.django_db


@pytest.fixture
def token():
    client = ApiClient.objects.create(name="pacs", department=make_department())
    return issue_token(client).text


def test_a_system_gets_no_cookie_and_keeps_the_security_headers(client, token):
    client.cookies["sessionid"] = "whatever"
    response = client.get("/dicom-web/studies", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.content) == (200, b"[]")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Content-Length"] == "2"
    assert "sandbox" in response["Content-Security-Policy"]
    assert not response.cookies
    assert "Content-Language" not in response


def test_a_person_still_comes_by_session(client):
    user = User.objects.create_user("doktor", password="korrekt häst")
    give_assignment(user, make_department())
    client.force_login(user)
    response = client.get("/dicom-web/studies")
    assert (response.status_code, response.content) == (200, b"[]")
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_a_wrong_token_is_refused_even_beside_a_session(client, token):
    client.force_login(User.objects.create_user("doktor"))
    response = client.get("/dicom-web/studies", headers={"Authorization": f"Bearer {token}x"})
    assert response.status_code == 401


def test_an_empty_authorization_header_is_none(client):
    response = client.get("/dicom-web/studies", headers={"Authorization": ""})
    assert response.status_code == 401
    assert response["WWW-Authenticate"]


def test_an_unknown_path_and_a_page_take_the_long_way(client, token):
    headers = {"Authorization": f"Bearer {token}"}
    missing = client.get("/dicom-web/nothing-here", headers=headers)
    assert (missing.status_code, missing["Content-Type"]) == (404, "application/json")
    assert "default-src 'self'" in client.get("/accounts/login/", headers=headers)["Content-Security-Policy"]
