"""Whatever a stranger writes into a credential is refused in words; nothing else happens."""

import base64
import json

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.authentication import Unauthenticated, authenticate
from access.models import TokenIssuer
from tests.access.tokens import AUDIENCE, ISSUER, Signer, make_claims

pytestmark = pytest.mark.django_db
SIGNER = Signer()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["iss", "aud", "sub", "client_id", "exp", "iat", "nbf", "jti", "scope", "cnf", "commissionHsaId"]
)
calm = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def issuer():
    return TokenIssuer.objects.create(
        name="Region", issuer=ISSUER, audience=AUDIENCE, jwks={"keys": [SIGNER.public_jwk()]}
    )


def refuse(**meta):
    request = RequestFactory().get("/")
    request.META.update(meta)
    request.user = AnonymousUser()
    with pytest.raises(Unauthenticated) as caught:
        authenticate(request)
    assert str(caught.value)


@calm
@given(text=st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_header(issuer, text):
    refuse(HTTP_AUTHORIZATION=text or " ")
    refuse(HTTP_AUTHORIZATION=f"Bearer {text}")


@calm
@given(header=JSON, payload=JSON, signature=st.binary(max_size=40))
def test_any_three_parts(issuer, header, payload, signature):
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    refuse(HTTP_AUTHORIZATION="Bearer " + ".".join(base64.urlsafe_b64encode(p).decode() for p in parts))


@calm
@given(changes=st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_any_claims_that_the_issuer_signs_for_no_client_of_ours(issuer, changes):
    payload = json.dumps(make_claims() | changes).encode()
    token = jwt.api_jws.encode(payload, SIGNER.key, "RS256", headers={"typ": "at+jwt", "kid": "one"})
    refuse(HTTP_AUTHORIZATION=f"Bearer {token}")


@calm
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "x5t#S256", "zip"]), JSON, max_size=4
    )
)
def test_any_header_of_a_token(issuer, header):
    payload = base64.urlsafe_b64encode(json.dumps(make_claims()).encode()).decode()
    named = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "at+jwt"} | header).encode()).decode()
    refuse(HTTP_AUTHORIZATION=f"Bearer {named}.{payload}.AAAA")


@calm
@given(
    escaped=st.text(max_size=200),
    verified=st.sampled_from(["SUCCESS", "NONE", ""]),
    secret=st.text(max_size=20),
)
def test_any_certificate_header(issuer, settings, escaped, verified, secret):
    settings.PROXY_SECRET = "proxy secret"
    for sent in (secret, "proxy secret"):
        refuse(HTTP_X_CLIENT_CERTIFICATE=escaped, HTTP_X_CLIENT_VERIFY=verified, HTTP_X_PROXY_SECRET=sent)
