"""Case 13: two installations that subscribe to each other: what came from one goes to the other, and never back."""

import json
import time
from collections.abc import Callable

import pytest

from tests.support.dicom import StudyFacts, make_series
from tests.support.http import make_pool, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PATIENCE_S = 90.0
SETTINGS = {"SAMSYN_QUIET_S": "1", "SAMSYN_ALLOW_PRIVATE_DESTINATIONS": "on"}
ORGANISE = """
from access.models import CareProvider, CareUnit, Department
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
for number in (1, 2, 3):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{number}", name=f"Hospital {number}")
    Department.objects.create(unit=unit, hsa_id=f"SE1-D{number}", name="Radiology")
"""
SUBSCRIBE = """
from access.models import Department
from access.secrets import seal
from registry.models import Destination, Subscription
department = Department.objects.get(hsa_id="SE1-D3")
destination = Destination.objects.create(
    department=department, name="the other installation", url={url!r}, token_sealed=seal({token!r})
)
Subscription.objects.create(department=department, destination=destination)
"""
READ = """
import json
from registry.models import Change, Destination, Hop, Instance
from repository.models import Attempt, Delivery
print(json.dumps({
    "instances": Instance.objects.count(),
    "stores": Change.objects.filter(kind="store").count(),
    "hops": sorted(Hop.objects.values_list("installation", flat=True).distinct()),
    "deliveries": list(Delivery.objects.order_by("pk").values_list("state", "reason_code")),
    "attempts": Attempt.objects.count(),
    "learned": Destination.objects.get().installation,
}))
"""
NAME = "from registry.hops import installation_name; print(installation_name())"


def read(server: SamsynServer) -> dict[str, object]:
    found = json.loads(server.run_code(READ))
    assert isinstance(found, dict)
    return found


def wait_for(server: SamsynServer, deliveries: list[list[str]]) -> dict[str, object]:
    """Return what the rows say once the deliveries are as they are to be."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := read(server))["deliveries"] != deliveries:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def store_ct(server: SamsynServer, instances: int) -> None:
    """Store a CT of half a megabyte an image, as the first hospital's system."""
    token = server.issue_token("modality", department="SE1-D1")
    answer = store(
        make_pool(), server.dicomweb_url, token, make_series(StudyFacts(), instances, rows=512, columns=512)
    )
    assert answer.status == 200


def test_nothing_goes_back_to_where_it_came_from(start_embedded: Callable[..., SamsynServer]) -> None:
    first = start_embedded(**SETTINGS, SAMSYN_SECRET_KEY="of the first")
    second = start_embedded(**SETTINGS, SAMSYN_SECRET_KEY="of the second")
    for server in (first, second):
        server.run_code(ORGANISE)
    for server, other in ((first, second), (second, first)):
        token = other.issue_token("the other installation", department="SE1-D2")
        server.run_code(SUBSCRIBE.format(url=f"{other.dicomweb_url}/studies", token=token))
    store_ct(first, 20)
    wait_for(first, [["delivered", "delivered"]])
    found = wait_for(second, [["withdrawn", "came_from_there"]])
    names = [server.run_code(NAME).strip() for server in (first, second)]
    assert names[0] != names[1]
    assert found["hops"] == [names[0]]
    assert found["learned"] == names[0]
    # Once it knows who is there it does not even try.
    store_ct(first, 2)
    wait_for(first, [["delivered", "delivered"]] * 2)
    store_ct(second, 3)
    found = wait_for(second, [["withdrawn", "came_from_there"], ["delivered", "delivered"]])
    assert (found["instances"], found["attempts"]) == (25, 2)
    at_first = wait_for(first, [["delivered", "delivered"]] * 2 + [["withdrawn", "came_from_there"]])
    assert at_first["instances"] == 25
    assert at_first["learned"] == names[1]
    time.sleep(5)
    for server, before in ((first, at_first), (second, found)):
        after = read(server)
        assert (after["stores"], after["deliveries"]) == (before["stores"], before["deliveries"])
