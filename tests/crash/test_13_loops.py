"""Case 13: two installations that subscribe to each other: a study goes there, and does not circle."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.test_delivery_orthanc import SETTINGS, wait_for
from tests.support.dicom import StudyFacts, make_series
from tests.support.http import make_pool, read_sop_instance_uid, retrieve_study, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

REGION = """
from access.models import CareProvider, CareUnit, Department
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
for number in (1, 2):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{number}", name=f"Hospital {number}")
    Department.objects.create(unit=unit, hsa_id=f"SE1-D{number}", name="Radiology")
"""
SUBSCRIBE = """
from access.models import Department
from access.secrets import seal
from registry.models import Destination, Subscription
department = Department.objects.get(hsa_id={department!r})
where = Destination.objects.create(
    department=department, name="the other", url={url!r}, token_sealed=seal({token!r})
)
Subscription.objects.create(department=department, destination=where)
"""
READ = """
import json
from registry.models import Instance
from repository.models import Delivery, DeliveryItem
print(json.dumps({
    "states": sorted(Delivery.objects.values_list("state", flat=True)),
    "instances": Instance.objects.count(),
    "items": DeliveryItem.objects.count(),
}))
"""
CIRCLES_S = 8.0
"""Long enough for several rounds: a study is quiet after a second, planned and sent within another."""


def read(server: SamsynServer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.run_code(READ))
    return found


def subscribe(server: SamsynServer, department: str, other: SamsynServer, token: str) -> None:
    """Let a department of one installation have everything sent to the other installation."""
    url = f"{other.dicomweb_url}/studies"
    server.run_code(SUBSCRIBE.format(department=department, url=url, token=token))


def test_two_installations_that_subscribe_to_each_other(start_embedded: Callable[..., SamsynServer]) -> None:
    here, there = start_embedded(**SETTINGS), start_embedded(**SETTINGS)
    for server in (here, there):
        server.run_code(REGION)
    # Each is known at the other as the system of the hospital that it stands for.
    subscribe(here, "SE1-D2", there, there.issue_token("here", department="SE1-D1"))
    subscribe(there, "SE1-D2", here, here.issue_token("there", department="SE1-D2"))
    hospital = here.issue_token("hospital", department="SE1-D1")
    facts = StudyFacts()
    files = make_series(facts, 4)
    uids = {read_sop_instance_uid(file): file for file in files}
    assert store(make_pool(), here.dicomweb_url, hospital, files).status == 200
    wait_for(lambda: read(there)["instances"] == 4, "the study at the other installation")
    time.sleep(CIRCLES_S)
    assert read(here) == {"states": ["delivered"], "instances": 4, "items": 4}
    back = read(there)
    assert back["instances"] == 4
    assert len(back["states"]) <= 1, "it may be offered back once, and is not stored anew"
    assert set(back["states"]) <= {"delivered", "withdrawn"}, (
        "stored anew nowhere, or known to have come from there"
    )
    token = there.issue_token("reader", department="SE1-D1")
    arrived = retrieve_study(make_pool(), there.dicomweb_url, token, facts.study_instance_uid)
    assert set(arrived) == set(uids)
