"""Lists filter by conditions, single reads decide on facts: over generated rows the two never disagree."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.actor import Actor
from access.models import CareProvider
from registry.matching import Rules, make_match
from registry.models import Consent, PatientFlag, Study
from registry.search import Paging, search
from registry.visibility import UnknownStudy, decide_studies, permitted_study, visible_studies
from tests.registry.factories import make_relation, make_study, make_uid
from tests.support.access_situations import (
    World,
    actors_of,
    make_rows,
    make_studies,
    make_world,
    rolled_back,
    situations,
)

pytestmark = pytest.mark.django_db
ALL = Paging(1000)


@pytest.fixture
def world(db) -> World:
    return make_world()


def is_found(actor: Actor, study: Study) -> bool:
    match = make_match("study", "StudyInstanceUID", study.study_instance_uid, Rules())
    return any(row.pk == study.pk for row in search("study", [match], ALL, actor).rows)


def is_opened(actor: Actor, study: Study) -> bool:
    try:
        return permitted_study(actor, study.study_instance_uid).pk == study.pk
    except UnknownStudy:
        return False


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situation=situations(), spares=st.booleans(), chooses=st.booleans())
def test_lists_and_decisions_agree(
    world: World, settings: Any, situation, spares: bool, chooses: bool
) -> None:
    settings.OPT_OUT_SPARES_PROVIDER, settings.CHOICE_BETWEEN_UNITS = spares, chooses
    with rolled_back():
        by_place = make_studies(world)
        make_rows(world, by_place, situation)
        studies = list(by_place.values())
        for actor in actors_of(world):
            decisions = decide_studies(actor, studies)
            permitted = {study.pk for study in studies if decisions[study.pk].permits}
            assert {study.pk for study in visible_studies(actor)} == permitted
            assert {row.pk for row in search("study", [], ALL, actor).rows} == permitted
            assert {study.pk for study in studies if is_found(actor, study)} == permitted
            assert {study.pk for study in studies if is_opened(actor, study)} == permitted


@pytest.mark.parametrize("keys", [[], [("ModalitiesInStudy", "CT")], [("StudyDate", "20240102-20250102")]])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own=st.lists(st.sampled_from(["", "20240101", "20240102", "20250102", "20250103"]), max_size=5),
    others=st.lists(st.sampled_from(["", "20240102", "20250102", "20250103"]), max_size=5),
    size=st.integers(1, 3),
    most_recent=st.sampled_from([0, 2, 600]),
)
def test_what_a_consent_opens_comes_where_it_belongs(
    world: World, keys: list[tuple[str, str]], own: list[str], others: list[str], size: int, most_recent: int
) -> None:
    person = actors_of(world)[0]
    matches = [make_match("study", keyword, value, Rules()) for keyword, value in keys]
    with rolled_back(), pytest.MonkeyPatch.context() as patched:
        for date in own:
            make_study(world.departments["own"], study_date=date)
        patient = None
        for date in others:
            study = make_study(world.departments["partner"], study_date=date)
            if patient is None:
                patient = study.person
                make_relation(patient, world.departments["own"].unit)
                now, day = timezone.now(), timedelta(days=1)
                Consent.objects.create(
                    patient=patient,
                    recipient_unit=world.departments["own"].unit,
                    valid_from=now - day,
                    valid_to=now + day,
                    registered_at=now,
                )
            Study.objects.filter(pk=study.pk).update(person=patient)
        whole = [row.pk for row in search("study", matches, ALL, person).rows]
        if not keys:
            assert len(whole) == len(own) + len(others)
        patched.setattr("registry.search.LOOK_AHEAD", 1)
        patched.setattr("registry.search.MOST_RECENT", most_recent)
        patched.setattr("registry.search._LISTS", {})  # the number stands in the statement
        pages = [search("study", matches, Paging(size, n), person).rows for n in range(0, 11, size)]
        assert [row.pk for page in pages for row in page] == whole


def test_protected_people_are_not_found_by_name(world: World) -> None:
    study = make_study(world.departments["own"], patient_name="Ek^Eva")
    actor = actors_of(world)[0]
    by_name = [make_match("study", "PatientName", "Ek*", Rules())]
    assert len(search("study", by_name, ALL, actor).rows) == 1
    PatientFlag.objects.create(patient=study.person, kind="protected_2", registered_at=timezone.now())
    for value in ("Ek*", "Ek^Eva", "*Eva"):
        assert search("study", [make_match("study", "PatientName", value, Rules())], ALL, actor).rows == ()
    assert len(search("study", [], ALL, actor).rows) == 1


def test_a_provider_without_units_is_nobody_s(world: World) -> None:
    CareProvider.objects.create(hsa_id=make_uid(), name="Alone")
    assert search("study", [], ALL, actors_of(world)[0]).rows == ()
