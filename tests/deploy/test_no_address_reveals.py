"""Every address of the project, asked by people with every right but no part in the care: nothing of the patient comes out.

The addresses are taken from the routes: one that is added and reads studies past the decision fails here.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from access.models import Department, User
from access.models.organisation import PERMISSIONS
from registry.models import (
    Block,
    BlockLift,
    CareRelation,
    Consent,
    EmergencyOpening,
    Instance,
    Order,
    Patient,
    Series,
    Study,
)
from tests.registry.factories import make_department, make_relation
from tests.repository.conftest import make_vendor
from tests.support import dicom
from tests.support.people import give_assignment

pytestmark = pytest.mark.django_db
SECRETS = (
    "Hemlig",
    "Tolvan",
    "Hemligdottir",
    "191212121212",
    "19121212-1212",
    "DT buk",
    "ACC4711",
    "Tyst fråga",
)
LEAST = 90


def list_routes() -> list[str]:
    return sorted(
        {route for route in _walk(get_resolver().url_patterns, "") if not route.startswith("admin")}
    )


def _walk(patterns, prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


@pytest.fixture
def department(db, settings, tmp_path) -> Department:
    settings.OBJECTS_ROOT, settings.SPOOL_ROOT = tmp_path / "objects", tmp_path / "spool"
    return make_department()


@pytest.fixture
def values(department) -> dict[str, list[str]]:
    """Store a study with everything around it; what each variable of an address can be."""
    facts = dicom.StudyFacts(patient_name="Hemligdottir^Tolvan", accession_number="ACC4711")
    assert make_vendor(department, "keeper").store(dicom.make_ct(facts)).status_code == 200
    study, series, instance = Study.objects.get(), Series.objects.get(), Instance.objects.get()
    patient, now = Patient.objects.get(), timezone.now()
    order = Order.objects.create(
        patient=patient, accession_number="ACC4711", question="Tyst fråga", ordering_department=department
    )
    order.studies.add(study)
    nurse = User.objects.create_user("nurse")
    assignment = give_assignment(nurse, department, "Nurse")
    span = {"valid_from": now - timedelta(days=1), "valid_to": now + timedelta(days=1), "registered_at": now}
    Consent.objects.create(patient=patient, recipient_unit=department.unit, registered_by="Hemlig", **span)
    block = Block.objects.create(
        patient=patient, unit=department.unit, valid_from=now, registered_at=now, registered_by="Hemlig"
    )
    BlockLift.objects.create(block=block, unit=department.unit, basis="consent", reason="Hemlig", **span)
    EmergencyOpening.objects.create(
        patient=patient,
        user=nurse,
        assignment=assignment,
        reason_code="life",
        reason="Hemlig orsak",
        located_at=now,
        opened_at=now,
        ends_at=now + timedelta(hours=4),
    )
    CareRelation.objects.filter(patient=patient).delete()
    keys = [
        str(model.objects.earliest("pk").pk)
        for model in (Patient, Consent, Block, BlockLift, EmergencyOpening)
    ]
    uids = [study.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid]
    return {
        "uid": uids,
        "study": uids[:1],
        "study_instance_uid": uids[:1],
        "series": uids[1:2],
        "series_instance_uid": uids[1:2],
        "instance": uids[2:],
        "sop_instance_uid": uids[2:],
        "frames": ["1"],
        "kind": ["csv", "pdf"],
        "key": [*keys, uids[0], f"lift-{keys[3]}", f"block-{keys[2]}"],
        "": keys,
    }


def fill(route: str, values: dict[str, list[str]]) -> Iterator[str]:
    """Give the addresses of a route with each variable's values, the n-th of one with the n-th of all."""
    names = re.findall(r"<(?:\w+:)?(\w+)>", route)
    for turn in range(max((len(values.get(name, values[""])) for name in names), default=1)):
        path = route
        for name in names:
            known = values.get(name, values[""])
            path = re.sub(rf"<(?:\w+:)?{name}>", known[turn % len(known)], path)
        yield "/" + path


def enter(department: Department, name: str, without: tuple[str, ...] = ()) -> Client:
    """Log a person in who holds every right in a department, but for some."""
    user = User.objects.create_user(name)
    rights = tuple(right for right in PERMISSIONS if right not in without)
    give_assignment(user, department, "Everything", rights)
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("place", ["another unit of the provider", "another provider"])
def test_no_address_reveals_a_patient(place, department, values):
    provider = department.unit.provider if place == "another unit of the provider" else None
    # Who keeps the blocks of a provider keeps them for all its units.
    without = ("register_block", "lift_block") if provider else ()
    client = enter(make_department(provider), "stranger", without)
    routes = list_routes()
    assert len(routes) > LEAST
    revealed, broken = [], []
    for route in routes:
        for path in fill(route, values):
            answer = client.get(path)
            body = answer.getvalue().decode(errors="replace")
            if answer.status_code >= 500:
                broken.append((path, answer.status_code))
            if any(secret in body for secret in SECRETS):
                revealed.append((path, answer.status_code))
    assert broken == []
    assert revealed == []


def test_the_secrets_are_there_for_somebody_in_the_care(department, values):
    """What the other test looks for does come out where it may: it is not silent for another reason."""
    make_relation(Patient.objects.get(), department.unit)
    client = enter(department, "doctor")
    bodies = [
        client.get(path).getvalue().decode(errors="replace")
        for r in list_routes()
        for path in fill(r, values)
    ]
    found = {secret for secret in SECRETS if any(secret in body for body in bodies)}
    assert found >= {"Hemligdottir", "19121212-1212", "DT buk", "Tyst fråga", "ACC4711"}
