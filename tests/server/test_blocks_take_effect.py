"""A block that is registered over the management API closes a study to the next request, in every worker process."""

from typing import Any

import pytest
import requests

from tests.support.dicom import PERSONAL_NUMBER, StudyFacts, make_ct
from tests.support.http import bearer, make_pool, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

ORGANISATION = """
from access.models import CareProvider, CareUnit, Department
provider = CareProvider.objects.create(hsa_id="SE-P", name="Region")
for name in ("A", "B"):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE-{name}", name=f"Hospital {name}")
    Department.objects.create(unit=unit, hsa_id=f"SE-{name}-D", name="Radiology")
"""
DELIVERED = """
from access.database import run_write
from access.models import Department
from registry.models import Study
from registry.shares import share_by_delivery
study, department = Study.objects.get(), Department.objects.get(hsa_id="SE-B-D")
run_write(lambda: share_by_delivery(study, department))
"""
ROUNDS = 8
"""Requests after each change: enough that both worker processes answer some."""


def test_a_block_closes_a_delivered_study_at_once_and_its_cancellation_opens_it(start_samsyn):
    server: SamsynServer = start_samsyn()
    server.run_code(ORGANISATION)
    sender = server.issue_token("pacs a", department="SE-A-D")
    receiver = server.issue_token("pacs b", department="SE-B-D")
    registrar = server.issue_token("blocks a", department="SE-A-D", scopes=("consent",))
    facts = StudyFacts()
    assert store(make_pool(), server.dicomweb_url, sender, [make_ct(facts)]).status == 200
    url = f"{server.dicomweb_url}/studies/{facts.study_instance_uid}"

    def read(token: str) -> set[int]:
        answers = [requests.get(url, headers=bearer(token), timeout=30).status_code for _ in range(ROUNDS)]
        return set(answers)

    def ask(path: str, **body: Any) -> dict[str, object]:
        answer = requests.post(
            f"{server.url}/api/v1/{path}", json=body, headers=bearer(registrar), timeout=30
        )
        assert answer.ok, answer.text
        said: dict[str, object] = answer.json()
        return said

    assert read(receiver) == {404}
    server.run_code(DELIVERED)
    assert read(receiver) == {200}
    patient = ask("patients/find", value=PERSONAL_NUMBER)["patient"]
    path = f"patients/{patient}/blocks"
    block = ask(path, unit="SE-A")
    assert read(receiver) == {404}  # the first request after it included
    assert read(sender) == {200}
    ask(f"{path}/{block['id']}/cancel", reason="the patient took it back")
    assert read(receiver) == {200}
