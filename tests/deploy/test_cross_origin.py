"""Viewers of other origins: those that are listed may read answers, errors included; nobody else."""

import pytest

from access.authentication import issue_token
from access.models import ApiClient
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db
VIEWER = "https://viewer.example.org"


@pytest.fixture(autouse=True)
def one_origin(settings):
    settings.CORS_ORIGINS = frozenset({VIEWER})


@pytest.fixture
def authorization():
    client = ApiClient.objects.create(name="pacs", department=make_department())
    return {"Authorization": f"Bearer {issue_token(client).text}"}


def preflight(client, path="/dicom-web/studies", origin=VIEWER, method="GET"):
    asked = "authorization,range,if-none-match"
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": asked,
    }
    return client.options(path, headers=headers)


def test_a_preflight_of_a_listed_origin_is_answered_without_a_credential(client):
    for path in (
        "/dicom-web/studies",
        "/dicom-web/studies/1.2/series/1.3/instances/1.4/frames/1",
        "/dicom-web/x",
    ):
        response = preflight(client, path)
        assert (response.status_code, response.content) == (204, b"")
        assert response["Access-Control-Allow-Origin"] == VIEWER
        assert response["Access-Control-Allow-Credentials"] == "true"
        allowed = {name.strip().lower() for name in response["Access-Control-Allow-Headers"].split(",")}
        assert {"authorization", "accept", "content-type", "range", "if-none-match"} <= allowed
        assert {"GET", "HEAD", "POST", "DELETE"} <= set(response["Access-Control-Allow-Methods"].split(", "))
        assert int(response["Access-Control-Max-Age"]) > 0
        assert "Origin" in response["Vary"]


@pytest.mark.parametrize("path", ["studies", "studies/1.2/metadata", "nothing-here", "studies?limit=-1"])
@pytest.mark.parametrize("with_token", [True, False])
def test_a_listed_origin_may_read_answers_and_errors(client, authorization, path, with_token):
    headers = {"Origin": VIEWER, **(authorization if with_token else {})}
    response = client.get(f"/dicom-web/{path}", headers=headers)
    assert response["Access-Control-Allow-Origin"] == VIEWER
    exposed = set(response["Access-Control-Expose-Headers"].split(", "))
    assert {"ETag", "Content-Range", "Content-Location", "Link", "Warning", "Retry-After"} <= exposed
    assert "Origin" in response["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{VIEWER}.evil.example", "http://viewer.example.org"]
)
def test_no_other_origin_may(client, authorization, origin):
    for response in (
        preflight(client, origin=origin),
        client.get("/dicom-web/studies", headers={"Origin": origin, **authorization}),
    ):
        assert "Access-Control-Allow-Origin" not in response
        assert "Access-Control-Allow-Credentials" not in response
        assert "Origin" in response["Vary"]


def test_pages_and_installations_without_origins_say_nothing(client, authorization, settings):
    assert "Access-Control-Allow-Origin" not in client.get("/accounts/login/", headers={"Origin": VIEWER})
    settings.CORS_ORIGINS = frozenset()
    response = client.get("/dicom-web/studies", headers={"Origin": VIEWER, **authorization})
    assert "Access-Control-Allow-Origin" not in response
    assert "Origin" not in response.get("Vary", "")
