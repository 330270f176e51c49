"""Client certificates behind the proxy: believed with its secret only, and never beside somebody else's token."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone

from access.authentication import Unauthenticated, authenticate, issue_token
from access.credentials import client_address
from access.models import ApiClient, ClientCertificate
from tests.access.tokens import make_certificate, proxy_headers, sha256_of
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def proxy(settings):
    settings.PROXY_SECRET = "proxy secret"


@pytest.fixture(scope="module")
def pem():
    return make_certificate("pacs")


@pytest.fixture
def client(pem):
    row = ApiClient.objects.create(name="pacs", department=make_department())
    ClientCertificate.objects.create(client=row, sha256=sha256_of(pem).hex(), scopes="read store")
    return row


def authenticate_with(headers, method="GET"):
    request = RequestFactory().generic(method, "/", headers=headers)
    request.user = AnonymousUser()
    return authenticate(request)


def test_a_registered_certificate_is_its_client(client, pem):
    actor = authenticate_with(proxy_headers(pem))
    assert (actor.kind, actor.subject, actor.permissions) == ("system", "pacs", {"read", "store"})
    assert actor.scope.department_id == client.department_id


@pytest.mark.parametrize("change", ["revoked", "expired", "client inactive", "another", "none registered"])
def test_a_certificate_that_is_not_valid_is_refused(client, pem, change):
    now = timezone.now()
    if change == "revoked":
        ClientCertificate.objects.update(revoked_at=now)
    elif change == "expired":
        ClientCertificate.objects.update(expires_at=now - timedelta(seconds=1))
    elif change == "client inactive":
        ApiClient.objects.update(active=False)
    elif change == "none registered":
        ClientCertificate.objects.all().delete()
    sent = make_certificate("another") if change == "another" else pem
    with pytest.raises(Unauthenticated, match="not registered"):
        authenticate_with(proxy_headers(sent))


def test_only_the_proxy_may_say_which_certificate_was_shown(client, pem, settings):
    good = proxy_headers(pem)
    for bad in ("", "proxy secre", "proxy secret2", "pröxy"):
        with pytest.raises(Unauthenticated, match="proxy only"):
            authenticate_with(good | {"X-Proxy-Secret": bad})
    settings.PROXY_SECRET = ""  # no secret, no proxy: an empty one opens nothing
    for sent in (good, good | {"X-Proxy-Secret": ""}):
        with pytest.raises(Unauthenticated, match="proxy only"):
            authenticate_with(sent)


@pytest.mark.parametrize("verified", ["NONE", "FAILED:self signed certificate", ""])
def test_what_the_proxy_did_not_verify_is_refused(client, pem, verified):
    with pytest.raises(Unauthenticated, match="not verified"):
        authenticate_with(proxy_headers(pem) | {"X-Client-Verify": verified})


@pytest.mark.parametrize("text", [b"no certificate", b"\xc3\xa9", b"A" * 20_000])
def test_what_is_no_certificate_is_refused(client, text):
    with pytest.raises(Unauthenticated):
        authenticate_with(proxy_headers(text))


def test_a_token_is_the_identity_and_the_certificate_must_be_of_the_same_system(client, pem):
    other = ApiClient.objects.create(name="ris", department=make_department())
    own = {"Authorization": f"Bearer {issue_token(client, ('read',)).text}"}
    actor = authenticate_with(proxy_headers(pem) | own)
    assert (actor.subject, actor.permissions) == ("pacs", {"read"})
    with pytest.raises(Unauthenticated, match="different systems"):
        authenticate_with(proxy_headers(pem) | {"Authorization": f"Bearer {issue_token(other).text}"})
    with pytest.raises(Unauthenticated, match="not registered"):
        authenticate_with(proxy_headers(make_certificate("unknown")) | own)


def test_a_browser_that_holds_a_certificate_cannot_be_made_to_store(client, pem):
    assert authenticate_with(proxy_headers(pem), "POST")
    for header in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        with pytest.raises(Unauthenticated, match="another site"):
            authenticate_with(proxy_headers(pem) | header, "POST")


@pytest.mark.parametrize(
    ("peer", "forwarded", "secret", "expected"),
    [
        ("10.0.0.1", "203.0.113.9", "", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "", "203.0.113.9"),
        ("10.0.0.1", "", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "", "10.0.0.1"),
        ("203.0.113.9", "1.2.3.4", "", "203.0.113.9"),
        ("192.0.2.7", "203.0.113.9", "proxy secret", "203.0.113.9"),
        ("192.0.2.7", "203.0.113.9", "wrong", "192.0.2.7"),
    ],
)
def test_the_address_is_what_trusted_proxies_saw(settings, peer, forwarded, secret, expected):
    settings.TRUSTED_PROXIES = ("10.0.0.0/24",)
    request = RequestFactory().get(
        "/", headers={"X-Forwarded-For": forwarded, "X-Proxy-Secret": secret}, REMOTE_ADDR=peer
    )
    assert client_address(request) == expected
