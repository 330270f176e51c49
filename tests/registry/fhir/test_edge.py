"""The edge: credentials, methods, formats, conditions and paging; every error is an OperationOutcome."""

import pytest
from django.db import connection

from registry.fhir.bundle import seal_page
from registry.fhir.formats import XML
from tests.registry.factories import make_actor, make_study
from tests.registry.fhir.oracle import check_resource, read_xml

pytestmark = pytest.mark.django_db


def issue_of(answer):
    resource = answer.json()
    assert resource["resourceType"] == "OperationOutcome"
    return resource["issue"][0]


def test_the_capability_statement_needs_no_credential_and_says_what_is_served(ask):
    statement = ask("metadata", token=None).json()
    assert statement["fhirVersion"] == "4.0.1"
    resources = {resource["type"]: resource for resource in statement["rest"][0]["resource"]}
    assert {"ImagingStudy", "Patient"} <= set(resources)
    codes = {interaction["code"] for interaction in resources["ImagingStudy"]["interaction"]}
    assert codes == {"read", "search-type"}
    assert "patient.identifier" in {
        parameter["name"] for parameter in resources["ImagingStudy"]["searchParam"]
    }


def test_everything_that_is_stated_answers(ask):
    for resource in ask("metadata").json()["rest"][0]["resource"]:
        codes = {interaction["code"] for interaction in resource["interaction"]}
        searched = ask(f"{resource['type']}?patient.identifier=urn:oid:1.2|x&status=active&code=folder")
        assert (searched.status_code in (200, 403)) == ("search-type" in codes), resource["type"]
        assert ask(f"{resource['type']}/nothing").status_code in (403, 404)
        posted = ask(resource["type"], "POST", body=b"{}")
        assert (posted.status_code != 405) == ("create" in codes), resource["type"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_a_valid_credential_nothing_is_answered(ask, token):
    answer = ask("ImagingStudy", token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert issue_of(answer)["code"] == "login"


def test_a_credential_without_the_scope_is_refused(ask, token_of, department):
    answer = ask("ImagingStudy", token=token_of(department, "store"))
    assert (answer.status_code, issue_of(answer)["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "path", ["", "Nonsense", "Nonsense/1", "ImagingStudy/1/_history/1", "Patient/a%20b", "Patient/%00"]
)
def test_unknown_addresses_are_404(ask, path):
    answer = ask(path)
    assert (answer.status_code, issue_of(answer)["code"]) == (404, "not-found")


def test_the_base_without_a_slash_answers_as_fhir(client):
    answer = client.get("/fhir")
    assert (answer.status_code, issue_of(answer)["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("ImagingStudy", "DELETE", "GET, HEAD"),
        ("ImagingStudy", "POST", "GET, HEAD"),
        ("ImagingStudy/1", "PUT", "GET, HEAD"),
        ("ImagingStudy/_search", "PUT", "GET, HEAD, POST"),
        ("metadata", "POST", "GET, HEAD"),
    ],
)
def test_what_is_not_possible_is_405_and_says_what_is(ask, path, method, allow):
    answer = ask(path, method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert issue_of(answer)["code"] == "not-supported"


def test_xml_on_demand_for_answers_and_errors(ask, department):
    study = make_study(department)
    for path in (f"ImagingStudy/{study.study_instance_uid}", "ImagingStudy", "ImagingStudy/9", "metadata"):
        answer = ask(f"{path}?_format=xml", Accept="application/fhir+json")
        assert answer.headers["Content-Type"] == f"{XML}; charset=utf-8"
        check_resource(read_xml(answer.content))
    assert ask("metadata", Accept="application/fhir+xml").headers["Content-Type"].startswith(XML)


@pytest.mark.parametrize("query", ["_format=turtle", "_format=text/html"])
def test_other_formats_are_406(ask, query):
    answer = ask(f"ImagingStudy?{query}")
    assert (answer.status_code, issue_of(answer)["code"]) == (406, "not-supported")


def test_head_is_get_without_the_body(ask, department):
    path = f"ImagingStudy/{make_study(department).study_instance_uid}"
    whole, head = ask(path), ask(path, "HEAD")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.headers["ETag"] == whole.headers["ETag"]


def test_a_read_that_is_known_is_304(ask, department):
    path = f"ImagingStudy/{make_study(department).study_instance_uid}"
    first = ask(path)
    again = ask(path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert ask(path, If_None_Match='W/"other"').status_code == 200


def test_what_is_not_understood_is_said_or_refused(ask, department):
    make_study(department)
    bundle = ask("ImagingStudy?_elements=id&_count=10").json()
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "outcome"]
    assert "_elements" in bundle["entry"][1]["resource"]["issue"][0]["diagnostics"]
    assert bundle["link"][0]["url"].endswith("/fhir/ImagingStudy?_count=10")
    strict = ask("ImagingStudy?_elements=id", Prefer="handling=strict")
    assert (strict.status_code, issue_of(strict)["code"]) == (400, "not-supported")


def test_pages_follow_each_other_without_a_number_in_their_address(ask, department, token_of):
    uids = [make_study(department, study_date=f"2025010{day}").study_instance_uid for day in range(1, 6)]
    seen, path = [], "ImagingStudy?started=ge2025&_count=2"
    while path:
        bundle = ask(path).json()
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert "started" not in links.get("next", "")
        path = links.get("next", "").partition("/fhir/")[2]
    assert seen == uids[::-1]
    assert "total" not in bundle
    word = ask("ImagingStudy?_count=2").json()["link"][1]["url"].partition("/fhir/")[2]
    assert ask(word, token=token_of(department, "read")).status_code == 400


@pytest.mark.parametrize("word", ["", "x", "gAAAAAB"])
def test_a_page_that_was_not_given_out_is_refused(ask, word):
    answer = ask(f"ImagingStudy?_page={word}")
    assert (answer.status_code, issue_of(answer)["expression"]) == (400, ["_page"])


def test_a_page_of_another_resource_is_refused(department):
    from registry.fhir.bundle import open_page
    from registry.fhir.errors import InvalidParameter

    word = seal_page(make_actor(department), "Consent", [("status", "active")], (1,))
    assert open_page(make_actor(department), "Consent", word) == ([("status", "active")], (1,))
    with pytest.raises(InvalidParameter):
        open_page(make_actor(department), "ImagingStudy", word)


def test_a_search_by_form_is_the_same_search(ask, department):
    study = make_study(department)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    body = f"identifier=urn:oid:{study.study_instance_uid}"
    bundle = ask("ImagingStudy/_search", "POST", body=body, **form).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == [study.study_instance_uid]
    xml = ask("ImagingStudy/_search", "POST", body=f"{body}&_format=xml", **form)
    assert read_xml(xml.content)["entry"][0]["resource"]["id"] == study.study_instance_uid
    assert ask("ImagingStudy/_search", "POST", body=f"{body}&_format=ttl", **form).status_code == 406
    assert ask("ImagingStudy/_search", "POST", body=body, Content_Type="text/plain").status_code == 415
    assert ask("ImagingStudy/_search", "POST", body="x" * 70_000, **form).status_code == 413
    assert ask("ImagingStudy/_search", "POST", body=b"identifier=%ff", **form).status_code == 400


def test_what_cannot_be_recorded_is_not_answered(ask, department):
    study = make_study(department)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE access_auditevent RENAME TO elsewhere"
        )  # undone with the test's transaction
    for path in ("ImagingStudy", f"ImagingStudy/{study.study_instance_uid}"):
        answer = ask(path)
        assert (answer.status_code, issue_of(answer)["code"]) == (503, "transient")
        assert "Retry-After" in answer.headers


def test_addresses_are_those_of_the_public_base(ask, department, settings):
    settings.PUBLIC_BASE_URL = "https://pacs.example.org/region"
    make_study(department)
    bundle = ask("ImagingStudy").json()
    assert bundle["entry"][0]["fullUrl"].startswith("https://pacs.example.org/region/fhir/ImagingStudy/")
    endpoint = bundle["entry"][0]["resource"]["contained"][0]
    assert endpoint["address"] == "https://pacs.example.org/region/dicom-web"
