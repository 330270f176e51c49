"""Second factors: setting one up, being asked for it, and being asked again before what opens much."""

import re
import time

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.shortcuts import render
from django.test import Client, RequestFactory

from access.models import AuditEvent, User
from access.step_up import is_fresh, require_fresh
from tests.access.test_authentication_people import LOGIN, PASSWORD, log_in, person
from tests.access.totp import make_code

__all__ = ["person"]
pytestmark = pytest.mark.django_db
ACTIVATE, AUTHENTICATE, REAUTHENTICATE = (
    f"/accounts/2fa/{p}/" for p in ("totp/activate", "authenticate", "reauthenticate")
)


@pytest.fixture(autouse=True)
def no_limits():
    cache.clear()


def set_up_totp(client):
    page = client.get(ACTIVATE)
    assert page.status_code == 200, page.headers.get("Location")
    secret = re.search(r'id="authenticator_secret"[^>]*value="([A-Z2-7]+)"', page.content.decode())[1]
    assert client.post(ACTIVATE, {"code": make_code(secret)}).status_code == 302
    return secret


@pytest.fixture
def secret(person):
    client = Client(headers={"accept-language": "en"})
    log_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return set_up_totp(client)


def test_setting_one_up_asks_for_the_password_again(person):
    client = Client()
    log_in(client)
    assert client.get(ACTIVATE).headers["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": "fel"})
    assert client.get(ACTIVATE).status_code == 302
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get(ACTIVATE).status_code == 200


def test_the_secret_lies_encrypted(secret):
    row = Authenticator.objects.get(type="totp")
    assert secret not in str(row.data)
    assert row.wrap().validate_code(make_code(secret, steps_ahead=1))


def test_a_password_alone_is_half_a_login(person, secret):
    client = Client()
    assert log_in(client).headers["Location"] == AUTHENTICATE
    assert client.get("/").status_code == 302
    assert client.get("/dicom-web/studies").status_code == 401
    assert client.post(AUTHENTICATE, {"code": "000000"}).status_code == 200
    assert client.get("/").status_code == 302
    answer = client.post(AUTHENTICATE, {"code": make_code(secret, steps_ahead=1)})
    assert answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    *_, failed, last = AuditEvent.objects.filter(door="login").order_by("pk")
    assert (failed.action, failed.actor, failed.detail) == ("login_failed", "maria", {"method": "mfa"})
    assert (last.action, last.detail) == ("login", {"methods": ["password", "mfa"]})


def test_a_code_is_good_once(person, secret):
    code = make_code(secret, steps_ahead=1)
    for expected in (302, 200):
        client = Client()
        log_in(client)
        assert client.post(AUTHENTICATE, {"code": code}).status_code == expected


def test_codes_cannot_be_tried_through(person, secret):
    client = Client()
    log_in(client)
    for number in range(10):
        client.post(AUTHENTICATE, {"code": f"{number:06d}"})
    assert client.post(AUTHENTICATE, {"code": make_code(secret, steps_ahead=1)}).status_code == 200
    assert client.get("/").status_code == 302


def test_a_recovery_code_is_good_once(person, secret):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert len(codes) == 10
    assert not any(code in str(list(Authenticator.objects.values("data"))) for code in codes)
    for expected in (302, 200):
        client = Client()
        log_in(client)
        assert client.post(AUTHENTICATE, {"code": codes[0]}).status_code == expected


def ask(client, path="/admin/", **headers):
    return client.get(path, headers=headers)


def age(client, seconds):
    session = client.session
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= seconds
    session.save()


def request_of(client, method="get", **headers):
    request = getattr(RequestFactory(), method)("/consents/?a=1", headers=headers)
    request.session = client.session
    request.user = User.objects.get(username="maria")
    return request


@require_fresh
def open_emergency(request):
    return render(request, "400.html")


def test_a_second_factor_stays_fresh_for_five_minutes(person, secret, settings):
    client = Client()
    log_in(client)
    client.post(AUTHENTICATE, {"code": make_code(secret, steps_ahead=1)})
    settings.STEP_UP = True
    assert open_emergency(request_of(client)).status_code == 200
    age(client, 299)
    assert is_fresh(request_of(client))
    age(client, 3)
    answer = open_emergency(request_of(client))
    assert answer.headers["Location"] == f"{REAUTHENTICATE}?next=%2Fconsents%2F%3Fa%3D1"
    cache.clear()
    client.post(REAUTHENTICATE, {"code": make_code(secret, steps_ahead=-1)})
    assert is_fresh(request_of(client))


def test_a_password_is_no_second_factor(person, settings):
    settings.STEP_UP = True
    client = Client()
    log_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert not is_fresh(request_of(client))
    assert open_emergency(request_of(client)).headers["Location"].startswith("/accounts/2fa/?next=")
    settings.STEP_UP = False
    assert is_fresh(request_of(client))


def test_after_a_form_one_comes_back_to_its_page_and_never_elsewhere(person, settings):
    settings.STEP_UP = True
    client = Client()
    log_in(client)
    for referer, expected in (
        ("http://testserver/patients/1/", "%2Fpatients%2F1%2F"),
        ("http://evil.example/", "%2F"),
        ("http://testserver.evil.example/", "%2F"),
        ("http://testserver//evil.example/", "%2Fevil.example%2F"),
    ):
        answer = open_emergency(request_of(client, "post", Referer=referer))
        assert answer.headers["Location"].endswith(f"?next={expected}"), referer
    fragment = open_emergency(request_of(client, "post", **{"HX-Request": "true"}))
    assert fragment.status_code == 204
    assert fragment.headers["HX-Redirect"].startswith("/accounts/2fa/")


def test_a_future_time_in_a_session_is_not_fresh(person, settings):
    settings.STEP_UP = True
    client = Client()
    log_in(client)
    request = request_of(client)
    request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time() + 3600}]
    assert not is_fresh(request)


def test_the_administration_is_for_staff_with_a_second_factor(person, secret, settings):
    settings.ADMIN_NEEDS_SECOND_FACTOR = True
    assert ask(Client()).headers["Location"].startswith("/admin/login/")
    assert ask(Client(), "/admin/login/?next=/admin/").headers["Location"] == f"{LOGIN}?next=/admin/"
    client = Client()
    log_in(client)
    client.post(AUTHENTICATE, {"code": make_code(secret, steps_ahead=1)})
    assert client.get("/admin/", follow=True).status_code == 403
    User.objects.update(is_staff=True, is_superuser=True)
    assert ask(client).status_code == 200
    age(client, 301)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith(REAUTHENTICATE)
    client.post(REAUTHENTICATE, {"code": make_code(secret, steps_ahead=-1)})
    assert client.post("/admin/logout/").headers["Location"] == "/accounts/logout/"


def test_the_administration_has_no_login_of_its_own(person):
    User.objects.update(is_staff=True, is_superuser=True)
    client = Client()
    answer = client.post("/admin/login/", {"username": "maria", "password": PASSWORD, "next": "/admin/"})
    assert answer.headers["Location"] == f"{LOGIN}?next=/admin/login/"
    assert client.get("/").status_code == 302


def test_every_page_of_second_factors_shows_itself_in_our_frame(person, secret):
    client = Client(headers={"accept-language": "en"})
    log_in(client)
    assert b"authenticator code" in client.get(AUTHENTICATE).content
    client.post(AUTHENTICATE, {"code": make_code(secret, steps_ahead=1)})
    for path in (
        "",
        "totp/deactivate/",
        "recovery-codes/",
        "recovery-codes/generate/",
        "webauthn/",
        "reauthenticate/",
    ):
        page = client.get(f"/accounts/2fa/{path}", follow=True)
        assert page.status_code == 200, path
        assert b'class="shell"' in page.content, path
        assert b"<h1" in page.content, path
