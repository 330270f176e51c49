"""A real nginx with the shipped configuration: nobody can claim a certificate, neither past it nor through it."""

import base64
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import requests

from registry.ihe.ebrim_names import QUERY, RIM
from tests.access.tokens import AUDIENCE, ISSUER, Signer, make_claims, sha256_of
from tests.repository.xds.test_retrieve_documents import request_for
from tests.support.certificates import Certificates, make_certificates
from tests.support.nginx import Nginx, run_nginx
from tests.support.samsyn import SamsynServer
from tests.support.soap import make_envelope, make_package

pytestmark = pytest.mark.server
SECRET = "known to the proxy alone"
QUESTION = make_envelope(
    "urn:ihe:iti:2007:RegistryStoredQuery",
    f'<x:AdhocQueryRequest xmlns:x="{QUERY}" xmlns:r="{RIM}"><x:ResponseOption returnType="LeafClass"/>'
    '<r:AdhocQuery id="urn:uuid:00000000-0000-4000-8000-000000000000"/></x:AdhocQueryRequest>',
)
ADD_ISSUER = """
from access.models import ApiClient, TokenIssuer
issuer = TokenIssuer.objects.create(name="Region", issuer={issuer!r}, audience={audience!r}, jwks={jwks!r})
ApiClient.objects.filter(name="pacs").update(token_issuer=issuer, token_subject="pacs-lund")
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A server, nginx before it, and the certificates."""

    server: SamsynServer
    nginx: Nginx
    own: Certificates
    foreign: Certificates
    token: str

    def get(self, *, pair=None, url="", path="/dicom-web/studies", **headers) -> requests.Response:
        """Ask through nginx, or at `url`, with a client certificate if one is given."""
        return requests.get(
            (url or self.nginx.url) + path,
            headers=headers,
            cert=pair,
            verify=str(self.own.ca),
            allow_redirects=False,
        )

    @property
    def known(self) -> tuple[str, str]:
        """The registered certificate and its key."""
        return str(self.own.client_certificate), str(self.own.client_key)

    @property
    def unknown(self) -> tuple[str, str]:
        """Another certificate of the same authority."""
        return str(self.own.certificate), str(self.own.key)

    def forge(self, secret="") -> dict[str, str]:
        """Headers that claim the registered certificate."""
        pem = self.own.client_certificate.read_text()
        claimed = {"X-Client-Certificate": quote(pem), "X-Client-Verify": "SUCCESS"}
        return claimed | ({"X-Proxy-Secret": secret} if secret else {})


@pytest.fixture(scope="module")
def place(start_embedded, tmp_path_factory) -> Iterator[Place]:
    server: SamsynServer = start_embedded(SAMSYN_PROXY_SECRET=SECRET)
    folders = [tmp_path_factory.mktemp(name) for name in ("own", "foreign", "nginx")]
    own, foreign = make_certificates(folders[0]), make_certificates(folders[1])
    server.run_command(
        "create_client",
        "pacs",
        "--region-wide",
        "--scope",
        "read",
        "--certificate",
        str(own.client_certificate),
    )
    token = server.issue_token("ris")
    with run_nginx(folders[2], server.port, own, SECRET) as nginx:
        yield Place(server, nginx, own, foreign, token)


def test_a_registered_certificate_opens_and_no_other(place):
    assert place.get(pair=place.known).status_code == 200
    assert place.get().status_code == 401
    refused = place.get(pair=place.unknown)
    assert refused.status_code == 401
    assert "not registered" in refused.json()["error"]


def test_a_certificate_of_another_authority_is_refused_by_nginx(place):
    pair = (str(place.foreign.client_certificate), str(place.foreign.client_key))
    answer = place.get(pair=pair)
    assert answer.status_code == 400
    assert "certificate" in answer.text


@pytest.mark.parametrize("secret", ["", "guessed", SECRET])
def test_headers_from_outside_do_not_pass_nginx(place, secret):
    assert place.get(**place.forge(secret)).status_code == 401
    assert place.get(pair=place.unknown, **place.forge(secret)).status_code == 401


def test_other_spellings_of_the_headers_do_not_pass_either(place):
    context = ssl.create_default_context(cafile=str(place.own.ca))
    for names in (str.upper, str.lower, lambda name: name.replace("-", "_")):
        connection = http.client.HTTPSConnection("localhost", place.nginx.port, context=context)
        headers = {names(name): value for name, value in place.forge("guessed").items()}
        connection.request("GET", "/dicom-web/studies", headers=headers)
        assert connection.getresponse().status == 401
        connection.close()


@pytest.mark.parametrize("secret", ["", "guessed"])
def test_past_nginx_the_headers_are_not_believed(place, secret):
    answer = place.get(url=place.server.url, **place.forge(secret))
    assert answer.status_code == 401
    assert "proxy only" in answer.json()["error"]


def test_a_token_beside_the_certificate_of_another_system_is_refused(place):
    bearer = {"Authorization": f"Bearer {place.token}"}
    assert place.get(**bearer).status_code == 200
    answer = place.get(pair=place.known, **bearer)
    assert answer.status_code == 401
    assert "different systems" in answer.json()["error"]


def test_a_token_that_is_bound_to_a_certificate_comes_with_it(place):
    signer = Signer()
    jwks = {"keys": [signer.public_jwk()]}
    place.server.run_code(ADD_ISSUER.format(issuer=ISSUER, audience=AUDIENCE, jwks=jwks))
    digest = sha256_of(place.own.client_certificate.read_bytes())
    x5t = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    bearer = {"Authorization": f"Bearer {signer.sign(make_claims(cnf={'x5t#S256': x5t}))}"}
    assert place.get(pair=place.known, **bearer).status_code == 200
    for pair in (None, place.unknown):
        assert place.get(pair=pair, **bearer).status_code == 401
    assert place.get(**bearer, **place.forge(SECRET)).status_code == 401


def test_the_log_names_the_client_and_not_the_proxy(place):
    place.get(pair=place.known, **{"X-Forwarded-For": "203.0.113.9"})
    code = "from access.models import AuditEvent; e = AuditEvent.objects.last(); print(e.actor, e.address)"
    assert place.server.run_code(code).split() == ["pacs", "127.0.0.1"]


def post_soap(place, path, body, content_type="application/soap+xml"):
    """Send SOAP through nginx with the registered certificate."""
    headers = {"Content-Type": content_type}
    url = place.nginx.url + path
    return requests.post(url, body, headers=headers, cert=place.known, verify=str(place.own.ca), timeout=60)


def test_soap_passes_with_the_certificate_and_not_without(place):
    answer = post_soap(place, "/ihe/registry", QUESTION)
    assert answer.status_code == 200, answer.text
    assert b"XDSUnknownStoredQuery" in answer.content
    for path in ("/ihe/registry", "/ihe/repository", "/ihe/imaging"):
        forged = {"Content-Type": "application/soap+xml", **place.forge("guessed")}
        bare = requests.post(place.nginx.url + path, QUESTION, headers=forged, verify=str(place.own.ca))
        assert bare.status_code == 401, path


def test_metadata_has_a_bound_at_nginx_and_documents_have_none(place):
    long = b"x" * (17 << 20)
    for path in ("/ihe/registry", "/ihe/imaging"):
        assert "nginx" in post_soap(place, path, long).text
    body, content_type = make_package(request_for("1.2.3"), {"beside": long})
    answer = post_soap(place, "/ihe/repository", body, content_type)
    assert answer.status_code == 200, answer.text
    assert b"XDSDocumentUniqueIdError" in answer.content


@pytest.mark.parametrize(("path", "connections"), [("/ihe/registry", 64), ("/ihe/imaging", 32)])
def test_no_address_takes_all_connections_for_soap(place, path, connections):
    context = ssl.create_default_context(cafile=str(place.own.ca))
    context.load_cert_chain(*place.known)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml\r\n"
    assert post_soap(place, path, QUESTION).status_code != 503
    with contextlib.ExitStack() as waiting:
        for _ in range(connections):
            plain = socket.create_connection(("localhost", place.nginx.port), timeout=60)
            secured = waiting.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            secured.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n<")
        deadline = time.monotonic() + 20
        while post_soap(place, path, QUESTION).status_code != 503:
            assert time.monotonic() < deadline, "one more than the limit was let in"
        assert place.get(pair=place.known).status_code == 200, "another address is closed too"
