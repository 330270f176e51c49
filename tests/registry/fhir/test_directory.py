"""The directory of care services (mCSD): the whole tree for everyone, and what is exported is taken in again."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import CareProvider, CareUnit, Department
from access.organisation_import.mcsd_bundle import read_bundle
from tests.registry.factories import make_department
from tests.registry.fhir.oracle import check_resource, read_xml
from tests.registry.fhir.test_imaging_study import ids_of

HSA = "urn:oid:1.2.752.129.2.1.4.1"


def test_the_tree_is_there_for_everyone_who_is_known(ask, department, token_of):
    other = make_department()
    stranger = token_of(other, "store")
    resource = ask(f"Organization/{department.hsa_id}", token=stranger).json()
    assert resource["identifier"] == [{"system": HSA, "value": department.hsa_id}]
    assert resource["partOf"] == {"reference": f"Organization/{department.unit.hsa_id}"}
    assert resource["active"] is True
    assert ask("Organization", token="").status_code == 401
    assert ask("Organization/SE-0").status_code == 404


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("identifier={hsa}|{department}", ["{department}"]),
        ("identifier=http://electronichealth.se/identifier/hsaid|{department}", ["{department}"]),
        ("identifier={department}", ["{department}"]),
        ("identifier=urn:oid:1.2.3|{department}", []),
        ("_id={unit}", ["{unit}"]),
        ("partof=Organization/{unit}", ["{department}"]),
        ("partof.identifier={hsa}|{provider}", ["{unit}"]),
        ("name=radio", ["{department}"]),
        ("name:contains=DIOLOG", ["{department}"]),
        ("name:exact=radiology", []),
        ("type=provider", ["{provider}"]),
        ("active=false", []),
        ("active=true&_id={unit}", ["{unit}"]),
    ],
)
def test_parameters_of_organizations(ask, department, query, finds):
    names = {
        "hsa": HSA,
        "department": department.hsa_id,
        "unit": department.unit.hsa_id,
        "provider": department.unit.provider.hsa_id,
    }
    assert ids_of(ask("Organization?" + query.format(**names))) == [one.format(**names) for one in finds]


def test_what_is_not_valid_is_not_active(ask, department):
    ended = make_department()
    CareUnit.objects.filter(pk=ended.unit_id).update(valid_to=timezone.now() - timedelta(days=1))
    begins = make_department()
    Department.objects.filter(pk=begins.pk).update(valid_from=timezone.now() + timedelta(days=1))
    assert set(ids_of(ask("Organization?active=false"))) == {
        ended.hsa_id,
        ended.unit.hsa_id,
        begins.hsa_id,
    }
    assert ids_of(ask("Location?status=inactive")) == [ended.unit.hsa_id]


def test_endpoints_come_with_their_organizations(ask, department):
    provider = department.unit.provider.hsa_id
    found = ask(f"Organization?_id={provider}&_include=Organization:endpoint").json()
    endpoints = [entry["resource"] for entry in found["entry"][1:]]
    assert found["total"] == 1
    assert {entry["search"]["mode"] for entry in found["entry"][1:]} == {"include"}
    kinds = {endpoint["connectionType"]["code"] for endpoint in endpoints}
    assert kinds == {"dicom-wado-rs", "dicom-stow-rs", "dicom-qido-rs", "hl7-fhir-rest", "ihe-xds"}
    [wado] = [one for one in endpoints if one["connectionType"]["code"] == "dicom-wado-rs"]
    assert wado["address"] == "http://testserver/dicom-web"
    [extension] = wado["extension"]
    uid = extension["valueString"]
    assert extension["url"].endswith("MadoRetrieveLocationUIDExtension")
    assert ids_of(ask(f"Endpoint?identifier=urn:oid:{uid}")) == [wado["id"]]
    assert ids_of(ask("Endpoint?connection-type=dicom-wado-rs")) == [wado["id"]]
    assert ask(f"Endpoint/{wado['id']}").json() == wado
    back = ask(f"Endpoint?_id={wado['id']}&_revinclude=Organization:endpoint").json()
    assert [entry["resource"]["id"] for entry in back["entry"]] == [wado["id"], provider]
    places = ask(f"Organization?_id={department.unit.hsa_id}&_revinclude=Location:organization").json()
    assert places["entry"][1]["resource"]["resourceType"] == "Location"


def test_pages_tags_and_xml(ask, department):
    for _ in range(3):
        make_department()
    page = ask("Organization?_count=5&_sort=name").json()
    seen = [entry["resource"]["id"] for entry in page["entry"]]
    while link := next((one["url"] for one in page["link"] if one["relation"] == "next"), None):
        page = ask(link.partition("/fhir/")[2]).json()
        seen += [entry["resource"]["id"] for entry in page["entry"]]
    assert len(seen) == len(set(seen)) == 12
    for path in (
        f"Organization/{department.hsa_id}",
        f"Location/{department.unit.hsa_id}",
        "Endpoint/ihe-mhd",
    ):
        answer = ask(path)
        assert ask(path, If_None_Match=answer.headers["ETag"]).status_code == 304
        xml = ask(f"{path}?_format=xml")
        assert xml.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
        assert read_xml(xml.content)["id"] == answer.json()["id"]


def test_what_is_exported_is_taken_in_again(ask, department):
    ended = make_department(department.unit.provider)
    Department.objects.filter(pk=ended.pk).update(valid_to=timezone.now() - timedelta(days=1))
    bundle = ask("Organization?_count=200&_revinclude=Location:organization").json()
    check_resource(bundle)
    entries = {entry.hsa_id: entry for entry in read_bundle(json.dumps(bundle).encode())}
    assert set(entries) == {
        *CareProvider.objects.values_list("hsa_id", flat=True),
        *CareUnit.objects.values_list("hsa_id", flat=True),
        *Department.objects.values_list("hsa_id", flat=True),
    }
    assert entries[department.hsa_id].level == "department"
    assert entries[department.hsa_id].parent == department.unit.hsa_id
    assert entries[department.unit.hsa_id].parent == department.unit.provider.hsa_id
    assert [hsa_id for hsa_id, entry in entries.items() if entry.has_ended] == [ended.hsa_id]
