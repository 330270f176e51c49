"""Own unit, other units, other providers, systems, nobody: what lists and single reads agree on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from access.actor import Actor, Scope
from registry.access_rows import read_record
from registry.models import ActiveChoice, CareRelation, Home, Study
from registry.reading import permit_reading
from registry.visibility import (
    UnknownStudy,
    decide_study,
    may_see,
    permitted_study,
    visible_studies,
)
from tests.registry.factories import (
    make_actor,
    make_department,
    make_region_actor,
    make_relation,
    make_share,
    make_study,
    make_uid,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def department():
    return make_department()


def make_system(department) -> Actor:
    person = make_actor(department)
    return replace(person, kind="system", subject="pacs")


def assert_sees(actor: Actor, studies: list[Study], expected: list[bool]) -> None:
    assert [may_see(actor, study) for study in studies] == expected
    assert {study.pk for study in visible_studies(actor)} == {
        study.pk for study, is_seen in zip(studies, expected, strict=True) if is_seen
    }


def test_people_see_their_own_unit_and_systems_too(department):
    neighbour = make_department(department.unit.provider)
    foreign = make_department()
    studies = [make_study(d) for d in (department, neighbour, foreign)]
    for kind in (make_actor, make_system):
        assert_sees(kind(department), studies, [True, False, False])
        assert_sees(kind(neighbour), studies, [False, True, False])
        assert_sees(kind(foreign), studies, [False, False, True])
    assert_sees(make_region_actor(), studies, [True, True, True])


def test_without_a_relation_the_own_unit_is_closed_to_people(department):
    study = make_study(department)
    CareRelation.objects.all().delete()
    assert_sees(make_actor(department), [study], [False])
    assert decide_study(make_actor(department), study).need == "relation"
    assert_sees(make_system(department), [study], [True])


def test_another_unit_opens_by_relation_and_choice(department, django_user_model):
    neighbour = make_department(department.unit.provider)
    study = make_study(neighbour)
    actor = replace(make_actor(department), assignment_id=make_assignment(department, django_user_model))
    make_relation(study.person, department.unit)
    assert decide_study(actor, study).need == "choice"
    now = timezone.now()
    ActiveChoice.objects.create(
        patient=study.person,
        assignment_id=actor.assignment_id,
        unit=neighbour.unit,
        valid_from=now,
        valid_to=now + timedelta(hours=1),
    )
    assert_sees(actor, [study], [True])
    assert permitted_study(actor, study.study_instance_uid).decision.rule == "8"


def test_what_is_shared_is_seen_by_the_department_it_is_shared_with(department):
    foreign = make_department()
    study = make_study(foreign)
    make_share(study, department)
    assert_sees(make_actor(department), [study], [True])
    assert permitted_study(make_actor(department), study.study_instance_uid).decision.rule == "12"
    assert_sees(make_system(department), [study], [False])


def test_what_was_delivered_is_seen_by_the_department_s_systems_and_not_by_people(department):
    study = make_study(make_department(department.unit.provider))
    make_share(study, department, basis="delivery")
    assert_sees(make_system(department), [study], [True])
    assert_sees(make_actor(department), [study], [False])


def test_a_study_in_conflict_is_seen_by_its_custodian_department_only(department):
    neighbour = make_department(department.unit.provider)
    study = make_study(department, in_conflict=True)
    Home.objects.filter(study=study).update(unit=None)
    assert_sees(make_actor(department), [study], [True])
    assert_sees(make_actor(neighbour), [study], [False])
    assert_sees(make_region_actor(), [study], [True])


def test_a_conflict_closes_what_was_permitted_a_moment_ago(department):
    study = make_study(make_department())
    make_share(study, department)
    actor = make_actor(department)
    assert permitted_study(actor, study.study_instance_uid).pk == study.pk
    Study.objects.filter(pk=study.pk).update(in_conflict=True)
    with pytest.raises(UnknownStudy):
        permitted_study(actor, study.study_instance_uid)


def test_without_the_read_permission_nothing_is_visible(department):
    study = make_study(department)
    actor = Actor("system", "sender", make_actor(department).scope, frozenset({"store"}))
    assert_sees(actor, [study], [False])
    with pytest.raises(UnknownStudy):
        permitted_study(actor, study.study_instance_uid)


def test_an_assignment_for_another_purpose_sees_nothing(department):
    study = make_study(department)
    assert_sees(replace(make_actor(department), purpose="statistics"), [study], [False])


def test_a_scope_without_a_place_sees_nothing(department):
    study = make_study(department)
    assert_sees(Actor("person", "nobody", Scope(), frozenset({"read"})), [study], [False])


def test_a_system_that_asks_for_a_person_sees_what_both_may(department):
    foreign = make_department()
    studies = [make_study(department), make_study(foreign)]
    asked = replace(make_region_actor(), on_behalf_of=make_actor(department))
    assert_sees(asked, studies, [True, False])
    assert_sees(replace(asked, permissions=frozenset({"store"})), studies, [False, False])


def test_as_many_rows_are_read_where_there_is_no_study_as_for_the_one_hidden_last(department, monkeypatch):
    hidden, outside = make_study(make_department()), make_system(department)
    read = []

    def watch(actor, patient, now):
        read.append(patient)
        return read_record(actor, patient, now)

    monkeypatch.setattr("registry.visibility.read_record", watch)
    for uid in (hidden.study_instance_uid, "1.2.3", make_uid()):
        with pytest.raises(UnknownStudy) as refused:
            permitted_study(outside, uid)
        told = refused.value.person_id, refused.value.decision.reason
        assert told == (
            (hidden.person_id, "not_delivered") if uid == hidden.study_instance_uid else (None, "unknown")
        )
    assert read == [hidden.person_id] * 3


def test_unknown_and_invisible_are_the_same_by_the_same_queries(department, django_assert_num_queries):
    study = make_study(make_department())
    actor = make_actor(department)
    messages = []
    for uid in (study.study_instance_uid, make_uid()):
        with django_assert_num_queries(2), pytest.raises(UnknownStudy) as raised:
            permitted_study(actor, uid)
        messages.append((str(raised.value), type(raised.value)))
        with django_assert_num_queries(3), pytest.raises(UnknownStudy):
            permit_reading(actor, uid, door="test")
    assert len(set(messages)) == 1


def make_assignment(department, django_user_model) -> int:
    from tests.frontend.factory import assign

    user = django_user_model.objects.create_user("reader")
    return assign(user, department).pk
