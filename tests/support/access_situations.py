"""Generated situations of one patient: relations, blocks, consents and all else that decides about access, as rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st

from access.actor import Actor
from access.models import Assignment, CareProcess, Department, SharingAgreement, User
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    CareRelation,
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
from tests.frontend.factory import assign
from tests.registry.factories import make_actor, make_department, make_home, make_relation, make_study

NUMBER = "191212121212"
PLACES = ("own", "process", "neighbour", "partner", "stranger")
BASES = ("referral", "delivery", "reading", "prior")
WINDOWS = {"past": (-10, -5), "now": (-5, 5), "coming": (5, 10)}


@dataclass
class World:
    """Five departments, and a person in the first one with two assignments."""

    departments: dict[str, Department]
    user: User
    assignment: Assignment
    other_assignment: Assignment


@contextmanager
def rolled_back() -> Iterator[None]:
    """Forget the rows of one generated example."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def make_world() -> World:
    """Make the organisation: two units that share a process, a neighbour, a partner by agreement, a stranger."""
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
    process = CareProcess.objects.create(provider=provider, hsa_id="SE-PROCESS", name="Stroke")
    process.units.set([own.unit, departments["process"].unit])
    user = User.objects.create_user("reader", national_number=NUMBER)
    return World(departments, user, assign(user, own), assign(user, own, "Other role"))


def make_studies(world: World) -> dict[str, Study]:
    """Make one study of one patient in each department, as rows without files."""
    patient = Patient.objects.create(patient_name="Ek^Eva")
    studies = {}
    for place, department in world.departments.items():
        studies[place] = study = make_study(department, patient_name="Ek^Eva")
        study.person.relations.all().delete()
        study.person = patient
        study.save()
    return studies


def actors_of(world: World) -> list[Actor]:
    """Return the person without and with the care process, a system, and the system that asks for the person."""
    own = world.departments["own"]
    process = frozenset({world.departments["process"].unit_id})
    person = replace(
        make_actor(own), subject_id=world.user.pk, assignment_id=world.assignment.pk, national_number=NUMBER
    )
    with_process = replace(person, scope=replace(person.scope, process_unit_ids=process))
    system = replace(make_actor(own), kind="system", subject="pacs")
    return [person, with_process, system, replace(system, on_behalf_of=with_process)]


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
        "shares": some(st.tuples(places, st.sampled_from(BASES), windows, mostly_not), 3),
        "commissions": some(st.tuples(st.sampled_from(["partner", "stranger"]), windows, st.booleans())),
        "parts": some(places, 1),
    }


def make_rows(world: World, studies: dict[str, Study], situation: dict[str, Any]) -> None:  # noqa: C901 (kind after kind)
    """Write the rows of a situation about the patient of the studies; what examinations brought is forgotten."""
    now = timezone.now()
    patient = studies["own"].person
    CareRelation.objects.filter(patient=patient).delete()
    if situation["own_record"]:
        PatientIdentifier.objects.create(patient=patient, value=NUMBER, issuer="1.2", is_national=True)

    def window(name: str) -> dict[str, Any]:
        start, end = WINDOWS[name]
        return {"valid_from": now + timedelta(days=start), "valid_to": now + timedelta(days=end)}

    def ended(is_ended: bool, column: str) -> dict[str, Any]:
        return {column: now - timedelta(hours=1) if is_ended else None}

    for place, study in studies.items():
        study.study_date = situation["dates"][place]
        study.in_conflict = place in situation["conflicts"]
        study.save()
        Home.objects.filter(study=study).update(study_date=study.study_date)
        if study.in_conflict:
            Home.objects.filter(study=study).update(unit=None)
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
    for place, when, is_commissioner in situation["commissions"]:
        parties = [unit["own"].provider, unit[place].provider]
        agreement = SharingAgreement.objects.create(
            name="Reading",
            kind=SharingAgreement.PROCESSOR,
            commissioner=parties[1 if is_commissioner else 0],
            **window(when),
        )
        agreement.parties.set(parties)
    for place in situation["parts"]:
        Participation.objects.create(
            study=studies[place], user=world.user, kind="reported", registered_at=now
        )
