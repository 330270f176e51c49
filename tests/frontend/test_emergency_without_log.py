"""The access log cannot be written: everything is refused but an emergency in the own unit, which is kept on the disk."""

import pytest

from access import audit, audit_spool
from access.models import AuditEvent
from registry.models import EmergencyOpening, Notice, Study
from tests.frontend import factory
from tests.frontend.access_world import CLINICIAN, block_unit, log_in, relate
from tests.repository.conftest import make_vendor
from tests.support import dicom
from tests.support.refused_audit import refused_audit

STEP_ONE = {"reason_code": "unconscious", "reason": "Medvetslös efter fall från stege"}


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def studies(world, settings, tmp_path) -> tuple[Study, Study]:
    """A study that the own unit keeps, permitted by a relation, and one of another unit that is blocked."""
    settings.AUDIT_SPOOL_ROOT = str(tmp_path / "spool")
    audit._touches.clear()
    facts = dicom.StudyFacts(patient_id="191212121212")
    assert make_vendor(world.region.lund, "ct").store(dicom.make_ct(facts)).status_code == 200
    own = Study.objects.get(study_instance_uid=facts.study_instance_uid)
    patient = own.person
    relate(patient, world.region.lund)
    other = factory.make_study(patient, world.region.ystad)
    block_unit(patient, world.region.ystad)
    return own, other


def status(client, study: Study) -> tuple[int, int]:
    """Ask for a study in the portal and by DICOMweb."""
    uid = study.study_instance_uid
    page, metadata = client.get(f"/studies/{uid}/"), client.get(f"/dicom-web/studies/{uid}/metadata")
    metadata.getvalue()
    return page.status_code, metadata.status_code


def test_an_emergency_in_the_own_unit_goes_on_and_is_recorded_later(world, studies):
    own, other = studies
    doctor = log_in(world.region.lund, "doktor", CLINICIAN)
    before = AuditEvent.objects.count()
    with refused_audit():
        assert status(doctor, own) == (503, 503)  # by a relation: that is no emergency
        answer = doctor.post(f"/patients/{own.person_id}/emergency/", STEP_ONE)
        opening = EmergencyOpening.objects.get()
        assert answer.headers["Location"] == f"/emergency/{opening.pk}/"
        assert doctor.post(f"/emergency/{opening.pk}/", {"hours": 1}).status_code == 302
        assert status(doctor, own) == (200, 200)
        page = doctor.get(f"/studies/{other.study_instance_uid}/")
        assert page.status_code == 503  # what others keep stays closed
        assert AuditEvent.objects.count() == before
    assert Notice.objects.filter(unit=world.region.lund.unit).exists()
    spooled = audit_spool.count_spooled()
    assert audit_spool.replay() == spooled
    rows = AuditEvent.objects.filter(pk__gt=0).order_by("pk")[before:]
    told = [(row.action, row.rule, row.door, row.study_instance_uid) for row in rows]
    uid = own.study_instance_uid
    assert told == [
        ("emergency_locate", "", "portal", ""),
        ("emergency_open", "", "portal", ""),
        ("read", "13", "portal", uid),
        ("read", "13", "wado", uid),
    ]
    assert {row.actor for row in rows} == {"doktor"}
    assert [row.recorded_at for row in rows] == sorted(row.recorded_at for row in rows)
    assert rows[0].detail["stated_reason"] == STEP_ONE["reason"]


def test_without_a_disk_nothing_opens(world, studies, settings, tmp_path):
    own, _other = studies
    doctor = log_in(world.region.lund, "doktor", CLINICIAN)
    (tmp_path / "file").write_text("")
    settings.AUDIT_SPOOL_ROOT = str(tmp_path / "file" / "spool")
    with refused_audit():
        assert doctor.post(f"/patients/{own.person_id}/emergency/", STEP_ONE).status_code == 503
    assert not EmergencyOpening.objects.exists()


def test_while_the_log_works_the_own_unit_is_not_named(world, studies):
    own, other = studies
    doctor = log_in(world.region.lund, "doktor", CLINICIAN)
    other.delete()
    answer = doctor.post(f"/patients/{own.person_id}/emergency/", STEP_ONE)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
