"""Own provider, own department, region-wide, nobody: what lists and single reads agree on."""

import pytest

from access.actor import Actor, Scope
from registry.models import Home
from registry.visibility import UnknownStudy, branches, may_see, study_for, visible_studies
from tests.registry.factories import make_actor, make_department, make_region_actor, make_study, make_uid

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider_department():
    return make_department()


def test_lists_and_single_reads_agree(provider_department):
    neighbour = make_department(provider_department.unit.provider)
    foreign = make_department()
    studies = [make_study(d) for d in (provider_department, neighbour, foreign)]
    expected = {
        make_actor(provider_department): [True, True, False],
        make_actor(neighbour): [True, True, False],
        make_actor(foreign): [False, False, True],
        make_region_actor(): [True, True, True],
    }
    for actor, seen in expected.items():
        assert [may_see(actor, study) for study in studies] == seen
        assert {s.pk for s in visible_studies(actor)} == {
            s.pk for s, ok in zip(studies, seen, strict=True) if ok
        }


def test_a_study_in_conflict_is_seen_by_its_custodian_department_only(provider_department):
    neighbour = make_department(provider_department.unit.provider)
    study = make_study(provider_department, in_conflict=True)
    Home.objects.filter(study=study).update(unit=None)
    assert may_see(make_actor(provider_department), study)
    assert not may_see(make_actor(neighbour), study)
    assert may_see(make_region_actor(), study)


def test_without_the_read_permission_nothing_is_visible(provider_department):
    study = make_study(provider_department)
    actor = Actor("system", "sender", make_actor(provider_department).scope, frozenset({"store"}))
    assert branches(actor) == ()
    assert not visible_studies(actor).exists()
    with pytest.raises(UnknownStudy):
        study_for(actor, study.study_instance_uid)


def test_a_scope_without_a_place_sees_nothing(provider_department):
    study = make_study(provider_department)
    actor = Actor("person", "nobody", Scope(), frozenset({"read"}))
    assert not may_see(actor, study)
    assert not visible_studies(actor).exists()


def test_unknown_and_invisible_raise_the_same(provider_department):
    study = make_study(provider_department)
    actor = make_actor(make_department())
    messages = set()
    for uid in (study.study_instance_uid, make_uid()):
        with pytest.raises(UnknownStudy) as caught:
            study_for(actor, uid)
        messages.add(str(caught.value))
    assert len(messages) == 1
