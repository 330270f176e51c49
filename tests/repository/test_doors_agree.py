"""One patient in five departments, and every door: a row in QIDO-RS, a file in WADO-RS, a resource in FHIR, a page.

Over generated situations all of them agree with the decision; a delivery agrees with the rule for deliveries.
"""

import json
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from access import audit
from access.actor import Actor
from registry import visibility
from registry.access_facts import facts_of
from registry.access_rows import read_record
from registry.models import Destination, Series, Study
from registry.visibility import decide_studies, place_of
from repository.delivery.decide import find_obstacle, receiver_of
from tests.repository.conftest import make_vendor
from tests.support import dicom
from tests.support.access_situations import World, actors_of, make_rows, make_world, rolled_back, situations
from tests.support.decision_oracle import expect_delivery, expect_reading, expect_system

pytestmark = pytest.mark.django_db
PATIENT = "195103051230"


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def studies(world: World) -> dict[str, Study]:
    """Store a study of the patient in each department."""
    found = {}
    for place, department in world.departments.items():
        facts = dicom.StudyFacts(patient_id=PATIENT, patient_birth_date="19510305", accession_number=place)
        assert make_vendor(department, place).store(dicom.make_ct(facts)).status_code == 200
        found[place] = Study.objects.get(study_instance_uid=facts.study_instance_uid)
    assert len({study.person_id for study in found.values()}) == 1
    return found


def doors(client: Client, headers: dict[str, str], study: Study) -> dict[str, bool]:
    """Tell at which doors the study is to be had."""
    get = partial(client.get, headers={"Accept": "*/*", **headers})
    uid = study.study_instance_uid
    series = Series.objects.get(study=study)
    instance = series.instances.get().sop_instance_uid
    path = f"/dicom-web/studies/{uid}"
    row = get(f"/dicom-web/studies?StudyInstanceUID={uid}")
    listed = get("/dicom-web/studies?limit=50")
    bundle = get(f"/fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid}")
    assert row.status_code in (200, 204)
    assert bundle.status_code == 200, bundle.content
    found = {
        "qido": uid.encode() in row.content,
        "list": uid.encode() in listed.content,
        "fhir": uid.encode() in json.dumps(json.loads(bundle.content).get("entry", [])).encode(),
    }
    for name, address in {
        "study": path,
        "metadata": f"{path}/metadata",
        "series": f"{path}/series",
        "frame": f"{path}/series/{series.series_instance_uid}/instances/{instance}/frames/1",
        "thumbnail": f"{path}/thumbnail",
        "wado": f"/wado?requestType=WADO&studyUID={uid}&seriesUID={series.series_instance_uid}&objectUID={instance}",
    }.items():
        answer = get(address)
        assert answer.status_code in (200, 404), (address, answer.status_code)
        answer.getvalue()
        found[name] = answer.status_code == 200
    if not headers:
        page = get(f"/studies/{uid}/")
        assert page.status_code in (200, 403, 404)  # 403 says what is missing, to somebody in a relation
        found["portal"] = page.status_code == 200
    return found


def expected(actor: Actor, study: Study) -> bool:
    """Read the table another way, over the facts of the rows."""
    facts = facts_of(actor, place_of(actor, study), read_record(actor, study.person_id, timezone.now()))
    return expect_system(facts) if actor.kind == "system" else expect_reading(facts)[0] == "permit"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situation=situations())
def test_every_door_says_the_same(world: World, studies: dict[str, Study], situation: dict[str, Any]) -> None:
    own = world.departments["own"]
    with rolled_back():
        visibility._kept.clear()
        audit._touches.clear()
        for study in studies.values():
            study.refresh_from_db()
        make_rows(world, studies, situation)
        browser = Client()
        browser.force_login(world.user, backend="django.contrib.auth.backends.ModelBackend")
        session = browser.session
        session["assignment"] = world.assignment.pk
        session.save()
        vendor = make_vendor(own, "own pacs")
        _person, person, system, _both = actors_of(world)
        for actor, client, headers in ((person, browser, {}), (system, vendor.client, vendor.headers)):
            decisions = decide_studies(actor, studies.values())
            for study in studies.values():
                is_permitted = decisions[study.pk].permits
                assert is_permitted == expected(actor, study)
                found = doors(client, headers, study)
                assert set(found.values()) == {is_permitted}, (actor.kind, decisions[study.pk], found)
        destination = Destination.objects.create(
            department=own, name="PACS", url="https://pacs.example/studies"
        )
        receiver = receiver_of(destination)
        for study in studies.values():
            facts = facts_of(
                receiver, place_of(receiver, study), read_record(receiver, study.person_id, timezone.now())
            )
            assert (find_obstacle(study, destination) == "") == expect_delivery(facts)
