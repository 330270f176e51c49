"""Clients from the command line: known by a token, a certificate or the tokens of an issuer."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from access.models import ApiClient, ClientCertificate, ClientToken, TokenIssuer
from tests.access.test_authentication_certificates import authenticate_with as authenticate_headers
from tests.access.test_authentication_signed import authenticate_with
from tests.access.tokens import (
    AUDIENCE,
    ISSUER,
    Signer,
    make_certificate,
    make_claims,
    proxy_headers,
    sha256_of,
)

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_without_more_a_token_is_printed_once():
    *_, token = run("create_client", "pacs", "--region-wide").split()
    assert authenticate_with(token).permissions == {"store", "read"}


def test_a_certificate_makes_a_client_known_and_no_token_is_made(tmp_path, settings):
    settings.PROXY_SECRET = "proxy secret"
    pem = make_certificate("pacs")
    (tmp_path / "pacs.pem").write_bytes(pem)
    arguments = ("create_client", "pacs", "--region-wide", "--certificate", str(tmp_path / "pacs.pem"))
    assert sha256_of(pem).hex() in run(*arguments, "--scope", "read")
    assert not ClientToken.objects.exists()
    row = ClientCertificate.objects.get()
    assert (row.subject, row.scopes) == ("CN=pacs", "read")
    assert row.expires_at - row.created_at < timedelta(days=2)
    assert authenticate_headers(proxy_headers(pem)).subject == "pacs"
    with pytest.raises(CommandError, match="registered already"):
        run(*arguments)


@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_what_is_no_certificate_makes_no_client(tmp_path, content):
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=r"x\.pem"):
        run("create_client", "pacs", "--region-wide", "--certificate", str(path))
    assert not ApiClient.objects.exists()


def test_an_issuer_and_its_client(tmp_path):
    signer = Signer()
    (tmp_path / "jwks").write_text(json.dumps({"keys": [signer.public_jwk()]}))
    run("create_issuer", ISSUER, "--audience", AUDIENCE, "--jwks", str(tmp_path / "jwks"))
    client = ("create_client", "pacs", "--region-wide", "--token-issuer", ISSUER)
    with pytest.raises(CommandError, match="--token-subject"):
        run(*client)
    run(*client, "--token-subject", "pacs-lund", "--may-act-for-users")
    row = ApiClient.objects.get()
    assert row.may_act_for_users
    assert authenticate_with(signer.sign(make_claims())).subject == "pacs"
    with pytest.raises(CommandError, match="already"):
        run("create_client", "ris", *client[2:], "--token-subject", "pacs-lund")
    with pytest.raises(CommandError, match="create_issuer"):
        run("create_client", "ris", "--region-wide", "--token-issuer", "https://x", "--token-subject", "a")


def test_an_issuer_is_changed_by_the_same_command(tmp_path):
    for url in ("https://a.example/jwks", "https://b.example/jwks"):
        run("create_issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", url, "--algorithm", "ES256")
    row = TokenIssuer.objects.get()
    assert (row.jwks_url, row.algorithms) == ("https://b.example/jwks", "ES256")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("content", ["", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "a2V5"}]}'])
def test_keys_that_sign_nothing_are_refused(tmp_path, content):
    (tmp_path / "jwks").write_text(content)
    with pytest.raises(CommandError, match="jwks"):
        run("create_issuer", ISSUER, "--audience", AUDIENCE, "--jwks", str(tmp_path / "jwks"))
    with pytest.raises(CommandError):
        run("create_issuer", ISSUER, "--audience", AUDIENCE, "--jwks", "x", "--algorithm", "HS256")
