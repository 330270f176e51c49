"""What every answer says to browsers, and what production adds: cookies that no sister host can plant, TLS only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

PROJECT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "deploy.settings.production",
    "SAMSYN_SECRET_KEY": "a key of the tests that is long enough to be taken for one by the checks, 0123456789",
    "SAMSYN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "SAMSYN_REDIS_URL": "redis://127.0.0.1:9/0",
    "SAMSYN_ALLOWED_HOSTS": "samsyn.example",
}
ASK = """
from django.test import Client
answer = Client().get("/accounts/inactive/", headers={"host": "samsyn.example", "x-forwarded-proto": "https"})
print(answer.status_code)
for name, value in answer.headers.items():
    print(f"{name}: {value}")
print(answer.cookies)
"""


def run_in_production(*arguments, tmp_path, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SAMSYN_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=environment | PRODUCTION | {"SAMSYN_HOME": str(tmp_path)} | settings,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr, done.returncode


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/", "/no-such-page/", "/healthz", "/admin/"])
def test_every_answer_narrows_what_a_browser_may_do(path):
    headers = Client().get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] in ("SAMEORIGIN", "DENY")
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'self'", "form-action 'self'"):
        assert rule in policy
    assert "unsafe-inline" not in policy
    features = headers["Permissions-Policy"]
    assert "camera=()" in features
    assert "geolocation=()" in features
    assert "publickey-credentials-get=(self)" in features


@pytest.mark.django_db
def test_cookies_are_lax_and_out_of_reach_of_scripts():
    cookie = Client().get("/accounts/login/").cookies["csrftoken"]
    assert cookie["samesite"] == "Lax"


def test_production_keeps_to_tls(tmp_path):
    text, code = run_in_production("shell", "--no-imports", "-v0", "-c", ASK, tmp_path=tmp_path)
    assert code == 0, text
    assert "200\n" in text
    assert "Strict-Transport-Security: max-age=31536000" in text
    cookie = next(line for line in text.splitlines() if "__Host-samsyn-csrf=" in line)
    for word in ("Path=/", "Secure", "SameSite=Lax"):
        assert word in cookie
    assert "Domain" not in cookie


def test_production_passes_the_checks_of_a_deployment(tmp_path):
    text, code = run_in_production("check", "--deploy", "--fail-level", "WARNING", tmp_path=tmp_path)
    assert code == 0, text


def test_an_identity_provider_needs_its_client(tmp_path):
    text, code = run_in_production("check", tmp_path=tmp_path, SAMSYN_OIDC_ISSUER="https://idp.example")
    assert code != 0
    assert "SAMSYN_OIDC_CLIENT_ID" in text
