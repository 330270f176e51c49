"""Passkeys in a real browser: made, used for logging in without a password, and shown again before what opens much."""

import re

import pytest
from playwright.sync_api import Page, expect

from access.models import AuditEvent
from registry.models import Study
from tests.frontend import factory
from tests.frontend.browser.conftest import OpenPage, Stage, find_barriers

pytestmark = pytest.mark.browser
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in(page: Page, credentials=()) -> tuple:
    """Give the browser an authenticator, with what another one holds."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    key = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    for credential in credentials:
        session.send("WebAuthn.addCredential", {"authenticatorId": key, "credential": credential})
    return session, key


def confirm_password(page: Page) -> None:
    if "/reauthenticate/" in page.url:
        page.locator("[name=password]").fill(factory.PASSWORD)
        page.locator("main button[type=submit]").first.click()


def make_passkey(page: Page) -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    confirm_password(page)
    page.wait_for_url("**/webauthn/add/**")
    page.locator("[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url(re.compile(r"/accounts/2fa/(recovery-codes|webauthn)/"))


@pytest.fixture
def stage(live_server, transactional_db) -> Stage:
    """Nothing but a clinician: none of these pages shows a study."""
    region = factory.make_region()
    factory.make_person(region.lund)
    return Stage(live_server.url, region, Study())


@pytest.fixture
def passkey(stage: Stage, open_page: OpenPage) -> list[dict[str, object]]:
    page = open_page()
    session, key = plug_in(page)
    make_passkey(page)
    held: list[dict[str, object]] = session.send("WebAuthn.getCredentials", {"authenticatorId": key})[
        "credentials"
    ]
    return held


def test_a_passkey_opens_without_a_password(stage: Stage, open_page: OpenPage, passkey):
    assert len(passkey) == 1
    page = open_page(log_in=False)
    plug_in(page, passkey)
    page.goto("/accounts/login/")
    page.locator("#passkey_login").click()
    expect(page.locator("#q")).to_be_focused()
    row = AuditEvent.objects.filter(action="login").last()
    assert (row.actor, row.detail) == ("maria", {"methods": ["mfa"]})
    assert stage.complaints == []


def test_a_passkey_is_the_second_factor_after_a_password(stage: Stage, open_page: OpenPage, passkey):
    page = open_page(log_in=False)
    plug_in(page, passkey)
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("maria")
    page.locator("[name=password]").fill(factory.PASSWORD)
    page.locator("main button.primary").click()
    page.wait_for_url("**/2fa/authenticate/")
    page.locator("#mfa_webauthn_authenticate").click()
    expect(page.locator("#q")).to_be_focused()
    assert AuditEvent.objects.filter(action="login").last().detail == {"methods": ["password", "mfa"]}


def test_another_authenticator_opens_nothing(stage: Stage, open_page: OpenPage, passkey):
    page = open_page(log_in=False)
    plug_in(page)
    page.goto("/accounts/login/")
    page.locator("#passkey_login").click()
    page.wait_for_timeout(1000)
    page.goto("/search/")
    expect(page.locator("[name=password]")).to_be_visible()
    stage.complaints.clear()  # the browser says itself that it has no such key


@pytest.mark.parametrize("path", ["", "totp/activate/", "webauthn/add/"])
def test_pages_of_second_factors_can_be_used_by_everybody(stage: Stage, open_page: OpenPage, path):
    page = open_page(bypass_csp=True)
    page.goto(f"/accounts/2fa/{path}")
    confirm_password(page)
    page.wait_for_url(f"**/2fa/{path}**")
    assert find_barriers(page) == []


def test_the_list_of_sessions_can_be_used_by_everybody(stage: Stage, open_page: OpenPage):
    page = open_page(bypass_csp=True)
    page.goto("/accounts/sessions/")
    assert find_barriers(page) == []
