"""A prior of another provider waits for the consent, leaves then, and is found at the receiver under its own number."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.dicom import StudyFacts, make_series
from tests.support.http import make_pool, store
from tests.support.orthanc import OrthancServer
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PATIENCE_S = 60.0
SETTINGS = {
    "SAMSYN_QUIET_S": "1",
    "SAMSYN_ALLOW_PRIVATE_DESTINATIONS": "on",
}
SET_UP = """
from datetime import timedelta
from django.utils import timezone
from access.models import CareProvider, CareUnit, Department, SharingAgreement
from registry.models import Destination, Subscription
made = []
for number in (1, 2):
    provider = CareProvider.objects.create(hsa_id=f"SE-P{{number}}", name=f"Provider {{number}}")
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE-U{{number}}", name=f"Hospital {{number}}")
    made.append(Department.objects.create(unit=unit, hsa_id=f"SE-D{{number}}", name="Radiology"))
agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
agreement.parties.set([department.unit.provider for department in made])
destination = Destination.objects.create(
    department=made[1], name="Orthanc", url={url!r}, translates=True, patient_issuer="1.2.752.99.7",
    accession_issuer="SE-TWO",
)
Subscription.objects.create(department=made[1], destination=destination, wants=["images", "priors"], filter={{"modality": ["MR"]}})
"""
ORDER = """
from datetime import timedelta
from django.db import transaction
from django.utils import timezone
from access.models import Department
from registry import changes
from registry.models import Order, PatientIdentifier, Study
study = Study.objects.get()
PatientIdentifier.objects.create(patient=study.person, value="TWO-7", issuer="1.2.752.99.7")
with transaction.atomic():
    order = Order.objects.create(
        patient=study.person, accession_number="L1", accession_issuer="SE-TWO", procedure_text="DT buk",
        performing_department=Department.objects.get(hsa_id="SE-D2"),
        scheduled_at=timezone.now() + timedelta(days=1),
    )
    changes.append("order_changed", "", {"order": order.pk})
"""
CONSENT = """
from datetime import timedelta
from django.utils import timezone
from access.actor import Actor, Scope
from access.models import Department
from registry.consent.consents import Recipient, register_consent
from registry.models import Study
department = Department.objects.select_related("unit").get(hsa_id="SE-D2")
unit = department.unit
actor = Actor(
    kind="system", subject="reception", scope=Scope(department.pk, unit.pk, unit.provider_id),
    permissions=frozenset({"grant_consent"}), department_hsa_id=department.hsa_id,
)
register_consent(
    actor, Study.objects.get().person, Recipient(provider_id=unit.provider_id),
    valid_to=timezone.now() + timedelta(days=30), text_version="1",
)
"""
STATES = """
import json
from repository.models import Delivery
print(json.dumps([[row.kind, row.state, row.reason_code, row.reason] for row in Delivery.objects.order_by("pk")]))
"""


def read_states(server: SamsynServer) -> list[list[str]]:
    found: list[list[str]] = json.loads(server.run_code(STATES))
    return found


def wait_for(is_reached: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_reached():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


def find_by_number(orthanc: OrthancServer, number: str) -> list[dict[str, Any]]:
    """Search the receiver by QIDO-RS for the studies of a patient number."""
    url = f"{orthanc.dicomweb_url}/studies?PatientID={number}&includefield=00080050"
    request = urllib.request.Request(url, headers={"Accept": "application/dicom+json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def test_a_prior_of_another_provider_leaves_with_the_consent_and_not_before(
    start_embedded: Callable[..., SamsynServer], orthanc: OrthancServer
) -> None:
    server = start_embedded(**SETTINGS)
    server.run_code(SET_UP.format(url=f"{orthanc.dicomweb_url}/studies"))
    token = server.issue_token("hospital", department="SE-D1")
    facts = StudyFacts(study_description="DT buk")
    assert (
        store(make_pool(), server.dicomweb_url, token, make_series(facts, 3, rows=16, columns=16)).status
        == 200
    )
    server.run_code(ORDER)
    wait_for(lambda: len(read_states(server)) == 1, lambda: "the prior is planned")
    time.sleep(3)  # long enough for it to leave, if it were let
    assert read_states(server) == [["prior", "awaiting_basis", "consent_missing", ""]]
    assert orthanc.list_instances() == ()
    server.run_code(CONSENT)
    wait_for(lambda: len(orthanc.list_instances()) == 3, lambda: f"it arrives: {read_states(server)}")
    [found] = find_by_number(orthanc, "TWO-7")
    assert found["0020000D"]["Value"] == [facts.study_instance_uid]
    assert "Value" not in found.get("00080050", {})
    assert find_by_number(orthanc, "191212121212") == []
    [any_instance, *_] = orthanc.fetch_json("/instances")
    tags = orthanc.fetch_json(f"/instances/{any_instance}/tags?simplify")
    former = tags["OriginalAttributesSequence"][0]["ModifiedAttributesSequence"][0]
    assert (former["PatientID"], former["AccessionNumber"]) == ("191212121212", "A1")
