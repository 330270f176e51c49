"""Deny by default: without a credential every address of the project refuses, but for a short list that is written here."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import get_converters

pytestmark = pytest.mark.django_db

OPEN = {
    "/accounts/login/": "one logs in there",
    "/accounts/logout/": "asks a stranger for nothing and ends nothing",
    "/accounts/inactive/": "says that an account is closed",
    "/accounts/2fa/webauthn/login/": "a passkey's challenge",
    "/accounts/provider/cancelled/": "says that the login was cancelled",
    "/accounts/provider/error/": "says that the login did not succeed",
    "/i18n/setlang/": "the language of the login page",
    "/preferences/theme/": "the colours of the login page",
    "/healthz": "says that the process runs",
    "/readyz": "says that it can serve",
    "/fhir/metadata": "what the server can do; no data",
}
METHODS = ("get", "post", "put", "patch", "delete", "head")
TO_LOGIN = ("/accounts/login/", "/admin/login/")
REFUSED = {401, 403, 404, 405}
SAMPLES = {"int": "1", "uid": "1.2.3", "key": "1", "str": "x", "slug": "x", "path": "x/y", "uuid": "0" * 8}


def list_paths() -> Iterator[str]:
    """Give one path for every route, its variables filled in."""
    for parts in _walk(get_resolver().url_patterns, ()):
        yield "/" + "".join(_fill(part) for part in parts)


def _walk(patterns, parents) -> Iterator[tuple]:
    for pattern in patterns:
        parts = (*parents, pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, parts)
        elif isinstance(pattern, URLPattern):
            yield parts


def _fill(part) -> str:
    text = str(part).removeprefix("^").removesuffix("$").removesuffix("\\Z")
    names = {type(converter): name for name, converter in get_converters().items()}
    for name, converter in part.converters.items():
        kind = names.get(type(converter), "str")
        sample = next(
            (s for s in (SAMPLES.get(kind, "x"), "1", "1.2.3", "x") if re.fullmatch(converter.regex, s)), "1"
        )
        text = re.sub(rf"<(\w+:)?{name}>", sample, text)
    text = re.sub(r"\(\?P<\w+>[^()]*(\([^()]*\)[^()]*)*\)", "x", text)  # groups of regular expressions
    return text.replace("\\", "").replace("?", "").replace("^", "")


PATHS = sorted(set(list_paths()))


def test_the_walk_finds_the_doors_that_are_known_to_be_there():
    for path in ("/", "/dicom-web/studies", "/wado", "/metrics", "/admin/", "/search/", *OPEN):
        assert path in PATHS
    assert len(PATHS) > 60


@pytest.mark.parametrize("path", PATHS)
def test_without_a_credential_nothing_is_given(path):
    client = Client(raise_request_exception=False)
    if path in OPEN:
        assert client.get(path).status_code < 500
        return
    for method in METHODS:
        response = getattr(client, method)(path)
        if response.status_code in (301, 302):
            location = response.headers["Location"]
            assert location.startswith(TO_LOGIN) or location == "/admin/", f"{method} {location}"
        else:
            assert response.status_code in REFUSED, f"{method} {response.status_code}"
            assert "WWW-Authenticate" in response.headers or response.status_code != 401
