"""Consents, blocks and lifts are registered and ended by those who keep them, with their history in sight."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Block, BlockLift, Consent
from tests.frontend import factory
from tests.frontend.access_world import (
    CLINICIAN,
    HEAD,
    OFFICER,
    agree,
    block_provider,
    block_unit,
    consent_to_unit,
    log_in,
    open_browser,
    relate,
)

NUMBER = "191212121212"


@pytest.fixture
def doctor(world):
    return log_in(world.region.lund, "doktor", CLINICIAN)


@pytest.fixture
def head(world):
    return log_in(world.region.lund, "chef", HEAD)


def page_of(client, patient, part: str = "decisions") -> str:
    answer = client.get(f"/patients/{patient.pk}/{part}/")
    assert answer.status_code == 200
    page: bytes = answer.content
    return page.decode()


def in_days(days: int) -> str:
    return f"{timezone.localdate() + timedelta(days=days):%Y-%m-%d}"


@pytest.mark.parametrize("recipient", ["person", "unit", "provider"])
def test_consent_is_registered_for_whom_it_is_given(world, doctor, recipient):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    study = factory.make_study(world.patient, world.region.private, study_description="MR hjärna")
    page = page_of(doctor, world.patient, "consents/new")
    assert "Read to the patient (text 2026-1)" in page
    assert "Everybody at Åstads universitetssjukhus" in page
    values = {"kind": "consent", "recipient": recipient, "valid_through": in_days(30)}
    answer = doctor.post(f"/patients/{world.patient.pk}/consents/new/", values, follow=True)
    page = answer.content.decode()
    assert "The consent is registered." in page
    assert "MR hjärna</a>" in page
    row = Consent.objects.get()
    given = (row.recipient_user_id, row.recipient_unit_id, row.recipient_provider_id)
    assert [key is not None for key in given] == [recipient == one for one in ("person", "unit", "provider")]
    assert row.text_version == "2026-1"
    assert timezone.localtime(row.valid_to).date() == timezone.localdate() + timedelta(days=31)
    assert (
        AuditEvent.objects.filter(action="read", study_instance_uid=study.study_instance_uid).get().rule
        == "9"
    )


def test_lasting_incapacity_needs_its_three_texts(world, doctor):
    address = f"/patients/{world.patient.pk}/consents/new/"
    values = {"kind": "incapacity", "recipient": "unit", "valid_through": in_days(30)}
    page = doctor.post(address, values).content.decode()
    assert page.count("Needed when the patient cannot decide.") == 6
    told = {"assessed_by": "Dr Ek", "attitude": "enligt dottern positiv", "necessary_care": "tumörvård"}
    doctor.post(address, values | told)
    row = Consent.objects.get()
    assert (row.kind, row.basis, row.text_version) == ("incapacity", told, "")
    assert "Assessed by: Dr Ek" in page_of(doctor, world.patient)


@pytest.mark.parametrize("day", ["", "2020-01-01", "9999-12-31", "x"])
def test_consent_ends_on_a_day_ahead(world, doctor, day):
    values = {"kind": "consent", "recipient": "unit", "valid_through": day}
    page = doctor.post(f"/patients/{world.patient.pk}/consents/new/", values).content.decode()
    assert "This has to be corrected:" in page
    assert not Consent.objects.exists()


def test_consent_is_withdrawn_and_stays_in_the_history(world, doctor):
    row = consent_to_unit(world.patient, world.region.lund)
    page = page_of(doctor, world.patient)
    assert "Holds" in page
    answer = doctor.post(f"/patients/{world.patient.pk}/consents/{row.pk}/withdraw/", follow=True)
    page = answer.content.decode()
    assert "The consent is withdrawn." in page
    assert "Withdrawn" in page
    assert "by Maria Nilsson" in page
    again = doctor.post(f"/patients/{world.patient.pk}/consents/{row.pk}/withdraw/", follow=True)
    assert "It has ended already" in again.content.decode()


def test_block_is_registered_shown_and_cancelled(world, head):
    address = f"/patients/{world.patient.pk}/blocks/new/"
    values = {"holder": str(world.region.lund.unit_id), "data_from": "2026-01-01", "asked_by": "patient"}
    answer = head.post(address, values | {"is_silent": "on"}, follow=True)
    page = answer.content.decode()
    assert "The block is registered." in page
    assert "Block of Åstads universitetssjukhus" in page
    assert "Silent" in page
    row = Block.objects.get()
    assert (row.data_from, row.is_silent, row.is_absolute) == ("20260101", True, False)
    again = head.post(address, values | {"is_silent": "on"}).content.decode()
    assert "The same data are blocked already." in again
    address = f"/patients/{world.patient.pk}/blocks/{row.pk}/cancel/"
    assert "This has to be corrected:" in head.post(address, {}).content.decode()
    page = head.post(address, {"reason": "patienten ångrade sig"}, follow=True).content.decode()
    assert "The block is cancelled." in page
    assert "patienten ångrade sig" in page


def test_outer_block_covers_the_whole_provider(world, head):
    values = {"holder": "provider", "asked_by": "representative"}
    head.post(f"/patients/{world.patient.pk}/blocks/new/", values)
    assert Block.objects.get().provider == world.region.lund.unit.provider


@pytest.mark.parametrize("holder", ["private", "999", ""])
def test_block_of_what_others_hold_is_not_offered(world, head, holder):
    value = str(world.region.private.unit_id) if holder == "private" else holder
    page = head.post(
        f"/patients/{world.patient.pk}/blocks/new/", {"holder": value, "asked_by": "patient"}
    ).content.decode()
    assert "This has to be corrected:" in page
    assert not Block.objects.exists()


def test_block_is_lifted_for_days_and_closed_again(world, head):
    row = block_unit(world.patient, world.region.lund)
    address = f"/patients/{world.patient.pk}/blocks/{row.pk}/lift/"
    values = {
        "basis": "consent",
        "unit": world.region.ystad.unit_id,
        "reach": "unit",
        "requested_by": "patienten",
        "reason": "behandling där i veckan",
        "days": "7",
    }
    assert "This has to be corrected:" in head.post(address, values | {"days": "8"}).content.decode()
    page = head.post(address, values, follow=True).content.decode()
    assert "The block is lifted." in page
    assert "Lifted for Östermåla lasarett, everybody there" in page
    lift = BlockLift.objects.get()
    assert lift.valid_to - lift.valid_from <= timedelta(days=7)
    page = head.post(f"/patients/{world.patient.pk}/lifts/{lift.pk}/end/", follow=True).content.decode()
    assert "The block is closed again." in page
    assert "Ended" in page


def test_lift_asks_for_a_second_factor(world, head, settings):
    row = block_unit(world.patient, world.region.lund)
    settings.STEP_UP = True
    answer = head.get(f"/patients/{world.patient.pk}/blocks/{row.pk}/lift/")
    assert answer.headers["Location"].startswith("/accounts/2fa/")


def test_absolute_block_offers_no_lift(world, head):
    row = block_unit(world.patient, world.region.lund, is_absolute=True)
    assert "/lift/" not in page_of(head, world.patient)
    values = {"basis": "consent", "unit": world.region.ystad.unit_id, "reach": "unit", "days": "1"}
    told = {"requested_by": "patienten", "reason": "behandling där i veckan"}
    page = head.post(f"/patients/{world.patient.pk}/blocks/{row.pk}/lift/", values | told).content.decode()
    assert "The block is absolute" in page


def test_silent_block_of_another_provider_is_shown_to_nobody_here(world, head):
    factory.make_study(world.patient, world.region.private)
    row = block_provider(world.patient, world.region.private, is_silent=True)
    page = page_of(head, world.patient)
    assert "Bildkliniken Fyren" not in page
    assert "No block is registered that you keep." in page
    for act in ("cancel", "lift"):
        assert head.get(f"/patients/{world.patient.pk}/blocks/{row.pk}/{act}/").status_code == 404


def test_who_keeps_blocks_finds_a_patient_by_number_only_and_reads_no_study(world):
    officer = log_in(world.region.lund, "dataskydd", OFFICER)
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    factory.make_study(patient, world.region.ystad, study_description="Hemlig")
    address = f"/patients/{patient.pk}/decisions/"
    assert officer.get(address).status_code == 404
    assert (
        "No patient has this number." in officer.post("/decisions/", {"q": "191011111232"}).content.decode()
    )
    answer = officer.post("/decisions/", {"q": "19121212-1212"})
    assert answer.headers["Location"] == address
    page = officer.get(address).content.decode()
    assert "Tolvan Tolvansson" in page
    assert "Hemlig" not in page
    assert officer.get(f"/patients/{patient.pk}/").status_code == 403
    assert AuditEvent.objects.filter(action="search").latest("pk").detail["patients"] == [patient.pk]
    assert AuditEvent.objects.get(action="consent_read").patient_id == patient.pk


def test_consents_need_a_relation_and_the_right(world, doctor, portal):
    patient = factory.make_patient("Tolvansson^Tolvan", NUMBER)
    factory.make_study(patient, world.region.ystad)
    address = f"/patients/{patient.pk}/consents/new/"
    assert doctor.get(address).status_code == 404
    relate(patient, world.region.lund)
    assert doctor.get(address).status_code == 200
    assert portal.get(address).status_code == 403
    assert portal.get(f"/patients/{patient.pk}/decisions/").status_code == 403
    assert doctor.get(f"/patients/{patient.pk}/blocks/new/").status_code == 403
    assert doctor.get("/decisions/").status_code == 403


def test_nobody_keeps_their_own_record(world):
    number = "195103051230"
    user = factory.make_person(None, "själv", national_number=number)
    factory.assign(user, world.region.lund, "Chef", HEAD)
    client = open_browser(user)
    base = f"/patients/{world.patient.pk}/"
    for part in ("", "decisions/", "consents/new/", "blocks/new/", "relation/"):
        assert client.get(f"{base}{part}").status_code == 404, part
    assert "No patient has this number." in client.post("/decisions/", {"q": number}).content.decode()
    page = client.post("/log/patient/", {"number": number}).content.decode()
    assert "does not speak of a patient with this number" in page
