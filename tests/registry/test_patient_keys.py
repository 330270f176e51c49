"""A search by any number of a person finds what lies under all of them, and nobody else's."""

import pytest
from django.db import connection

from registry.identity import PatientNumber
from registry.matching import make_match
from registry.merges import merge, undo
from registry.models import Study
from registry.patient_keys import widen_to_person
from registry.permitted import permitted
from registry.search import Paging, _list_studies, count_matches, search
from registry.search_conditions import combine
from registry.visibility import terms_of
from tests.registry.care import make_officer
from tests.registry.factories import make_actor, make_department, make_region_actor, make_relation, make_uid
from tests.registry.test_merges import OID, A, B, C, make_study_of

pytestmark = pytest.mark.django_db
OTHER = "1.2.752.97.7.7"


def find(actor, level="study", **keys):
    matches = [make_match(level, key, value) for key, value in keys.items()]
    rows = search(level, matches, Paging(100), actor).rows
    assert count_matches(level, matches, actor) == len(rows)
    return {row.pk for row in rows}


def store(number, department):
    """Make a study under a number whose owner the department examines."""
    study = make_study_of(number, department)
    make_relation(study.person, department.unit)
    return study


@pytest.fixture
def department():
    return make_department()


@pytest.mark.parametrize("make", [make_actor, lambda _: make_region_actor()])
def test_either_number_finds_the_studies_of_both_until_they_are_parted(department, make):
    actor = make(department)
    studies = {store(number, department).pk for number in (A, B)}
    stranger = store(C, department).pk
    row = merge(B, A, source="test")
    for number in "AB":
        assert find(actor, PatientID=number) == studies
        assert len(find(actor, "series", PatientID=number)) == 2
        assert len(find(actor, "instance", PatientID=number, Modality="CT")) == 2
    assert find(actor, PatientID="C") == {stranger}
    undo(row.pk, by=make_officer(), reason="wrong")
    assert find(actor, PatientID="A") | find(actor, PatientID="B") == studies
    assert len(find(actor, PatientID="A")) == len(find(actor, PatientID="B")) == 1


def test_a_chain_of_merges_is_one_person(department):
    studies = {store(number, department).pk for number in (A, B, C)}
    merge(B, A, source="test")
    merge(C, B, source="test")
    for number in "ABC":
        assert find(make_actor(department), PatientID=number) == studies


def test_the_same_digits_of_another_issuer_are_another_person(department):
    actor = make_actor(department)
    own = {store(number, department).pk for number in (A, B)}
    namesake = store(PatientNumber("A", OTHER), department).pk
    merge(B, A, source="test")
    assert find(actor, PatientID="B") == own
    assert find(actor, PatientID="A") == own | {namesake}
    assert find(actor, PatientID="A", IssuerOfPatientID=OID) == own
    assert find(actor, PatientID="A", IssuerOfPatientID=OTHER) == {namesake}
    assert find(actor, "series", PatientID="B", IssuerOfPatientID="1.2.752.97.1*") != set()
    assert find(actor, PatientID="B", IssuerOfPatientID=OTHER) == set()


def test_numbers_of_several_issuers_lead_to_each_other(department):
    """Which number a study came under does not matter where the feed says that both are one person's."""
    actor = make_actor(department)
    foreign = PatientNumber("X", OTHER)
    studies = {store(number, department).pk for number in (A, foreign)}
    merge(A, foreign, source="test")
    assert find(actor, PatientID="X", IssuerOfPatientID=OTHER) == studies
    assert find(actor, PatientID="A", IssuerOfPatientID=OID) == studies


def test_what_may_not_be_seen_is_not_found_by_the_other_number(department):
    elsewhere = make_department()
    store(A, elsewhere)
    own = store(B, department).pk
    merge(B, A, source="test")
    assert find(make_actor(department), PatientID="A") == {own}


def test_keys_with_wildcards_and_other_keys_mean_what_they_say(department):
    store(A, department)
    own = store(B, department)
    merge(B, A, source="test")
    assert find(make_actor(department), PatientID="B*") == {own.pk}
    assert find(make_actor(department), PatientID="A", StudyInstanceUID=own.study_instance_uid) == {own.pk}


def test_the_index_of_numbers_selects_whether_merged_or_not(department):
    """Of a person with one number the query is the one that it was."""
    make_crowd(store(A, department))
    store(B, department)
    asked = make_match("study", "PatientID", "A")
    assert widen_to_person([asked]) == [asked]
    merge(B, A, source="test")
    widened = widen_to_person([asked])
    assert widened != [asked]
    for matches in ([asked], widened):
        condition = permitted(terms_of(make_actor(department)))
        plan = _list_studies(combine("study", matches) & condition)[:51].explain()
        assert "study_patient_id" in plan, plan
        assert "study_newest" not in plan, plan


def make_crowd(study):
    """Make two thousand studies of others, so that a plan has to choose."""
    columns = {field.attname: getattr(study, field.attname) for field in Study._meta.concrete_fields}
    Study.objects.bulk_create(
        Study(**columns | {"id": None, "study_instance_uid": make_uid(), "patient_id_normal": f"N{number}"})
        for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE registry_study")
