"""Searches that are too broad for the time they are given, over HTTP."""

import pytest
from django.utils import timezone

from registry.models import Patient, Study
from tests.repository.conftest import Vendor, make_vendor

ROWS = 10_000
"""PostgreSQL counts whole milliseconds: it must take more than one to look through them."""


@pytest.fixture
def region(transactional_db: None) -> Vendor:
    """A region-wide client of an archive that takes a moment to look through."""
    now = timezone.now()
    person = Patient.objects.create(patient_name="X")
    Study.objects.bulk_create(
        Study(
            study_instance_uid=f"1.2.{number}",
            person=person,
            patient_name_folded=f"a{number}^{'b' * 300}",
            number_of_study_related_instances=1,
            first_instance_at=now,
            last_instance_at=now,
            visible_at=now,
        )
        for number in range(ROWS)
    )
    return make_vendor(None, "region", ("read",))


def test_a_search_that_takes_too_long_says_how_to_ask_for_less(region: Vendor, settings) -> None:
    query = "PatientName=*c*b*c*b*c*"
    assert region.get(f"/studies?{query}").status_code == 200
    settings.SEARCH_TIMEOUT_S = 0.0001
    for path in ("/studies", "/series", "/studies/count"):
        response = region.get(f"{path}?{query}")
        assert response.status_code == 413, path
        assert "PatientID" in response.json()["error"]
    settings.SEARCH_TIMEOUT_S = 10
    assert region.get(f"/studies?{query}").status_code == 200
