"""Without the access log there is no answer: every door says 503, and nothing was done."""

import pytest
from django.db import connection

from access.models import AuditEvent
from registry.models import Instance, Study
from tests.frontend.conftest import portal, world  # noqa: F401 (fixtures)
from tests.repository.conftest import department, objects_root, vendor  # noqa: F401 (fixtures)
from tests.support import dicom

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def break_log(db):
    """Let every write of the log fail, as on a full disk or with a right withdrawn."""
    renamed = []

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
        renamed.append((new, old))

    yield lambda: rename("access_auditevent", "elsewhere")
    for new, old in renamed[:1]:
        rename(new, old)


def refuses(response) -> bool:
    return response.status_code == 503 and 2 <= int(response["Retry-After"]) <= 8


def test_a_system_reads_searches_and_stores_nothing_that_cannot_be_recorded(vendor, break_log):  # noqa: F811
    file = dicom.make_ct()
    assert vendor.store(file).status_code == 200
    study = Study.objects.get().study_instance_uid
    AuditEvent.objects.all().delete()
    break_log()
    metadata = vendor.get(f"/studies/{study}/metadata")
    assert refuses(metadata)
    assert b"access log" in metadata.content
    assert refuses(vendor.get(f"/studies/{study}/series"))
    assert refuses(vendor.store(dicom.make_ct()))
    assert Instance.objects.count() == 1


def test_a_page_says_why_and_shows_nothing(portal, world, break_log):  # noqa: F811
    break_log()
    for path in (f"/patients/{world.patient.pk}/", "/"):
        response = portal.get(path, headers={"accept": "text/html"})
        assert refuses(response), path
        assert "The access log cannot be written" in response.content.decode()
        assert world.patient.patient_name.split("^")[0] not in response.content.decode()
    response = portal.get("/", headers={"accept": "application/json"})
    assert refuses(response)
    assert response.json()["status"] == 503
