"""Who maps codes sees the words that wait, looks at what a mapping changes, and keeps it; others do not come in."""

import re

import pytest
from django.test import Client

from access.authentication import issue_token
from access.models import ApiClient, User
from registry.harmonise.duty import harmonise_studies
from registry.models import CodeMapping, Harmonised, UnmappedWord
from tests.registry.factories import make_study
from tests.support.people import give_assignment

CODES, AFFINITY = "/administration/codes/", "/administration/affinity/"
API = "/api/v1"


@pytest.fixture
def mapper(world):
    user = User.objects.create(username="kodare", first_name="Kim", last_name="Kod")
    give_assignment(user, world.region.lund, "Systemförvaltare", ("map_codes",))
    client = Client(headers={"accept-language": "en"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def word(world):
    study = make_study(world.region.lund, modalities=("CT",), study_description="Protokoll 7")
    harmonise_studies()
    return UnmappedWord.objects.get(value="protokoll 7"), study


def test_only_who_maps_codes_comes_in(portal, mapper, word):
    for address in (CODES, AFFINITY, f"{CODES}words/{word[0].pk}/"):
        assert portal.get(address).status_code == 403, address
        assert mapper.get(address).status_code == 200, address
    for address in ("unmapped-words", "code-mappings", "code-coverage"):
        assert portal.get(f"{API}/{address}").status_code == 403, address
    assert CODES in mapper.get(CODES).content.decode()


def test_a_word_is_looked_at_and_then_mapped(mapper, word):
    row, study = word
    page = mapper.get(CODES).content.decode()
    assert "Protokoll 7" in page
    address = f"{CODES}words/{row.pk}/"
    nothing = mapper.post(address, {"step": "apply"}).content.decode()
    assert "at least one of the four" in nothing
    seen = mapper.post(address, {"procedure_code": "CT-CHEST", "step": "preview"}).content.decode()
    assert "1 of 1 past studies" in seen
    assert "CT chest" in seen
    assert not CodeMapping.objects.exists()
    token = re.search(r'name="seen" value="(\w+)"', seen)[1]
    other = {"procedure_code": "CT-HEAD", "step": "apply", "seen": token}
    assert "CT head" in mapper.post(address, other).content.decode(), "what was not looked at is shown first"
    assert not CodeMapping.objects.exists()
    kept = mapper.post(address, {"procedure_code": "CT-CHEST", "step": "apply", "seen": token})
    assert kept.status_code == 302
    harmonise_studies()
    assert Harmonised.objects.get(study=study).procedure_code == "CT-CHEST"
    assert "Protokoll 7" not in mapper.get(CODES).content.decode()


def test_the_same_over_the_api(mapper, word):
    row, study = word
    [waiting] = mapper.get(f"{API}/unmapped-words").json()["results"]
    assert (waiting["original"], waiting["studies"]) == ("Protokoll 7", 1)
    body = {"department": row.department.hsa_id, "kind": row.kind, "value": row.value}
    kind = "application/json"
    bad = mapper.post(f"{API}/code-mappings", body, content_type=kind)
    assert bad.status_code == 400
    body["procedure_code"] = "CT-HEAD"
    seen = mapper.post(f"{API}/code-mappings/preview", body, content_type=kind).json()
    assert (seen["with_word"], seen["changed"]) == (1, 1)
    made = mapper.post(f"{API}/code-mappings", body, content_type=kind)
    assert made.status_code == 201
    harmonise_studies()
    assert Harmonised.objects.get(study=study).procedure_code == "CT-HEAD"
    ended = mapper.post(f"{API}/code-mappings/{made.json()['id']}/end", content_type=kind)
    assert ended.json()["ended_at"]
    assert mapper.post(f"{API}/code-mappings/999/end", content_type=kind).status_code == 404
    assert mapper.get(f"{API}/code-coverage").json()["results"]


def test_the_affinity_domain_is_shown(mapper):
    page = mapper.get(AFFINITY).content.decode()
    assert "urn:oid:1.2.752.999.5000.1" in page
    assert "Personnummer" in page


def test_the_patient_page_names_the_procedure_and_filters_by_region(world, portal):
    study = make_study(world.region.lund, modalities=("CT",), study_description="Pulm")
    person = study.person
    brain = make_study(world.region.lund, modalities=("MR",), study_description="MRT hjärna")
    brain.person = person
    brain.save()
    harmonise_studies()
    portal.cookies["django_language"] = "en"
    address = f"/patients/{person.pk}/"
    page = portal.get(address).content.decode()
    assert "CT chest" in page
    assert "region=67734004" in page
    head = portal.get(address, {"region": "774007"}).content.decode()
    assert "MRT hjärna" in head
    assert "Pulm" not in head


def test_coverage_is_a_metric(world, word):
    token = issue_token(ApiClient.objects.create(name="monitor", department=world.region.lund)).text
    body = Client().get("/metrics", headers={"authorization": f"Bearer {token}"}).content.decode()
    source = f'{{source="{world.region.lund.hsa_id}"}}'
    assert f"samsyn_unmapped_words{source} 1\n" in body
    assert f"samsyn_harmonised_studies{source} " in body
