"""People: how they get in, how often they may fail, and what ends a session."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from access.epochs import raise_access_epoch
from access.models import Assignment, AuditEvent, User
from tests.access.test_authentication import make_person
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db
LOGIN, PASSWORD = "/accounts/login/", "ett långt lösenord"
SESSION = django_settings.SESSION_COOKIE_NAME


@pytest.fixture
def person():
    user, _ = make_person(make_department(), name="maria")
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client=None, name="maria", password=PASSWORD, address="192.0.2.1", **data):
    client = client or Client(headers={"accept-language": "en"})
    return client.post(LOGIN, {"login": name, "password": password} | data, REMOTE_ADDR=address)


def actions():
    return list(AuditEvent.objects.order_by("pk").values_list("action", "outcome", "actor"))


def test_coming_in_failing_and_leaving_are_in_the_access_log(person):
    client = Client()
    assert log_in(client, password="fel").status_code == 200
    assert log_in(client).status_code == 302
    assert client.post("/accounts/logout/").status_code == 302
    assert actions() == [
        ("login_failed", "refused", "maria"),
        ("login", "success", "maria"),
        ("logout", "success", "maria"),
    ]
    row = AuditEvent.objects.get(action="login")
    assert (row.address, row.door, row.detail) == ("192.0.2.1", "login", {"methods": ["password"]})


def test_what_is_no_account_is_not_written_down(person):
    log_in(name="19121212-1212")
    assert actions() == [("login_failed", "refused", "")]
    assert "1212" not in str(AuditEvent.objects.values().get())


def test_five_failures_lock_a_person_at_an_address_and_nobody_else(person):
    for _ in range(4):
        assert log_in(password="fel").status_code == 200
    assert log_in(password="fel").status_code == 429
    locked = log_in()
    assert locked.status_code == 429
    assert "Too many attempts" in locked.content.decode()
    assert SESSION not in locked.cookies
    other, _ = make_person(make_department(), name="olle")
    other.set_password(PASSWORD)
    other.save()
    assert log_in(name="olle").status_code == 302
    assert log_in(address="192.0.2.2").status_code == 302


def test_nobody_can_lock_out_a_doctor_from_elsewhere(person):
    for number in range(30):
        log_in(password="fel", address=f"203.0.113.{number % 3}")
    assert log_in().status_code == 302


def test_another_spelling_of_the_name_is_no_new_try(person):
    for name in ("maria", "Maria", "MARIA", "mAria", " maria"):
        log_in(name=name, password="fel")
    assert log_in().status_code == 429


def test_a_lock_ends_by_itself(person):
    for _ in range(5):
        log_in(password="fel")
    assert log_in().status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in().status_code == 302


def test_an_address_that_tries_everybody_is_locked_as_a_whole(person, settings):
    settings.LOCKOUT_FAILURES_OF_ADDRESS = 20
    for number in range(20):
        assert log_in(name=f"nobody-{number}", password="fel").status_code == 200
    assert log_in().status_code == 429
    assert log_in(address="192.0.2.2").status_code == 302


def test_behind_a_proxy_the_address_is_the_clients(person, settings):
    settings.TRUSTED_PROXIES = ("10.0.0.1",)

    def through_proxy(address, password):
        return Client().post(
            LOGIN,
            {"login": "maria", "password": password},
            REMOTE_ADDR="10.0.0.1",
            headers={"X-Forwarded-For": f"198.51.100.7, {address}"},
        )

    for _ in range(5):
        through_proxy("203.0.113.1", "fel")
    assert through_proxy("203.0.113.1", PASSWORD).status_code == 429
    assert through_proxy("203.0.113.2", PASSWORD).status_code == 302


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
    ],
)
def test_nobody_is_led_to_another_site_after_login(person, target):
    for answer in (
        log_in(next=target),
        Client().post(f"{LOGIN}?next={target}", {"login": "maria", "password": PASSWORD}),
    ):
        assert answer.headers["Location"] == "/"


def test_a_session_that_somebody_else_chose_is_not_taken_over(person):
    client = Client()
    client.cookies[SESSION] = "chosenbytheattacker0000000000000"
    answer = log_in(client)
    assert answer.cookies[SESSION].value != "chosenbytheattacker0000000000000"
    before = Client()
    before.get(LOGIN)
    before.session["planted"] = "x"
    key = before.session.session_key
    log_in(before)
    assert before.session.session_key != key


def test_logout_ends_the_session_and_not_only_the_cookie(person):
    client = Client()
    log_in(client)
    stolen = client.cookies[SESSION].value
    assert client.get("/").status_code == 200
    client.post("/accounts/logout/")
    thief = Client()
    thief.cookies[SESSION] = stolen
    assert thief.get("/").status_code == 302
    assert thief.get("/dicom-web/studies").status_code == 401


def test_logout_needs_a_form_of_ours(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/accounts/logout/").status_code == 200
    assert client.post("/accounts/logout/").status_code == 403
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("change", ["deactivated", "assignment ended", "deleted", "new password"])
def test_what_an_administrator_changes_holds_from_the_next_request(person, change):
    client = Client()
    log_in(client)
    assert client.get("/dicom-web/studies").status_code == 200
    if change == "deactivated":
        User.objects.update(is_active=False)
    elif change == "assignment ended":
        Assignment.objects.update(valid_to=timezone.now())
        raise_access_epoch()
    elif change == "deleted":
        person.delete()
    else:
        person.set_password("ett annat lösenord")
        person.save()
    assert client.get("/dicom-web/studies").status_code == 401
    assert client.get("/").status_code == 302


def test_an_inactive_person_does_not_get_in(person):
    User.objects.update(is_active=False)
    answer = log_in()
    assert answer.headers.get("Location", "") in ("", "/accounts/inactive/")
    assert ("login", "success", "maria") not in actions()


@pytest.mark.parametrize(
    "path",
    ["/accounts/signup/", "/accounts/password/reset/", "/accounts/email/", "/accounts/confirm-email/x/"],
)
def test_there_is_no_signing_up_and_no_password_by_post(path):
    assert Client().get(path).status_code == 404


def test_a_person_sees_their_sessions_and_ends_the_others(person):
    here, there = Client(headers={"accept-language": "en"}), Client()
    log_in(here)
    log_in(there, address="192.0.2.2")
    page = here.get("/accounts/sessions/").content.decode()
    assert "192.0.2.1" in page
    assert "192.0.2.2" in page
    assert here.post("/accounts/sessions/").status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_a_printed_password_is_no_longer_one_when_it_is_changed(person):
    User.objects.update(password_is_initial=True)
    client = Client()
    log_in(client)
    new = "ett helt annat långt lösenord"
    answer = client.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert answer.status_code == 302
    assert User.objects.get().password_is_initial is False
    assert log_in(password=new).status_code == 302
    assert client.get("/").status_code == 200


def test_an_actor_carries_what_the_log_says_of_a_person(person):
    client = Client()
    log_in(client)
    client.get("/dicom-web/studies")
    row = AuditEvent.objects.filter(action="search").last()
    assert (row.actor, row.role) == ("maria", "Läkare")
    assert row.care_unit_hsa_id == person.assignments.get().department.unit.hsa_id
