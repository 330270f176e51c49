"""Lists filter by conditions, single reads decide on facts: over generated rows the two never disagree."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.actor import Actor
from access.models import Assignment, CareProvider, Department, SharingAgreement, User
from registry.matching import Rules, make_match
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    Consent,
    EmergencyOpening,
    Home,
    Participation,
    Patient,
    PatientFlag,
    PatientIdentifier,
    Relative,
    Share,
    Study,
)
from registry.search import Paging, search
from registry.visibility import UnknownStudy, decide_studies, permitted_study, visible_studies
from tests.frontend.factory import assign
from tests.registry.factories import (
    make_actor,
    make_department,
    make_home,
    make_relation,
    make_study,
    make_uid,
)

pytestmark = pytest.mark.django_db
ALL = Paging(1000)
NUMBER = "191212121212"
PLACES = ("own", "process", "neighbour", "partner", "stranger")
WINDOWS = {"past": (-10, -5), "now": (-5, 5), "coming": (5, 10)}


@dataclass
class World:
    """Five departments, a person in the first one with two assignments, a system beside them."""

    departments: dict[str, Department]
    user: User
    assignment: Assignment
    other_assignment: Assignment
    other_user: User


@contextmanager
def rolled_back():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def world(db) -> World:
    own = make_department()
    provider = own.unit.provider
    departments = {
        "own": own,
        "process": make_department(provider),
        "neighbour": make_department(provider),
        "partner": make_department(),
        "stranger": make_department(),
    }
    agreement = SharingAgreement.objects.create(name="Shared records", kind=SharingAgreement.COHESIVE)
    agreement.parties.set([provider, departments["partner"].unit.provider])
    user = User.objects.create_user("reader", national_number=NUMBER)
    other = User.objects.create_user("somebody")
    return World(departments, user, assign(user, own), assign(user, own, "Other role"), other)


places = st.sampled_from(PLACES)
windows = st.sampled_from(["past", "now", "now", "now", "coming"])
mostly_not = st.sampled_from([False, False, False, True])
dates = st.sampled_from(["", "20240101", "20250601"])


@st.composite
def situations(draw) -> dict[str, Any]:
    """What there is about one patient: some rows of each kind, most of them valid."""

    def some(strategy, size=2):
        return draw(st.lists(strategy, max_size=size))

    return {
        "dates": {place: draw(dates) for place in PLACES},
        "conflicts": draw(st.sets(places, max_size=1)),
        "relations": some(
            st.tuples(st.sampled_from(["own", "process", "partner"]), st.booleans(), windows, mostly_not)
        ),
        "flags": draw(st.sets(st.sampled_from(["protected_1", "vip", "staff", "opted_out"]), max_size=2)),
        "relative": draw(mostly_not),
        "own_record": draw(mostly_not),
        "blocks": some(
            st.tuples(
                places,
                st.booleans(),
                st.sampled_from([("", ""), ("20250101", ""), ("", "20241231"), ("20240101", "20240101")]),
                mostly_not,
                windows,
                mostly_not,
                st.sampled_from(["none", "none", "unit", "user", "other unit", "past"]),
            )
        ),
        "consents": some(
            st.tuples(st.sampled_from(["provider", "unit", "user", "other unit"]), windows, mostly_not)
        ),
        "choices": some(st.tuples(st.sampled_from([*PLACES, ""]), windows, mostly_not), 3),
        "openings": some(st.tuples(windows, mostly_not, mostly_not), 1),
        "shares": some(st.tuples(places, st.sampled_from(["referral", "delivery"]), windows, mostly_not)),
        "parts": some(places, 1),
    }


def make_rows(world: World, situation: dict[str, Any]) -> list[Study]:  # noqa: C901 (one kind after the other)
    now = timezone.now()
    patient = Patient.objects.create(patient_name="Ek^Eva")
    if situation["own_record"]:
        PatientIdentifier.objects.create(patient=patient, value=NUMBER, issuer="1.2", is_national=True)

    def window(name: str) -> dict[str, Any]:
        start, end = WINDOWS[name]
        return {"valid_from": now + timedelta(days=start), "valid_to": now + timedelta(days=end)}

    def ended(is_ended: bool, column: str) -> dict[str, Any]:
        return {column: now - timedelta(hours=1) if is_ended else None}

    studies = {}
    for place, department in world.departments.items():
        study = make_study(department, study_date=situation["dates"][place], patient_name="Ek^Eva")
        study.person.relations.all().delete()
        study.person = patient
        study.in_conflict = place in situation["conflicts"]
        study.save()
        if study.in_conflict:
            Home.objects.filter(study=study).update(unit=None)
        studies[place] = study
    unit = {place: department.unit for place, department in world.departments.items()}
    for place, is_personal, when, is_ended in situation["relations"]:
        user = world.user if is_personal else None
        make_relation(patient, unit[place], user=user, **window(when), **ended(is_ended, "ended_at"))
    for kind in situation["flags"]:
        PatientFlag.objects.create(patient=patient, kind=kind, registered_at=now)
    if situation["relative"]:
        Relative.objects.create(patient=patient, user=world.user, registered_at=now)
    for place, is_outer, (start, end), is_absolute, when, is_cancelled, lifted in situation["blocks"]:
        block = Block.objects.create(
            patient=patient,
            provider=unit[place].provider if is_outer else None,
            unit=None if is_outer else unit[place],
            data_from=start,
            data_to=end,
            is_absolute=is_absolute,
            valid_from=window(when)["valid_from"],
            registered_at=now,
            **ended(is_cancelled, "cancelled_at"),
        )
        if lifted != "none":
            BlockLift.objects.create(
                block=block,
                unit=unit["neighbour" if lifted == "other unit" else "own"],
                user=world.user if lifted == "user" else None,
                registered_at=now,
                **window("past" if lifted == "past" else "now"),
            )
    for recipient, when, is_withdrawn in situation["consents"]:
        Consent.objects.create(
            patient=patient,
            recipient_provider=unit["own"].provider if recipient == "provider" else None,
            recipient_unit={"unit": unit["own"], "other unit": unit["neighbour"]}.get(recipient),
            recipient_user=world.user if recipient == "user" else None,
            registered_at=now,
            **window(when),
            **ended(is_withdrawn, "withdrawn_at"),
        )
    for place, when, is_other_assignment in situation["choices"]:
        assignment = world.other_assignment if is_other_assignment else world.assignment
        ActiveChoice.objects.create(
            patient=patient, assignment=assignment, unit=unit[place] if place else None, **window(when)
        )
    for when, is_closed, is_unopened in situation["openings"]:
        start, end = WINDOWS[when]
        EmergencyOpening.objects.create(
            patient=patient,
            user=world.user,
            assignment=world.assignment,
            reason_code="life",
            reason="unconscious",
            located_at=now + timedelta(days=start),
            opened_at=None if is_unopened else now + timedelta(days=start),
            ends_at=now + timedelta(days=end),
            **ended(is_closed, "closed_at"),
        )
    for place, basis, when, is_withdrawn in situation["shares"]:
        Share.objects.create(
            study=studies[place],
            department=world.departments["own"],
            basis=basis,
            registered_at=now,
            **window(when),
            **ended(is_withdrawn, "withdrawn_at"),
        )
        if not Home.objects.filter(study=studies[place], department=world.departments["own"]).exists():
            make_home(studies[place], world.departments["own"], "CT", unit=None)
    for place in situation["parts"]:
        Participation.objects.create(
            study=studies[place], user=world.user, kind="reported", registered_at=now
        )
    return list(studies.values())


def actors_of(world: World) -> list[Actor]:
    own = world.departments["own"]
    process = frozenset({world.departments["process"].unit_id})
    person = replace(
        make_actor(own), subject_id=world.user.pk, assignment_id=world.assignment.pk, national_number=NUMBER
    )
    with_process = replace(person, scope=replace(person.scope, process_unit_ids=process))
    system = replace(make_actor(own), kind="system", subject="pacs")
    return [person, with_process, system, replace(system, on_behalf_of=with_process)]


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
        studies = make_rows(world, situation)
        for actor in actors_of(world):
            decisions = decide_studies(actor, studies)
            permitted = {study.pk for study in studies if decisions[study.pk].permits}
            assert {study.pk for study in visible_studies(actor)} == permitted
            assert {row.pk for row in search("study", [], ALL, actor).rows} == permitted
            assert {study.pk for study in studies if is_found(actor, study)} == permitted
            assert {study.pk for study in studies if is_opened(actor, study)} == permitted


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
