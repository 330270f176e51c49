"""Sources of blocks and consents: the own tables, and a service that is a process and can be stopped."""

import time
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import Recipient, register_consent
from registry.consent.lifts import lift_block
from registry.sources.local import LocalTables
from registry.sources.read import read_restrictions
from registry.sources.service import HttpService, parse_restrictions
from registry.sources.shapes import (
    ForeignBlock,
    ForeignConsent,
    ForeignLift,
    PatientNumber,
    Restrictions,
    SourceUnavailable,
)
from tests.registry.care import PERSONAL_NUMBER_OID, make_doctor, make_patient
from tests.registry.factories import make_department
from tests.support.block_service import TOKEN, run_block_service

NUMBER = "191212121212"
LATER = "2099-01-01T00:00:00+00:00"
TOLD = {
    "blocks": [{"id": "b1", "provider_hsa_id": "SE-P1", "unit_hsa_id": "SE-U1", "data_from": "20200101"}],
    "lifts": [{"id": "l1", "block_id": "b1", "unit_hsa_id": "SE-U2", "valid_to": LATER}],
    "consents": [{"id": "c1", "valid_to": LATER, "provider_hsa_id": "SE-P2"}],
}
READ = Restrictions(
    (ForeignBlock("b1", "SE-P1", "SE-U1", "20200101"),),
    (ForeignLift("l1", "b1", "SE-U2", datetime.fromisoformat(LATER)),),
    (ForeignConsent("c1", datetime.fromisoformat(LATER), provider_hsa_id="SE-P2"),),
)


@pytest.fixture
def service(tmp_path):
    with run_block_service(tmp_path) as running:
        running.know(p191212121212=TOLD)
        yield running


@pytest.fixture
def patient(db):
    return make_patient(NUMBER)


@pytest.fixture
def asked(service, settings):
    """The service as the settings name it, and nothing kept of an earlier test."""
    settings.BLOCK_SERVICE_URL = service.url
    settings.BLOCK_SERVICE_TOKEN = TOKEN
    settings.BLOCK_SERVICE_CACHE_S = 0.3
    return service


def test_a_service_tells_blocks_lifts_and_consents_by_national_number(asked, patient):
    assert read_restrictions(patient.pk) == READ
    [question] = asked.seen()
    assert question["numbers"] == [{"value": NUMBER, "issuer": PERSONAL_NUMBER_OID}]
    assert NUMBER not in question["path"]


def test_an_answer_is_kept_for_a_short_time(asked, patient):
    for _ in range(3):
        read_restrictions(patient.pk)
    assert len(asked.seen()) == 1
    asked.know()
    time.sleep(0.35)
    assert read_restrictions(patient.pk) == Restrictions()


def test_what_was_kept_ends_when_it_ends(asked, patient):
    assert read_restrictions(patient.pk) == READ
    end = datetime.fromisoformat(LATER)
    assert read_restrictions(patient.pk, end) == Restrictions(READ.blocks)


def test_a_service_that_is_stopped_is_no_empty_answer(asked, patient):
    asked.stop()
    answer = read_restrictions(patient.pk)
    assert isinstance(answer, SourceUnavailable)
    assert NUMBER not in answer.reason


def test_a_service_that_is_slow_is_not_waited_for(service):
    service.behave(slow=5)
    asked = HttpService(service.url, TOKEN, timeout_s=0.2)
    numbers = [PatientNumber(NUMBER, PERSONAL_NUMBER_OID)]
    began = time.monotonic()
    answers = [asked.read(numbers, timezone.now()) for _ in range(20)]
    assert all(isinstance(answer, SourceUnavailable) for answer in answers)
    assert len(service.seen()) == 1  # while it is silent nobody else waits for it
    assert time.monotonic() - began < 4


def test_a_service_is_asked_again_after_its_silence(service):
    service.behave(status=503)
    asked = HttpService(service.url, TOKEN)
    numbers = [PatientNumber(NUMBER, PERSONAL_NUMBER_OID)]
    assert isinstance(asked.read(numbers, timezone.now()), SourceUnavailable)
    service.know(p191212121212=TOLD)
    asked.forget()
    assert asked.read(numbers, timezone.now()) == READ


@pytest.mark.parametrize("token", ["", "another"])
def test_a_service_that_refuses_is_no_empty_answer(service, token):
    numbers = [PatientNumber(NUMBER, PERSONAL_NUMBER_OID)]
    assert isinstance(HttpService(service.url, token).read(numbers, timezone.now()), SourceUnavailable)


def test_nothing_is_asked_without_a_service_or_a_national_number(service, settings, db):
    settings.BLOCK_SERVICE_URL = ""
    assert read_restrictions(make_patient().pk) == Restrictions()
    settings.BLOCK_SERVICE_URL = service.url
    local = make_patient()
    local.identifiers.update(is_national=False)
    assert read_restrictions(local.pk) == Restrictions()
    assert service.seen() == []


@pytest.mark.parametrize(
    "harm",
    [
        b"",
        b"[]",
        b'{"blocks": []}',
        b'{"blocks": {}, "lifts": [], "consents": []}',
        b'{"blocks": [7], "lifts": [], "consents": []}',
        b'{"blocks": [{"id": "b1"}], "lifts": [], "consents": []}',
        b'{"blocks": [{"id": "b", "provider_hsa_id": "p", "is_absolute": "false"}], "lifts": [], "consents": []}',
        b'{"blocks": [{"id": "b", "provider_hsa_id": "p", "is_open": true}], "lifts": [], "consents": []}',
        b'{"blocks": [], "lifts": [], "consents": [{"id": "c", "valid_to": "2099-01-01T00:00:00"}]}',
        b'{"blocks": [], "lifts": [], "consents": [{"id": "c", "valid_to": "soon"}]}',
    ],
)
def test_an_answer_of_another_form_is_refused(harm):
    with pytest.raises(ValueError):
        parse_restrictions(harm)


@given(st.binary(max_size=200))
def test_no_answer_breaks_more_than_itself(data):
    try:
        parse_restrictions(data)
    except ValueError:
        return
    raise AssertionError(f"{data!r} was read as an answer")


@pytest.mark.django_db
def test_the_own_tables_answer_in_the_same_shape(patient):
    department, other = make_department(), make_department()
    custodian = make_doctor(department)
    end = timezone.now() + timedelta(days=3)
    block = register_block(custodian, patient, Holder(unit_id=department.unit_id), data_to="20250101")
    outer = register_block(
        custodian, patient, Holder(provider_id=department.unit.provider_id), is_absolute=True
    )
    lift = lift_block(
        custodian,
        block,
        other.unit,
        basis="consent",
        requested_by="the patient",
        reason="operation tomorrow",
        valid_to=end,
    )
    given_to = Recipient(provider_id=department.unit.provider_id)
    consent = register_consent(custodian, patient, given_to, valid_to=end, text_version="1")
    numbers = [PatientNumber(NUMBER, PERSONAL_NUMBER_OID)]
    provider = department.unit.provider.hsa_id
    answer = LocalTables().read(numbers, timezone.now())
    assert answer == Restrictions(
        (
            ForeignBlock(f"block:{block.pk}", provider, department.unit.hsa_id, data_to="20250101"),
            ForeignBlock(f"block:{outer.pk}", provider, is_absolute=True),
        ),
        (ForeignLift(f"lift:{lift.pk}", f"block:{block.pk}", other.unit.hsa_id, end),),
        (ForeignConsent(f"consent:{consent.pk}", end, provider_hsa_id=provider),),
    )
    cancel_block(custodian, outer, reason="by mistake")
    later = LocalTables().read(numbers, end)
    assert later == Restrictions(answer.blocks[:1])
    assert LocalTables().read([PatientNumber(NUMBER, "1.2.3")], end) == Restrictions()
    assert LocalTables().read([], end) == Restrictions()
