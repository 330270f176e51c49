"""People come from a real identity provider, through a real server: who is known works, who is not is told so."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from tests.support.identity_provider import IdentityProvider, run_identity_provider
from tests.support.processes import find_free_port
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PEOPLE: dict[str, dict[str, object]] = {
    "maria": {"employeeHsaId": "SE-MARIA", "commissionHsaId": "SE-COM-2"},
    "4711": {},
    "stranger": {"employeeHsaId": "SE-STRANGER"},
    "left": {"employeeHsaId": "SE-LEFT"},
    "twins": {"employeeHsaId": "SE-TWIN"},
    "liar": {"employeeHsaId": ["SE-MARIA"]},
}
MAKE_PEOPLE = """
from access.assignments import Terms, give_role
from access.models import CareProvider, CareUnit, Department, Role, User
provider = CareProvider.objects.create(hsa_id="SE-P", name="Region")
unit = CareUnit.objects.create(hsa_id="SE-U", name="Lund", provider=provider)
role = Role.objects.create(code="physician", name="Läkare", permissions=["read_studies"])
departments = [Department.objects.create(unit=unit, hsa_id=f"SE-D{n}", name=f"Avdelning {n}") for n in (1, 2)]
def hire(name, hsa_id, **values):
    user = User.objects.create(username=name, hsa_id=hsa_id, **values)
    user.set_password("ett långt lösenord")
    user.save()
    for number, department in enumerate(departments, start=1):
        give_role(user, role, department, Terms(commission_hsa_id=f"SE-COM-{number}"))
hire("maria", "SE-MARIA")
hire("nils", "4711")
hire("left", "SE-LEFT", is_active=False)
hire("twin1", "SE-TWIN")
hire("twin2", "SE-TWIN")
hire("nobody", "")
"""
READ = """
import json
from access.models import AuditEvent, User
from allauth.socialaccount.models import SocialAccount
print(json.dumps({
    "users": User.objects.count(),
    "accounts": SocialAccount.objects.count(),
    "rows": list(AuditEvent.objects.filter(door="login").order_by("pk").values_list("action", "actor", "detail")),
}))
"""


@pytest.fixture(scope="module")
def place(start_embedded, tmp_path_factory) -> Iterator[tuple[SamsynServer, IdentityProvider]]:
    port = find_free_port()
    server: SamsynServer = start_embedded(
        SAMSYN_OIDC_ISSUER=f"http://127.0.0.1:{port}",
        SAMSYN_OIDC_CLIENT_ID="samsyn",
        SAMSYN_OIDC_CLIENT_SECRET="secret of the tests",
        SAMSYN_OIDC_STRONG_ACR="urn:loa3",
        SAMSYN_STEP_UP="on",
    )
    server.run_code(MAKE_PEOPLE)
    callback = f"{server.url}/accounts/oidc/idp/login/callback/"
    with run_identity_provider(tmp_path_factory.mktemp("provider"), port, callback, PEOPLE) as provider:
        yield server, provider


def begin(place, path="/search/"):
    """Open a page, and follow the login page's link to the provider's login."""
    browser = requests.Session()
    browser.headers["Accept-Language"] = "en"
    page = browser.get(place[0].url + path)
    link = re.search(r'href="(/accounts/oidc/idp/login/[^"]*)"', page.text)[1].replace("&amp;", "&")
    login = browser.get(place[0].url + link)
    assert login.url.startswith(f"{place[1].issuer}/interaction/"), (login.url, login.text[:400])
    return browser, login


def log_in(place, name, path="/search/"):
    browser, login = begin(place, path)
    return browser, browser.get(f"{login.url}/{name}")


def test_a_known_person_comes_in_under_the_commission_of_the_provider(place):
    browser, page = log_in(place, "maria")
    assert page.status_code == 200
    assert page.url == f"{place[0].url}/search/"
    assert "Avdelning 2" in page.text
    facts = json.loads(place[0].run_code(READ))
    assert facts["rows"][-1] == ["login", "maria", {"methods": ["socialaccount"]}]
    assert (facts["users"], facts["accounts"]) == (6, 0)  # nothing of the provider is kept
    assert browser.get(f"{place[0].url}/dicom-web/studies").status_code != 401


def test_without_an_hsa_id_the_subject_is_the_person(place):
    _, page = log_in(place, "4711")
    assert page.status_code == 200
    assert "/assignment/" in page.url  # the provider named no commission, and there are two


@pytest.mark.parametrize("name", ["stranger", "left", "twins", "liar"])
def test_whoever_is_not_exactly_one_active_account_is_told_so_and_not_made_one(place, name):
    browser, page = log_in(place, name)
    assert page.status_code == 403
    assert "no active account with your HSA-id" in page.text
    assert browser.get(f"{place[0].url}/dicom-web/studies").status_code == 401
    facts = json.loads(place[0].run_code(READ))
    assert facts["users"] == 6
    assert facts["rows"][-1] == ["login_failed", "", {"method": "identity_provider"}]


def test_cancelling_leads_back_to_the_login(place):
    browser, login = begin(place)
    page = browser.get(f"{login.url}/cancel")
    assert "did not succeed" in page.text
    assert browser.get(f"{place[0].url}/dicom-web/studies").status_code == 401


def test_the_request_carries_pkce_and_state(place):
    begin(place)
    asked = [r["url"] for r in place[1].list_requests() if r["url"].startswith("/auth?")][-1]
    query = parse_qs(urlsplit(asked).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["state"][0]
    assert query["response_type"] == ["code"]


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(place):
    browser, login = begin(place)
    victim = requests.Session()
    answer = browser.get(f"{login.url}/maria", allow_redirects=False)
    while "code=" not in answer.headers.get("Location", ""):
        answer = browser.get(urljoin(answer.url, answer.headers["Location"]), allow_redirects=False)
    assert "did not succeed" in victim.get(answer.headers["Location"], headers={"Accept-Language": "en"}).text
    assert victim.get(f"{place[0].url}/dicom-web/studies").status_code == 401
    assert browser.get(answer.headers["Location"]).status_code == 200
    assert browser.get(f"{place[0].url}/dicom-web/studies").status_code != 401


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_nobody_is_led_to_another_site(place, target):
    browser = requests.Session()
    login = browser.get(
        f"{place[0].url}/accounts/oidc/idp/login/", params={"next": target, "process": "login"}
    )
    page = browser.get(f"{login.url}/maria")
    assert page.url.startswith(place[0].url)


def test_there_is_no_other_way_in(place):
    browser = requests.Session()
    page = browser.get(f"{place[0].url}/accounts/login/")
    assert 'name="password"' not in page.text
    token = browser.cookies["csrftoken"]
    form = {"login": "maria", "password": "ett långt lösenord", "csrfmiddlewaretoken": token}
    headers = {"Referer": page.url}
    for path in ("/accounts/login/", "/admin/login/"):
        browser.post(place[0].url + path, form, headers=headers)
        assert browser.get(f"{place[0].url}/dicom-web/studies").status_code == 401
    for path in ("/accounts/2fa/webauthn/login/", "/accounts/password/change/", "/accounts/signup/"):
        assert browser.get(place[0].url + path).status_code == 404


def test_a_session_cannot_be_joined_to_another_identity(place):
    browser, _ = log_in(place, "maria")
    answer = browser.get(f"{place[0].url}/accounts/oidc/idp/login/", params={"process": "connect"})
    if "/interaction/" in answer.url:
        answer = browser.get(f"{answer.url}/stranger")
    assert answer.status_code == 403
    assert json.loads(place[0].run_code(READ))["accounts"] == 0


def test_a_strong_login_at_the_provider_is_a_fresh_second_factor(place):
    place[0].run_code(
        "from access.models import User; User.objects.filter(username='maria').update(is_staff=True)"
    )
    browser, _ = log_in(place, "maria")
    page = browser.get(f"{place[0].url}/admin/")
    assert page.url == f"{place[0].url}/admin/"
    assert page.status_code == 200
