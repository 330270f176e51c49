"""Blocks and consents that a service of others keeps decide with the own rows; while it is away, less is open."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from access.models import SharingAgreement, User
from registry import visibility
from registry.matching import make_match
from registry.models import Consent, PatientIdentifier
from registry.search import Paging, search
from registry.sources import read as sources
from registry.visibility import decide_study, may_see
from tests.frontend.factory import assign
from tests.registry.care import PERSONAL_NUMBER_OID
from tests.registry.factories import make_actor, make_department, make_relation, make_study
from tests.support.block_service import TOKEN, run_block_service

pytestmark = pytest.mark.django_db
NUMBER = "191212121212"
LATER = "2099-01-01T00:00:00+00:00"


@pytest.fixture
def service(tmp_path, settings):
    sources._service.cache_clear()
    visibility._kept.clear()
    with run_block_service(tmp_path) as running:
        settings.BLOCK_SERVICE_URL, settings.BLOCK_SERVICE_TOKEN = running.url, TOKEN
        settings.BLOCK_SERVICE_CACHE_S = 0.0
        running.know()
        yield running


@pytest.fixture
def department():
    return make_department()


@pytest.fixture
def partner(department):
    partner = make_department()
    agreement = SharingAgreement.objects.create(name="Shared records", kind=SharingAgreement.COHESIVE)
    agreement.parties.set([department.unit.provider, partner.unit.provider])
    return partner


@pytest.fixture
def actor(department):
    user = User.objects.create_user("reader")
    return replace(make_actor(department), subject_id=user.pk, assignment_id=assign(user, department).pk)


@pytest.fixture
def study(partner, department):
    """A study of the partner; the reader's unit has a relation."""
    study = make_study(partner)
    PatientIdentifier.objects.create(
        patient=study.person, value=NUMBER, issuer=PERSONAL_NUMBER_OID, is_national=True
    )
    make_relation(study.person, department.unit)
    return study


def consent(study, department):
    now = timezone.now()
    Consent.objects.create(
        patient=study.person,
        recipient_unit=department.unit,
        valid_from=now - timedelta(days=1),
        valid_to=now + timedelta(days=1),
        registered_at=now,
    )


def is_listed(actor, study, *keys):
    matches = [make_match("study", key, value) for key, value in keys]
    return study in search("study", matches, Paging(50), actor).rows


def test_a_consent_of_the_service_opens_another_provider(service, actor, department, study):
    assert decide_study(actor, study).need == "consent"
    service.know(
        p191212121212={"consents": [{"id": "c1", "valid_to": LATER, "unit_hsa_id": department.unit.hsa_id}]}
    )
    decision = decide_study(actor, study)
    assert (decision.effect, decision.rule) == ("permit", "9")
    assert "consent:c1" in decision.basis
    assert decision.expires_at <= datetime.fromisoformat(LATER).astimezone(UTC)
    assert is_listed(actor, study, ("StudyInstanceUID", study.study_instance_uid))


def test_what_only_a_consent_of_the_service_opens_is_found_by_a_key_and_in_no_list_without(
    service, actor, department, study
):
    service.know(
        p191212121212={"consents": [{"id": "c1", "valid_to": LATER, "unit_hsa_id": department.unit.hsa_id}]}
    )
    assert may_see(actor, study)
    for keys in ([], [("StudyDate", "20200101-")], [("ModalitiesInStudy", "CT")]):
        assert not is_listed(actor, study, *keys)
    number, name = ("PatientID", study.patient_id), ("PatientName", "Åke*")
    for keys in ([number], [name], [number, ("StudyDate", "20200101-")]):
        assert is_listed(actor, study, *keys)
    consent(study, department)
    assert is_listed(actor, study)


@pytest.mark.parametrize("is_inner", [True, False])
def test_a_block_of_the_service_closes_also_in_lists(service, actor, department, partner, study, is_inner):
    consent(study, department)
    keys = [(), (("StudyInstanceUID", study.study_instance_uid),)]
    assert all(is_listed(actor, study, *found) for found in keys)
    block = {"id": "b1", "provider_hsa_id": partner.unit.provider.hsa_id}
    if is_inner:
        block["unit_hsa_id"] = partner.unit.hsa_id
    service.know(p191212121212={"blocks": [block]})
    assert decide_study(actor, study).need == "emergency"
    assert not any(is_listed(actor, study, *found) for found in keys)
    lift = {"id": "l1", "block_id": "b1", "unit_hsa_id": department.unit.hsa_id, "valid_to": LATER}
    service.know(p191212121212={"blocks": [block], "lifts": [lift]})
    decision = decide_study(actor, study)
    assert decision.permits
    assert "lift:l1" in decision.basis
    assert all(is_listed(actor, study, *found) for found in keys)


def test_a_lift_for_one_person_is_for_no_other(service, actor, department, partner, study):
    consent(study, department)
    block = {"id": "b1", "provider_hsa_id": partner.unit.provider.hsa_id}
    lift = {"id": "l1", "block_id": "b1", "unit_hsa_id": department.unit.hsa_id, "valid_to": LATER}
    User.objects.create_user("other", hsa_id="SE-OTHER")
    service.know(p191212121212={"blocks": [block], "lifts": [{**lift, "user_hsa_id": "SE-OTHER"}]})
    assert not may_see(actor, study)
    User.objects.filter(pk=actor.subject_id).update(hsa_id="SE-READER")
    service.know(p191212121212={"blocks": [block], "lifts": [{**lift, "user_hsa_id": "SE-READER"}]})
    assert may_see(actor, study)


def test_while_the_service_is_away_others_are_closed_and_the_own_unit_open_with_a_banner(
    service, actor, department, study
):
    consent(study, department)
    own = make_study(department, study_date="20260101")
    own.person = study.person
    own.save()
    assert may_see(actor, study)
    service.stop()
    sources._service.cache_clear()
    visibility._kept.clear()
    decision = decide_study(actor, study)
    assert (decision.effect, decision.reason) == ("deny", "blocks_unknown")
    assert not is_listed(actor, study)
    assert not is_listed(actor, study, ("StudyInstanceUID", study.study_instance_uid))
    decision = decide_study(actor, own)
    assert decision.permits
    assert "blocks_unknown_banner" in decision.obligations
    assert is_listed(actor, own)
