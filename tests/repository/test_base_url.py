"""Under which address an answer speaks of itself."""

import pytest
from django.test import RequestFactory

from registry.wire.base_url import origin_of, prefix_of
from repository.dicomweb.base_url import dicomweb_base


def request(address="10.0.0.9", **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestFactory().get("/dicom-web/studies", headers=sent, REMOTE_ADDR=address)


@pytest.fixture(autouse=True)
def behind_a_proxy(settings):
    settings.PUBLIC_BASE_URL = ""
    settings.ALLOWED_HOSTS = ["testserver", "pacs.example.org", "pacs.example.org:8443"]
    settings.TRUSTED_PROXIES = ("10.0.0.0/28", "fd00::1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "http://testserver"),
        ({"X_Forwarded_Proto": "https"}, "https://testserver"),
        ({"X_Forwarded_Proto": "https", "X_Forwarded_Host": "pacs.example.org"}, "https://pacs.example.org"),
        (
            {
                "X_Forwarded_Proto": "https",
                "X_Forwarded_Host": "pacs.example.org:8443",
                "X_Forwarded_Prefix": "/region/a/",
            },
            "https://pacs.example.org:8443/region/a",
        ),
        ({"Forwarded": "for=192.0.2.1;proto=https;host=pacs.example.org"}, "https://pacs.example.org"),
        ({"Forwarded": 'host="pacs.example.org:8443"; PROTO=https, for=x'}, "https://pacs.example.org:8443"),
        ({"Forwarded": "proto=https", "X_Forwarded_Host": "pacs.example.org"}, "https://pacs.example.org"),
        ({"X_Forwarded_Host": "evil.example"}, "http://testserver"),
        ({"Forwarded": "host=evil.example"}, "http://testserver"),
        ({"X_Forwarded_Proto": "javascript"}, "http://testserver"),
        ({"X_Forwarded_Prefix": '/a"><b'}, "http://testserver"),
        ({"X_Forwarded_Prefix": "//evil.example"}, "http://testserver"),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_hosts_are_allowed(headers, expected):
    assert origin_of(request(**headers)) == expected
    assert origin_of(request("fd00::1", **headers)) == expected


@pytest.mark.parametrize("address", ["10.0.0.16", "127.0.0.1", "", "unix:"])
def test_nobody_else_is_believed(address):
    forwarded = request(address, X_Forwarded_Proto="https", X_Forwarded_Host="pacs.example.org")
    assert origin_of(forwarded) == "http://testserver"


def test_the_setting_comes_first(settings):
    settings.PUBLIC_BASE_URL = "https://pacs.example.org/region"
    forwarded = request(X_Forwarded_Host="pacs.example.org:8443")
    assert dicomweb_base(forwarded) == "https://pacs.example.org/region/dicom-web"
    assert prefix_of(forwarded) == "/region"


@pytest.mark.parametrize(
    ("host", "port", "address", "expected"),
    [
        ("127.0.0.1", "8000", "127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "8000", "::1", "http://localhost:8000"),
        ("127.0.0.1:9000", "8000", "127.0.0.1", "http://127.0.0.1:9000"),
        ("127.0.0.1", "80", "127.0.0.1", "http://127.0.0.1"),
        ("127.0.0.1", "8000", "10.0.0.99", "http://127.0.0.1"),
        ("pacs.example.org", "8000", "127.0.0.1", "http://pacs.example.org"),
    ],
)
def test_a_port_that_a_client_forgets_is_known_on_the_machine_itself(settings, host, port, address, expected):
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "pacs.example.org"]
    headers = {"SERVER_PORT": port, "REMOTE_ADDR": address, "HTTP_HOST": host}
    assert origin_of(RequestFactory().get("/dicom-web/studies", **headers)) == expected
