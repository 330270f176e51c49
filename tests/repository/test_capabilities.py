"""The description of what is served: complete, and true when tried."""

import json
from xml.etree import ElementTree

import pytest
from django.urls import get_resolver

from repository.dicomweb.capabilities import ROUTES, TRANSACTIONS, WADL
from tests.repository.reading import path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db
W = "{http://wadl.dev.java.net/2009/02}"


def options(client, path, accept="*/*"):
    return client.options(f"/dicom-web{path}", headers={"Accept": accept})


def resources_of(element, above=""):
    for child in element.findall(f"{W}resource"):
        path = f"{above}/{child.get('path').strip('/')}"
        yield path, child
        yield from resources_of(child, path)


def test_the_base_describes_every_route(client):
    response = options(client, "/")
    assert (response.status_code, response["Content-Type"]) == (200, WADL)
    application = ElementTree.fromstring(response.content)
    assert application.tag == f"{W}application"
    [resources] = application.findall(f"{W}resources")
    assert resources.get("base") == "http://testserver/dicom-web/"
    described = {
        (path, method.get("name"))
        for path, found in resources_of(resources)
        for method in found.findall(f"{W}method")
    }
    routed = set()
    for pattern in get_resolver(ROUTES).url_patterns:
        route = str(pattern.pattern).replace("<str:", "{").replace("<path:", "{").replace(">", "}")
        methods = set(getattr(pattern.callback, "methods", ())) - {"HEAD"}
        routed |= {(f"/{route}", method) for method in methods if route}
    assert described == routed
    assert len(described) > 25


def test_every_function_that_answers_is_known_to_the_description():
    for pattern in get_resolver(ROUTES).url_patterns:
        for function in getattr(pattern.callback, "methods", {}).values():
            name = getattr(function, "func", function).__name__
            assert name == "retrieve_capabilities" or name in TRANSACTIONS, f"{name} has no Transaction"


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/studies", {"SearchForStudies", "StoreInstances"}),
        ("/studies/1.2", {"RetrieveStudy", "StoreInstances", "DeleteStudy"}),
        ("/studies/1.2/metadata", {"RetrieveStudyMetadata"}),
        ("/studies/1.2/series/1.3/instances", {"SearchForStudySeriesInstances"}),
        ("/studies/1.2/series/1.3/instances/1.4/pixeldata", {"RetrieveInstanceBulkdata"}),
        ("/studies/1.2/series/1.3/instances/1.4/frames/1", {"RetrieveFrames"}),
    ],
)
def test_a_resource_describes_itself_and_what_is_below(client, path, ids):
    response = options(client, path)
    assert response.status_code == 200
    [(where, resource), *below] = resources_of(ElementTree.fromstring(response.content).find(f"{W}resources"))
    assert where.count("/") == path.count("/")
    assert {method.get("id") for method in resource.findall(f"{W}method")} == ids
    assert {method.get("name") for method in resource.findall(f"{W}method")} | {"HEAD", "OPTIONS"} == set(
        response["Allow"].split(", ")
    )
    assert all(path.startswith(where) for path, _ in below)


def test_it_comes_as_json_too_and_as_nothing_else(client):
    response = options(client, "/studies", "application/json")
    assert response["Content-Type"] == "application/json"
    [studies] = json.loads(response.content)["resources"]
    assert {method["id"] for method in studies["methods"]} == {"SearchForStudies", "StoreInstances"}
    assert options(client, "/studies", "image/png").status_code == 406
    assert options(client, "/nothing").status_code == 404


def test_what_is_described_is_not_refused(client, vendor):
    file = dicom.make_ct()
    vendor.store(file)
    names = dict(zip(("study", "series", "instance"), path_of(file).split("/")[2::2], strict=True)) | {
        "frames": "1"
    }
    application = ElementTree.fromstring(options(client, "/").content)
    tried = 0
    for path, resource in resources_of(application.find(f"{W}resources")):
        for method in resource.findall(f"{W}method[@name='GET']"):
            if "{transaction}" in path:
                continue
            where = path.format(path="7FE00010", **names)
            types = [found.get("mediaType") for found in method.findall(f"{W}response/{W}representation")]
            answers = {media_type: vendor.get(where, media_type).status_code for media_type in types}
            if (
                "Bulkdata" in method.get("id")
                or method.get("id") == "RetrieveFrames"
                or "Rendered" in method.get("id")
            ):
                assert 200 in answers.values(), (where, answers)  # which, depends on the pixels
            else:
                assert set(answers.values()) == {200}, (where, answers)
            tried += len(answers)
    assert tried > 60


def test_a_method_that_is_not_there_says_which_are(vendor):
    response = vendor.client.put("/dicom-web/studies", headers=vendor.headers)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert "GET" in json.loads(response.content)["error"]
    assert vendor.client.post("/dicom-web/studies/1.2/metadata", headers=vendor.headers).status_code == 405
