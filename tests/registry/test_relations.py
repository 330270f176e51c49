"""Care relations and choices: what a person declares or chooses, and what follows from what is registered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.models import User
from registry.examinations import relate_from_examination
from registry.models import ActiveChoice, CareRelation, Change, Encounter, Order, Participation
from registry.noted import EndedEntry, InvalidEntry, MissingRight
from registry.relations import (
    choose_unit,
    declare_relation,
    end_relation,
    give_reason,
    note_participation,
    register_relation,
    relate_from_encounter,
    relate_from_order,
    relate_from_referral,
)
from registry.visibility import decide_study
from tests.registry.care import assert_noted, epoch_of, make_doctor, make_officer
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def department():
    return make_department()


@pytest.fixture
def doctor(department):
    return make_doctor(department)


@pytest.fixture
def study(department):
    """A study of the doctor's unit to whose patient nobody has a relation."""
    made = make_study(department)
    CareRelation.objects.all().delete()
    return made


def test_a_declared_relation_is_one_persons_for_a_day(doctor, department, study, settings):
    settings.DECLARED_RELATION_HOURS = 12
    assert decide_study(doctor, study).need == "relation"
    relation = declare_relation(doctor, study.person, reason="covers the ward tonight", door="portal")
    assert decide_study(doctor, study).permits
    assert decide_study(make_doctor(department), study).need == "relation"
    assert relation.valid_to - relation.valid_from == timedelta(hours=12)
    event = assert_noted("relation_declare", "relation", relation, study.person)
    assert (event.detail["stated_reason"], event.door) == ("covers the ward tonight", "portal")


def test_a_declaration_needs_a_person_in_care_and_a_reason(doctor, study):
    with pytest.raises(InvalidEntry, match="reason"):
        declare_relation(doctor, study.person, reason="  x ")
    for actor in (
        make_officer(),
        replace(doctor, purpose="administration"),
        replace(doctor, assignment_id=None),
    ):
        with pytest.raises(MissingRight):
            declare_relation(actor, study.person, reason="covers the ward tonight")
    assert not CareRelation.objects.exists()


def test_a_referral_is_registered_by_hand_for_the_own_unit(doctor, department, study):
    elsewhere = make_department(department.unit.provider)
    options: Any = {"reason": "referral from primary care", "valid_to": timezone.now() + timedelta(days=60)}
    with pytest.raises(MissingRight):
        register_relation(doctor, study.person, elsewhere.unit, **options)
    relation = register_relation(doctor, study.person, department.unit, **options)
    assert decide_study(make_doctor(department), study).permits
    assert_noted("relation_register", "relation", relation, study.person)
    with pytest.raises(InvalidEntry, match="by hand"):
        register_relation(doctor, study.person, department.unit, source="examination", **options)


def test_a_relation_is_ended_by_its_unit_once(doctor, department, study):
    relation = declare_relation(doctor, study.person, reason="covers the ward tonight")
    with pytest.raises(MissingRight):
        end_relation(make_doctor(department, "report"), relation)
    with pytest.raises(MissingRight):
        end_relation(make_doctor(make_department()), relation)
    ended = end_relation(replace(doctor, permissions=frozenset({"read"})), relation)
    assert ended.ended_at is not None
    assert decide_study(doctor, study).need == "relation"
    assert_noted("relation_end", "relation", relation, study.person)
    with pytest.raises(EndedEntry):
        end_relation(doctor, relation)


def test_a_choice_opens_one_unit_of_the_own_provider_for_a_day(department, study, settings):
    settings.CHOICE_HOURS = 6
    neighbour = make_department(department.unit.provider)
    reader = make_doctor(neighbour)
    declare_relation(reader, study.person, reason="covers the ward tonight")
    assert decide_study(reader, study).need == "choice"
    choice = choose_unit(reader, study.person, department.unit, door="portal")
    assert decide_study(reader, study).permits
    assert choice.valid_to - choice.valid_from == timedelta(hours=6)
    event = assert_noted("choice", "choice", choice, study.person)
    assert event.detail["unit"] == department.unit.hsa_id
    with pytest.raises(MissingRight, match="another care provider"):
        choose_unit(reader, study.person, make_department().unit)
    with pytest.raises(MissingRight):
        choose_unit(make_officer(), study.person, department.unit)
    assert ActiveChoice.objects.count() == 1


def test_a_reason_is_given_for_a_patient_who_asks_for_one(doctor, study):
    with pytest.raises(InvalidEntry, match="reason"):
        give_reason(doctor, study.person, reason="work")
    given = give_reason(doctor, study.person, reason="on call, admitted tonight")
    assert given.unit is None
    event = assert_noted("reason_given", "choice", given, study.person)
    assert event.detail["stated_reason"] == "on call, admitted tonight"


def make_order(study, department, **values):
    return Order.objects.create(
        patient=study.person, accession_number="A77", ordering_department=department, **values
    )


def test_orders_encounters_and_referrals_relate_the_unit_that_takes_part(department, study):
    order = make_order(study, department)
    encounter = Encounter.objects.create(
        patient=study.person, number="E5", issuer="1.2.3", department=department
    )
    made = [
        relate_from_order(order),
        relate_from_encounter(encounter),
        relate_from_referral(study.person_id, department.unit_id, "R1"),
    ]
    assert [row.source for row in made] == ["order", "admission", "referral"]
    assert {row.unit_id for row in made} == {department.unit_id}
    assert Change.objects.filter(kind="relation").count() == 3
    assert epoch_of(study.person) == 3
    assert relate_from_order(make_order(study, None, accession_issuer="1.2")) is None


def test_the_same_order_again_moves_the_end_and_raises_no_epoch(department, study):
    order = make_order(study, department)
    first = relate_from_order(order)
    before = epoch_of(study.person)
    assert relate_from_order(order, timezone.now() + timedelta(hours=1)).valid_to == first.valid_to
    later = relate_from_order(order, timezone.now() + timedelta(days=9))
    assert (later.pk, later.valid_to > first.valid_to) == (first.pk, True)
    assert epoch_of(study.person) == before
    assert CareRelation.objects.count() == 1


def examine(study, at):
    study.last_instance_at = at
    return relate_from_examination(study)


def test_an_examination_moves_the_one_row_of_its_unit_forward(department, doctor, study, settings):
    settings.EXAMINATION_RELATION_DAYS = 10
    now = timezone.now()
    assert examine(study, now) is True
    assert decide_study(doctor, study).permits
    row = CareRelation.objects.get()
    assert (row.source, row.unit_id, row.valid_to) == ("examination", department.unit_id, now + timedelta(10))
    assert epoch_of(study.person) == 1
    assert examine(study, now + timedelta(days=3)) is False
    assert examine(study, now - timedelta(days=30)) is False  # what was stored earlier moves nothing back
    row.refresh_from_db()
    assert (row.valid_from, row.valid_to) == (now, now + timedelta(13))
    assert epoch_of(study.person) == 1
    assert CareRelation.objects.count() == 1


def test_an_examination_within_a_day_writes_nothing(study):
    now = timezone.now()
    examine(study, now)
    row = CareRelation.objects.values().get()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert examine(study, now + timedelta(hours=23)) is False
    assert len(queries) == 1
    assert CareRelation.objects.values().get() == row


def test_an_examination_begins_a_relation_anew_that_had_ended(doctor, study, settings):
    settings.EXAMINATION_RELATION_DAYS = 10
    now = timezone.now()
    examine(study, now - timedelta(days=50))
    assert decide_study(doctor, study).need == "relation"
    assert examine(study, now - timedelta(hours=2)) is True
    assert CareRelation.objects.get().valid_from == now - timedelta(hours=2)
    end_relation(doctor, CareRelation.objects.get())
    assert decide_study(doctor, study).need == "relation"
    before = epoch_of(study.person)
    assert examine(study, now) is True
    assert decide_study(doctor, study).permits
    assert epoch_of(study.person) == before + 1


def test_a_study_that_belongs_to_nobody_relates_nobody(study):
    study.custodian = None
    assert relate_from_examination(study) is False


def test_who_took_part_is_noted_once(study):
    user = User.objects.create(username="reporter")
    assert note_participation(study, user, "reported") is True
    assert note_participation(study, user, "reported") is False
    assert Participation.objects.count() == 1
    assert Change.objects.filter(kind="participation").count() == 1
    with pytest.raises(InvalidEntry, match="participation"):
        note_participation(study, user, "watched")
