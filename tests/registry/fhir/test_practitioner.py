"""The directory's people (mCSD): who works where now, with what a colleague needs and nothing else."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from access.assignments import Terms, give_role
from access.models import Assignment, Department, Role, User
from tests.registry.factories import make_department
from tests.registry.fhir.oracle import read_xml
from tests.registry.fhir.test_directory import HSA
from tests.registry.fhir.test_imaging_study import ids_of


def hire(department: Department, hsa_id: str, given: str, family: str, **values) -> Assignment:
    """Give a person the role of a radiologist in a department."""
    role, _ = Role.objects.get_or_create(
        code="radiologist", defaults={"name": "Radiologist", "permissions": ["read_studies"]}
    )
    terms = values.pop("terms", Terms())
    names = {"first_name": given, "last_name": family, "email": f"{given}@example.org"}
    user = User.objects.create(username=f"user-{User.objects.count()}", hsa_id=hsa_id, **names, **values)
    return give_role(user, role, department, terms)


def test_a_person_is_name_and_number_and_nothing_else(ask, department):
    hire(department, "SE-1", "Åsa", "Öberg", national_number="191212121212")
    resource = ask("Practitioner/SE-1").json()
    assert resource == {
        "resourceType": "Practitioner",
        "id": "SE-1",
        "meta": resource["meta"],
        "identifier": [{"system": HSA, "value": "SE-1"}],
        "active": True,
        "name": [{"text": "Åsa Öberg", "family": "Öberg", "given": ["Åsa"]}],
    }
    assert read_xml(ask("Practitioner/SE-1?_format=xml").content)["id"] == "SE-1"


def test_a_role_says_who_what_and_where(ask, department):
    row = hire(department, "SE-1", "Åsa", "Öberg")
    role = ask(f"PractitionerRole/{row.pk}").json()
    assert role["practitioner"]["reference"] == "Practitioner/SE-1"
    assert role["organization"]["reference"] == f"Organization/{department.hsa_id}"
    assert role["location"][0]["reference"] == f"Location/{department.unit.hsa_id}"
    [code] = role["code"]
    assert (code["coding"][0]["code"], code["text"]) == ("radiologist", "Radiologist")
    found = ask(
        f"PractitionerRole?_id={row.pk}&_include=PractitionerRole:practitioner"
        "&_include=PractitionerRole:organization&_include=PractitionerRole:location"
    ).json()
    assert [entry["resource"]["resourceType"] for entry in found["entry"]] == [
        "PractitionerRole",
        "Practitioner",
        "Organization",
        "Location",
    ]
    back = ask("Practitioner?_id=SE-1&_revinclude=PractitionerRole:practitioner").json()
    assert [entry["resource"]["id"] for entry in back["entry"]] == ["SE-1", str(row.pk)]


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("Practitioner", ["SE-1", "SE-2"]),
        ("Practitioner?active=true", ["SE-1", "SE-2"]),
        ("Practitioner?active=false", []),
        ("Practitioner?identifier={hsa}|SE-2", ["SE-2"]),
        ("Practitioner?identifier={hsa}|", ["SE-1", "SE-2"]),
        ("Practitioner?identifier=urn:oid:1.2.3|SE-2", []),
        ("Practitioner?name=öb", ["SE-1"]),
        ("Practitioner?name=bo", ["SE-2"]),
        ("Practitioner?name:contains=BER", ["SE-1", "SE-2"]),
        ("Practitioner?family=ÖBERG&given=åsa", ["SE-1"]),
        ("Practitioner?family:exact=öberg", []),
        ("PractitionerRole?practitioner=Practitioner/SE-1", ["{first}"]),
        ("PractitionerRole?practitioner.identifier={hsa}|SE-2", ["{second}"]),
        ("PractitionerRole?practitioner.identifier=urn:oid:1.2.3|SE-2", []),
        ("PractitionerRole?organization=Organization/{department}", ["{first}"]),
        ("PractitionerRole?organization.identifier={hsa}|{department}", ["{first}"]),
        ("PractitionerRole?location=Location/{unit}", ["{first}"]),
        ("PractitionerRole?role=radiologist", ["{first}", "{second}"]),
        ("PractitionerRole?role=urn:samsyn:role|nurse", []),
        ("PractitionerRole?active=true&_id={second}", ["{second}"]),
    ],
)
def test_parameters(ask, department, query, finds):
    first = hire(department, "SE-1", "Åsa", "Öberg")
    second = hire(make_department(), "SE-2", "Bo", "Bergman")
    names = {
        "hsa": HSA,
        "department": department.hsa_id,
        "unit": department.unit.hsa_id,
        "first": first.pk,
        "second": second.pk,
    }
    assert ids_of(ask(quote(query.format(**names), safe="?=&|:/"))) == [one.format(**names) for one in finds]


def test_only_who_works_in_care_now_is_listed(ask, department):
    ends = timezone.now() + timedelta(seconds=1)
    gone = hire(department, "SE-1", "Gone", "Away", terms=Terms(valid_to=ends))
    Assignment.objects.filter(pk=gone.pk).update(valid_to=timezone.now() - timedelta(days=1))
    hire(department, "SE-2", "Not", "Active", is_active=False)
    hire(department, "SE-3", "Clerk", "Only", terms=Terms(purpose="administration"))
    hire(department, "", "Local", "Account")
    closed = make_department()
    hire(closed, "SE-4", "Of", "Closed")
    Department.objects.filter(pk=closed.pk).update(valid_to=timezone.now() - timedelta(days=1))
    assert ids_of(ask("Practitioner")) == ids_of(ask("PractitionerRole")) == []
    assert ask("Practitioner/SE-1").status_code == ask(f"PractitionerRole/{gone.pk}").status_code == 404


def test_a_protected_identity_is_a_role_without_a_name(ask, department):
    row = hire(department, "SE-1", "Hidden", "Person", is_protected=True)
    other = hire(department, "SE-1", "Hidden", "Again")  # another account of the same person
    for path in ("Practitioner", "Practitioner?name=hidden", "PractitionerRole?practitioner=SE-1"):
        assert ids_of(ask(path)) == []
    assert ids_of(ask(f"PractitionerRole?practitioner.identifier={HSA}|SE-1")) == []
    assert ask("Practitioner/SE-1").status_code == 404
    shown = ask("PractitionerRole?_include=PractitionerRole:practitioner")
    assert ids_of(shown) == [str(row.pk), str(other.pk)]
    assert "Hidden" not in shown.content.decode()
    assert "SE-1" not in shown.content.decode()


def test_one_person_with_two_accounts_is_listed_once(ask, department):
    hire(department, "SE-1", "Åsa", "Öberg")
    hire(make_department(), "SE-1", "Åsa", "Öberg")
    assert ids_of(ask("Practitioner")) == ["SE-1"]
    assert len(ids_of(ask("PractitionerRole?practitioner=SE-1"))) == 2


def test_pages_and_credentials(ask, department, token_of):
    for number in range(5):
        hire(department, f"SE-{number}", "Åsa", "Öberg")
    page = ask("Practitioner?_count=2").json()
    seen = [entry["resource"]["id"] for entry in page["entry"]]
    while link := next((one["url"] for one in page["link"] if one["relation"] == "next"), None):
        page = ask(link.partition("/fhir/")[2]).json()
        seen += [entry["resource"]["id"] for entry in page["entry"]]
    assert seen == [f"SE-{number}" for number in range(5)]
    assert ask("Practitioner", token="").status_code == 401
    assert ask("PractitionerRole", token=token_of(department, "store")).status_code == 403
