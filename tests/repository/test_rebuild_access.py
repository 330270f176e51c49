"""The database is lost: what patients decided and who takes part in their care comes back from the journal."""

import shutil
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import Assignment, AuditEvent, Department, SharingAgreement, User
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import Recipient, register_consent, withdraw_consent
from registry.consent.lifts import lift_block
from registry.emergency import locate, open_patient, review_opening
from registry.flags import add_relative, end_flag, set_flag
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    CareRelation,
    Change,
    Consent,
    EmergencyOpening,
    EmergencyReview,
    Home,
    Notice,
    Participation,
    Patient,
    PatientFlag,
    PatientIdentifier,
    Relative,
    Share,
    Study,
)
from registry.rebuilt import confirm_rebuilt
from registry.relations import (
    choose_unit,
    declare_relation,
    end_relation,
    note_participation,
    register_relation,
)
from registry.shares import share_study, withdraw_share
from registry.visibility import decide_study
from repository.journal.duty import verify_journal, write_journal
from repository.journal.rows import ROW_KINDS, describe_row
from repository.rebuild.rebuild import rebuild
from tests.registry.care import make_doctor, make_officer, make_patient
from tests.registry.factories import make_department
from tests.repository.test_rebuild import lose_database, store

pytestmark = pytest.mark.django_db

ADMIN = Actor("system", "tool", Scope(region_wide=True), frozenset({"read"}))
WHY = {"reason_code": "unconscious", "reason": "found unconscious, cannot be asked"}
ACCESS_ROWS = (
    EmergencyReview, EmergencyOpening, BlockLift, Block, Consent, PatientFlag, Relative, ActiveChoice,
    CareRelation, Participation, Share, Notice,
)  # fmt: skip


def lose_everything():
    """Lose the database, and with it everybody's account; what refers to a patient goes first."""
    write_journal()
    for model in ACCESS_ROWS:
        model.objects.all().delete()
    Assignment.objects.all().delete()
    User.objects.all().delete()
    Group.objects.all().delete()
    SharingAgreement.objects.all().delete()
    lose_database()


def told(kind):
    """Return every row of a kind as the journal names it, whatever its key is in this database."""
    rows = ROW_KINDS[kind].model._default_manager.all()
    lines = [next(describe_row(Change(kind=kind, detail={"row": row.pk}), {})) for row in rows]
    return sorted((line["values"] for line in lines), key=str)


def agree(*departments):
    agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
    agreement.parties.add(*(department.unit.provider for department in departments))


@pytest.fixture
def hospital(department):
    """Another provider's department; the two share documentation."""
    made = make_department()
    agree(department, made)
    return made


@pytest.fixture
def study(vendor):
    return Study.objects.get(study_instance_uid=store(vendor))


def decide_everything(study, department, hospital):
    """Register one of everything and end some of it."""
    doctor, custodian, patient = make_doctor(hospital), make_doctor(department), study.person
    end = timezone.now() + timedelta(days=5)
    to_hospital = Recipient(unit_id=hospital.unit_id)
    register_consent(doctor, patient, to_hospital, valid_to=end, text_version="1")
    withdraw_consent(doctor, register_consent(doctor, patient, to_hospital, valid_to=end, text_version="2"))
    block = register_block(custodian, patient, Holder(unit_id=department.unit_id), is_silent=True)
    lift_block(
        custodian,
        block,
        hospital.unit,
        basis="consent",
        requested_by="the patient",
        reason="operation tomorrow",
        valid_to=end,
        user=User.objects.get(pk=doctor.subject_id),
    )
    mistaken = register_block(custodian, patient, Holder(provider_id=department.unit.provider_id))
    cancel_block(custodian, mistaken, reason="by mistake")
    end_flag(custodian, set_flag(custodian, patient, "vip"))
    set_flag(custodian, patient, "vip")
    add_relative(doctor, patient, User.objects.get(pk=doctor.subject_id))
    declare_relation(doctor, patient, reason="covers the ward tonight")
    register_relation(doctor, patient, hospital.unit, reason="referral from primary care", valid_to=end)
    choose_unit(doctor, patient, hospital.unit)
    opening = locate(doctor, patient, **WHY).opening
    open_patient(doctor, opening, check_second_factor=lambda: None)
    review_opening(make_doctor(hospital), opening, verdict="question", text="which care was it?")
    share_study(custodian, study, hospital, basis="referral", valid_to=end)
    withdraw_share(custodian, share_study(custodian, study, hospital, basis="transfer"))
    note_participation(study, User.objects.get(pk=custodian.subject_id), "reported")


def test_everything_comes_back_as_it_was(study, department, hospital):
    decide_everything(study, department, hospital)
    before = {kind: told(kind) for kind in ROW_KINDS}
    assert all(before.values())
    lose_everything()
    assert not any(told(kind) for kind in ROW_KINDS)
    report = rebuild()
    assert report.faults == []
    assert {kind: told(kind) for kind in ROW_KINDS} == before
    # what follows from the examination comes back with the pack
    examined = CareRelation.objects.filter(source="examination").count()
    assert report.rows == sum(len(rows) for rows in before.values()) - examined
    assert AuditEvent.objects.get(action="rebuild_index").detail["rows"] == report.rows
    assert Patient.objects.get().access_epoch > 0
    assert verify_journal() == []


def test_people_come_back_switched_off_and_their_openings_open_nothing(study, department, hospital):
    decide_everything(study, department, hospital)
    lose_everything()
    rebuild()
    assert set(User.objects.values_list("is_active", flat=True)) == {False}
    assert not any(user.has_usable_password() for user in User.objects.all())
    assignment = EmergencyOpening.objects.get().assignment
    assert (assignment.valid_to, assignment.group.permissions.count()) == (assignment.valid_from, 0)


def test_a_study_stays_closed_until_it_is_confirmed_and_its_block_closes_it_then(study, department, hospital):
    doctor = make_doctor(hospital)
    register_consent(
        doctor,
        study.person,
        Recipient(unit_id=hospital.unit_id),
        valid_to=timezone.now() + timedelta(days=5),
        text_version="1",
    )
    register_relation(
        doctor,
        study.person,
        hospital.unit,
        reason="referral from primary care",
        valid_to=timezone.now() + timedelta(days=5),
    )
    custodian = make_doctor(department)
    register_block(custodian, study.person, Holder(provider_id=department.unit.provider_id))
    lose_everything()
    rebuild()
    home = Department.objects.get(hsa_id=department.hsa_id)
    away = Department.objects.get(hsa_id=hospital.hsa_id)
    agree(home, away)
    reader, again = make_doctor(away), Study.objects.get()
    assert decide_study(reader, again).reason == "closed"
    confirm_rebuilt(ADMIN, door="test")
    again.refresh_from_db()
    assert decide_study(reader, again).reason == "blocked"
    cancel_block(make_doctor(home), Block.objects.get(), reason="the patient took it back")
    assert decide_study(reader, again).permits


def test_what_is_shared_comes_back_into_the_lists_when_it_is_confirmed(study, department, hospital):
    share_study(make_doctor(department), study, hospital, basis="referral")
    lose_everything()
    rebuild()
    rows = Home.objects.filter(department__hsa_id=hospital.hsa_id)
    assert not rows.exists()
    confirm_rebuilt(ADMIN, door="test")
    assert [home.modality for home in rows] == ["CT"]


def test_an_older_copy_learns_what_came_after_it(study, department, hospital):
    custodian = make_doctor(department)
    kept = register_block(custodian, study.person, Holder(unit_id=department.unit_id))
    cancel_block(custodian, kept, reason="the patient took it back")
    lost = register_block(custodian, study.person, Holder(unit_id=department.unit_id), is_silent=True)
    write_journal()
    before = told("block")
    Block.objects.filter(pk=lost.pk).delete()
    Block.objects.filter(pk=kept.pk).update(cancelled_at=None, cancelled_by="", cancel_reason="")
    report = rebuild()
    assert (report.rows, report.faults) == (2, [])
    assert told("block") == before
    assert rebuild().rows == 2
    assert told("block") == before
    assert Block.objects.count() == 2


def test_an_ended_relation_of_an_examination_stays_ended_until_the_next_one(study, department, vendor):
    unit = department.unit
    now = timezone.now()
    ended, _ = CareRelation.objects.get_or_create(
        patient=study.person,
        unit=unit,
        source="examination",
        defaults={"valid_from": now, "valid_to": now + timedelta(days=9)},
    )
    end_relation(make_doctor(department), ended)
    write_journal()
    CareRelation.objects.update(ended_at=None)
    rebuild()
    assert CareRelation.objects.get().ended_at is not None
    CareRelation.objects.update(ended_at=None, valid_to=ended.valid_to + timedelta(days=30))
    rebuild()
    assert CareRelation.objects.get().ended_at is None


def test_a_declaration_that_ran_out_does_not_come_back(study, department):
    relation = declare_relation(make_doctor(department), study.person, reason="covers the ward tonight")
    past = timezone.now() - timedelta(hours=1)
    CareRelation.objects.filter(pk=relation.pk).update(valid_to=past)
    lose_everything()
    rebuild()
    assert not CareRelation.objects.filter(source="self_declared").exists()


def test_a_patient_without_studies_comes_back_with_what_was_decided(department):
    patient = make_patient("191301019999", "Ek^Olle")
    set_flag(make_officer(), patient, "protected_3")
    lose_everything()
    rebuild()
    [flag] = PatientFlag.objects.all()
    assert (flag.patient.patient_name, flag.patient.patient_name_folded) == ("Ek^Olle", "ek^olle")
    assert list(PatientIdentifier.objects.values_list("value", "is_national")) == [("191301019999", True)]


def test_a_patient_without_a_number_is_found_by_the_studies(vendor, department):
    study = Study.objects.get(study_instance_uid=store(vendor, patient_id=""))
    assert not study.person.identifiers.exists()
    set_flag(make_officer(), study.person, "vip")
    lose_everything()
    rebuild()
    assert PatientFlag.objects.get().patient == Study.objects.get().person


def test_a_row_that_names_what_is_gone_is_told_and_holds_up_nothing(
    study, department, hospital, objects_root
):
    custodian = make_doctor(department)
    share_study(custodian, study, hospital, basis="referral")
    set_flag(custodian, study.person, "staff")
    lose_everything()
    shutil.rmtree(objects_root / "packs")
    report = rebuild()
    [fault] = report.faults
    assert f"there is no study {study.study_instance_uid}" in fault
    assert (PatientFlag.objects.count(), Share.objects.count()) == (1, 0)
