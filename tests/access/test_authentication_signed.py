"""Signed tokens: what a good one gives, and every way in which one can be bad."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone

from access.authentication import Unauthenticated, authenticate
from access.models import ApiClient, Assignment, ClientCertificate, RevokedToken, TokenIssuer, User
from tests.access.test_authentication import make_person
from tests.access.tokens import (
    AUDIENCE,
    CLIENT,
    ISSUER,
    Signer,
    encode_unsigned,
    make_certificate,
    make_claims,
    proxy_headers,
    sha256_of,
)
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def signer():
    return Signer()


@pytest.fixture
def issuer(signer):
    return TokenIssuer.objects.create(
        name="Region", issuer=ISSUER, audience=AUDIENCE, jwks={"keys": [signer.public_jwk()]}
    )


@pytest.fixture
def client(issuer):
    return ApiClient.objects.create(
        name="pacs", department=make_department(), token_issuer=issuer, token_subject=CLIENT
    )


@pytest.fixture
def proxy(settings):
    settings.PROXY_SECRET = "proxy secret"


def authenticate_with(token, **headers):
    request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"} | headers)
    request.user = AnonymousUser()
    return authenticate(request)


def test_a_good_token_is_its_client_with_the_scopes_that_exist_here(client, signer):
    actor = authenticate_with(signer.sign(make_claims()))
    assert (actor.kind, actor.subject, actor.subject_id) == ("system", "pacs", client.pk)
    assert actor.permissions == {"read", "store"}
    assert actor.scope.department_id == client.department_id
    assert actor.care_unit_hsa_id == client.department.unit.hsa_id
    assert actor.on_behalf_of is None


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_the_algorithms_of_the_issuer_are_taken(issuer, client, algorithm):
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else rsa.generate_private_key(65537, 2048)
    )
    signer = Signer("two", key, algorithm)
    TokenIssuer.objects.update(jwks={"keys": [signer.public_jwk()]})
    assert authenticate_with(signer.sign(make_claims())).subject == "pacs"
    TokenIssuer.objects.update(algorithms="ES384")
    with pytest.raises(Unauthenticated, match="algorithm"):
        authenticate_with(signer.sign(make_claims()))


TIMES = ("iat", "exp", "nbf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": "https://auth.region.example\0"}, "issuer"),
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"iat": -900, "exp": -400}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": 3600, "exp": 3700}, "iat"),
        ({"exp": 86400}, "lives longer"),
        ({"exp": float("inf")}, "exp|lives"),
        ({"exp": float("nan")}, "exp|lives"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": 3600}, "nbf"),
        ({"sub": None}, "sub"),
        ({"client_id": None}, "client_id"),
        ({"client_id": ["pacs-lund"]}, "client_id"),
        ({"client_id": "somebody", "sub": "somebody"}, "not registered"),
        ({"jti": None}, "jti"),
        ({"scope": ["read"]}, "scope"),
        ({"cnf": {"jkt": "x"}}, "bound to something other"),
        ({"cnf": "x"}, "bound to something other"),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(client, signer, changes, message):
    """Whole numbers of times count from now."""
    now = int(timezone.now().timestamp())
    changes = {k: now + v if k in TIMES and isinstance(v, int) else v for k, v in changes.items()}
    with pytest.raises(Unauthenticated, match=message):
        authenticate_with(signer.sign(make_claims(**changes)))


def test_one_of_several_audiences_may_be_ours(client, signer):
    assert (
        authenticate_with(signer.sign(make_claims(aud=["https://other.example", AUDIENCE]))).subject == "pacs"
    )


@pytest.mark.parametrize("typ", ["JWT", None, "id_token+jwt", 7])
def test_a_token_of_another_type_is_refused(client, signer, typ):
    header = {"alg": "RS256", "typ": typ}
    token = encode_unsigned(header, make_claims()) if typ == 7 else signer.sign(make_claims(), typ=typ)
    with pytest.raises(Unauthenticated, match=r"at\+jwt"):
        authenticate_with(token)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["RS256"]])
def test_no_signature_is_no_token(client, alg):
    with pytest.raises(Unauthenticated, match=r"algorithm"):
        authenticate_with(encode_unsigned({"alg": alg, "typ": "at+jwt", "kid": "one"}, make_claims()))


def test_the_public_key_as_a_secret_signs_nothing(client, signer, issuer):
    pem = signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = encode_unsigned({"alg": "HS256", "typ": "at+jwt", "kid": "one"}, make_claims()).rstrip(".")
    mac = hmac.new(pem, unsigned.encode(), hashlib.sha256).digest()
    token = f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    for algorithms in (issuer.algorithms, "RS256 HS256"):  # even where an administrator wrote it down
        TokenIssuer.objects.update(algorithms=algorithms)
        with pytest.raises(Unauthenticated, match="algorithm"):
            authenticate_with(token)


def test_a_secret_among_the_keys_of_an_issuer_signs_nothing(client, signer):
    secret = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
    keys = [{"kty": "oct", "k": secret, "kid": "one"}]
    TokenIssuer.objects.update(jwks={"keys": keys}, algorithms="HS256 RS256")
    with pytest.raises(Unauthenticated, match="algorithm"):
        authenticate_with(Signer("one", b"k" * 32, "HS256").sign(make_claims()))
    with pytest.raises(Unauthenticated, match="key"):
        authenticate_with(signer.sign(make_claims()))


@pytest.mark.parametrize("kid", ["two", "../../etc/passwd", "' OR 1=1 --", "", "one\0", None, 1])
def test_a_key_is_found_by_its_exact_name_or_not_at_all(issuer, client, signer, kid):
    other = Signer("three")
    TokenIssuer.objects.update(jwks={"keys": [signer.public_jwk(), other.public_jwk()]})
    if kid == 1:
        token = encode_unsigned({"alg": "RS256", "typ": "at+jwt", "kid": 1}, make_claims(), b"x" * 256)
    else:
        token = signer.sign(make_claims(), kid=kid)
    with pytest.raises(Unauthenticated, match="key"):
        authenticate_with(token)


def test_the_only_key_needs_no_name(client, signer):
    assert authenticate_with(signer.sign(make_claims(), kid=None)).subject == "pacs"


def test_a_token_brings_no_key_of_its_own(client):
    attacker = Signer("one")
    with pytest.raises(Unauthenticated, match="own key"):
        authenticate_with(attacker.sign(make_claims(), jwk=attacker.public_jwk()))
    with pytest.raises(Unauthenticated, match="own key"):
        authenticate_with(attacker.sign(make_claims(), jku="https://attacker.example/jwks"))
    with pytest.raises(Unauthenticated, match="signature"):
        authenticate_with(attacker.sign(make_claims()))


def test_a_critical_header_that_is_not_understood_is_refused(client, signer):
    with pytest.raises(Unauthenticated):
        authenticate_with(signer.sign(make_claims(), crit=["exp2"], exp2=1))


@pytest.mark.filterwarnings("ignore")
def test_short_keys_are_not_taken(client):
    weak = Signer("one", rsa.generate_private_key(65537, 1024))
    TokenIssuer.objects.update(jwks={"keys": [weak.public_jwk()]})
    with pytest.raises(Unauthenticated, match="key"):
        authenticate_with(weak.sign(make_claims()))


@pytest.mark.parametrize("text", ["..", "a.b.c", "e30.e30.", "e30.W10.x", "é.é.é", "[" * 4000 + ".."])
def test_what_is_no_token_is_refused(client, text):
    with pytest.raises(Unauthenticated):
        authenticate_with(text)


def test_deep_nesting_and_great_length_are_refused(client):
    deep = base64.urlsafe_b64encode(b"[" * 9000).decode()
    for token in (f"{deep}.{deep[:10]}.x", f"e30.{deep}.x", "a" * 40_000 + ".b.c"):
        with pytest.raises(Unauthenticated):
            authenticate_with(token)


@pytest.mark.parametrize("change", ["revoked", "issuer inactive", "client inactive", "other issuer"])
def test_a_token_that_was_good_ends(issuer, client, signer, change):
    claims = make_claims()
    token = signer.sign(claims)
    assert authenticate_with(token)
    if change == "revoked":
        RevokedToken.objects.create(
            issuer=issuer, jti=claims["jti"], expires_at=timezone.now() + timedelta(minutes=5)
        )
        assert authenticate_with(signer.sign(make_claims())).subject == "pacs"
    elif change == "issuer inactive":
        TokenIssuer.objects.update(active=False)
    elif change == "client inactive":
        ApiClient.objects.update(active=False)
    else:
        other = TokenIssuer.objects.create(name="Other", issuer="https://other.example", audience=AUDIENCE)
        ApiClient.objects.update(token_issuer=other)
    with pytest.raises(Unauthenticated):
        authenticate_with(token)


def test_a_bound_token_needs_its_certificate(client, signer, proxy):
    own, other = make_certificate("pacs"), make_certificate("other")
    x5t = base64.urlsafe_b64encode(sha256_of(own)).rstrip(b"=").decode()
    token = signer.sign(make_claims(cnf={"x5t#S256": x5t}))
    assert authenticate_with(token, **proxy_headers(own)).subject == "pacs"
    for headers in ({}, proxy_headers(other), proxy_headers(own, "guessed"), {"X-Client-Certificate": x5t}):
        with pytest.raises(Unauthenticated):
            authenticate_with(token, **headers)


def test_a_certificate_beside_an_unbound_token_must_be_its_clients(client, signer, proxy):
    own, other = make_certificate("pacs"), make_certificate("other")
    stranger = ApiClient.objects.create(name="ris", department=client.department)
    for row, pem in ((client, own), (stranger, other)):
        ClientCertificate.objects.create(client=row, sha256=sha256_of(pem).hex())
    token = signer.sign(make_claims())
    assert authenticate_with(token, **proxy_headers(own)).subject == "pacs"
    with pytest.raises(Unauthenticated, match="different systems"):
        authenticate_with(token, **proxy_headers(other))
    with pytest.raises(Unauthenticated, match="not registered"):
        authenticate_with(token, **proxy_headers(make_certificate("unknown")))


@pytest.fixture
def doctor(client):
    user, assignment = make_person(client.department)
    User.objects.filter(pk=user.pk).update(hsa_id="SE-DOC", national_number="191212121212")
    Assignment.objects.filter(pk=assignment.pk).update(commission_hsa_id="SE-COM-1")
    return user


@pytest.mark.parametrize(
    "person", [{"sub": "SE-DOC"}, {"sub": "4711", "employeeHsaId": "SE-DOC", "commissionHsaId": "SE-COM-1"}]
)
def test_a_client_that_may_asks_for_a_person_under_their_own_assignment(client, doctor, signer, person):
    ApiClient.objects.update(may_act_for_users=True)
    actor = authenticate_with(signer.sign(make_claims(**person)))
    assert (actor.kind, actor.subject) == ("system", "pacs")
    behind = actor.on_behalf_of
    assert (behind.kind, behind.subject, behind.role) == ("person", "doktor", "Läkare")
    assert behind.assignment_id == doctor.assignments.get().pk
    assert behind.national_number == "191212121212"
    assert behind.care_unit_hsa_id == client.department.unit.hsa_id


@pytest.mark.parametrize(
    "change",
    ["client may not", "unknown person", "inactive", "no assignment", "other commission", "two assignments"],
)
def test_a_person_who_is_not_to_be_found_at_work_is_refused(client, doctor, signer, change):
    ApiClient.objects.update(may_act_for_users=change != "client may not")
    claims = make_claims(sub="SE-DOC")
    if change == "unknown person":
        claims["sub"] = "SE-NOBODY"
    elif change == "inactive":
        User.objects.update(is_active=False)
    elif change == "no assignment":
        Assignment.objects.update(valid_to=timezone.now())
    elif change == "other commission":
        claims["commissionHsaId"] = "SE-COM-2"
    elif change == "two assignments":
        make_person(make_department())
    with pytest.raises(Unauthenticated):
        authenticate_with(signer.sign(claims))
